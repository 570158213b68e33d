import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";

/** All inputs of the type check and of the tests that run in a copy. */
const COPIED = [
  ...["cli", "docs", "gateway", "kernel", "platform", "prisma", "schema", "scripts", "sdk", "tests", "workers"],
  ...["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "vitest.config.ts"],
  ...["deploy", "docker-compose.yml", ".env.example", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"],
];
const NOT_COPIED = new Set(["node_modules", "dist", ".cache"]);
const MAX_OUTPUT_BYTES = 64 << 20;

/** A replacement of a text of the product. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

export type Copy = Awaited<ReturnType<typeof copyOfCheckout>>;

/** A copy of this checkout without its history, to be changed. */
export async function copyOfCheckout(parent = os.tmpdir()) {
  const folder = await mkdtemp(path.join(parent, "metrly-copy-"));
  const from = packageRoot();
  const filter = (source: string) => !NOT_COPIED.has(path.basename(source));
  for (const name of COPIED) await cp(path.join(from, name), path.join(folder, name), { recursive: true, filter });
  await symlink(path.join(from, "node_modules"), path.join(folder, "node_modules"));
  const read = (file: string) => readFile(path.join(folder, file), "utf8");
  return {
    folder,
    read,
    write: (file: string, text: string) => writeFile(path.join(folder, file), text),
    /** Throws unless the text occurs exactly once: after a change of the product the edit must follow. */
    async edit({ file, find, put }: Edit): Promise<void> {
      const parts = (await read(file)).split(find);
      if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${find}`);
      await writeFile(path.join(folder, file), parts.join(put));
    },
    /** The output of a Node program run in the copy, successful or not. */
    run: (...args: readonly string[]) =>
      new Promise<string>((resolve) => {
        execFile(process.execPath, args, { cwd: folder, maxBuffer: MAX_OUTPUT_BYTES }, (_, stdout, stderr) =>
          resolve(stdout + stderr),
        );
      }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
