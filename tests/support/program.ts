import { mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import { packageRoot } from "#platform/process/package-root.js";
import { once } from "../servers/once.js";

/**
 * A program for Node from TypeScript that a test starts, compiled once for all test files. `source` is an absolute path. A loader
 * of TypeScript would compile at each start, for a second of CPU.
 */
export async function compiledProgram(source: string): Promise<string> {
  const name = path.relative(packageRoot(), source).replaceAll(path.sep, "-");
  // Below the package, so that its dependencies and files are found.
  const folder = path.join(packageRoot(), ".cache", "programs");
  const file = path.join(folder, name.replace(/\.ts$/, ".mjs"));
  await once(name, async () => {
    const { outputFiles } = await build({
      ...{ entryPoints: [source], bundle: true, packages: "external", write: false },
      ...{ format: "esm", platform: "node", target: "node20.19", keepNames: true, sourcemap: "inline" },
    });
    await mkdir(folder, { recursive: true });
    // Another call of vitest may be starting it.
    await writeFile(`${file}.${process.pid}`, outputFiles[0]?.contents ?? "");
    await rename(`${file}.${process.pid}`, file);
  });
  return file;
}
