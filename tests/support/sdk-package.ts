import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";

const run = promisify(execFile);

export interface SdkPackage {
  /** The bytes that `npm publish` would send. */
  readonly tarball: Uint8Array;
  /** A new, empty project that has installed the tarball. `type`: of its modules. */
  project(type: "module" | "commonjs"): Promise<{ readonly folder: string; run(script: string): Promise<string> }>;
  remove(): Promise<void>;
}

/** The SDK as it is published, packed from a copy of its folder. */
export async function packSdk(): Promise<SdkPackage> {
  // Inside the checkout, so that the build finds its compiler.
  const cache = path.join(packageRoot(), ".cache");
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(path.join(cache, "sdk-"));
  const source = path.join(folder, "source");
  const isOwn = (file: string) => !/(?:^|\/)(?:dist|node_modules)$/.test(path.relative(packageRoot(), file));
  await cp(path.join(packageRoot(), "sdk"), source, { recursive: true, filter: isOwn });
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: source });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ filename: string }];
  const tarball = path.join(folder, filename);
  return {
    tarball: await readFile(tarball),
    async project(type) {
      const own = await mkdtemp(path.join(folder, "project-"));
      await writeFile(path.join(own, "package.json"), JSON.stringify({ private: true, type }));
      await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: own });
      return {
        folder: own,
        async run(script) {
          const file = path.join(own, "app.js");
          await writeFile(file, script);
          return (await run(process.execPath, [file], { cwd: own, env: process.env })).stdout;
        },
      };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
