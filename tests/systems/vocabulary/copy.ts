import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";

/** All that the type check and the tests of the vocabulary read. */
const COPIED = [
  ...["cli", "docs", "gateway", "kernel", "platform", "prisma", "schema", "scripts", "sdk", "tests", "workers"],
  ...["package.json", "tsconfig.json", "tsconfig.build.json"],
];
const NOT_COPIED = new Set(["node_modules", "dist", ".cache"]);
const MAX_OUTPUT_BYTES = 64 << 20;

/** A text of the product that is replaced by another. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

export type Copy = Awaited<ReturnType<typeof copyOfCheckout>>;

/** A copy of this checkout without its history, to be changed. */
export async function copyOfCheckout() {
  const folder = await mkdtemp(path.join(os.tmpdir(), "metrly-vocabulary-"));
  const from = packageRoot();
  const filter = (source: string) => !NOT_COPIED.has(path.basename(source));
  for (const name of COPIED) await cp(path.join(from, name), path.join(folder, name), { recursive: true, filter });
  await symlink(path.join(from, "node_modules"), path.join(folder, "node_modules"));
  const read = (file: string) => readFile(path.join(folder, file), "utf8");
  return {
    read,
    write: (file: string, text: string) => writeFile(path.join(folder, file), text),
    /** Throws for a text that is not there exactly once: the product has changed, and so must the edit. */
    async edit({ file, find, put }: Edit): Promise<void> {
      const parts = (await read(file)).split(find);
      if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${find}`);
      await writeFile(path.join(folder, file), parts.join(put));
    },
    /** What a program of this Node prints when it runs in the copy, whether it fails or not. */
    run: (...args: readonly string[]) =>
      new Promise<string>((resolve) => {
        execFile(process.execPath, args, { cwd: folder, maxBuffer: MAX_OUTPUT_BYTES }, (_, stdout, stderr) =>
          resolve(stdout + stderr),
        );
      }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
