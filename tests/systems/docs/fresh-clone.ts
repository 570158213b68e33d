import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { build } from "../../support/build.js";

const run = promisify(execFile);

/**
 * The checkout as a stranger clones it: only what git tracks or would add. Dependencies and the build are those of the checkout, and
 * `npm start` finds them present: building again takes seven seconds of CPU. Dependencies are linked one by one, and it rejects when
 * some are missing: `npm start` would install them, and npm deletes what a linked `node_modules` contains.
 */
export async function cloneCheckout(folder: string): Promise<void> {
  await build();
  const root = packageRoot();
  const { stdout } = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  const files = stdout.split("\0").filter((file) => file !== "" && existsSync(path.join(root, file)));
  for (const file of files) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await cp(path.join(root, file), path.join(folder, file));
  }
  await linkEach(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  await cp(path.join(root, "package-lock.json"), path.join(folder, "node_modules", NPMS_RECORD));
  await cp(path.join(root, "dist"), path.join(folder, "dist"), { recursive: true });
  const { stdout: built } = await run(process.execPath, ["--input-type=module", "--eval", EXAMINE], { cwd: folder });
  const { missing, sources } = JSON.parse(built) as { missing: boolean; sources: string };
  if (missing) throw new Error("dependencies are missing: run npm ci");
  await writeFile(path.join(folder, "dist", ".built-from"), sources);
}

/** What npm has installed, by its own account. */
const NPMS_RECORD = ".package-lock.json";

/** What `npm start` looks at before it installs and builds. */
const EXAMINE = `
import { hashSources } from "./scripts/built-from.mjs";
import { missingInstall } from "./scripts/install.mjs";
console.log(JSON.stringify({ missing: missingInstall({ dev: false }) !== undefined, sources: hashSources() }));`;

/** Links each package, within a scope too: no folder is shared. */
export async function linkEach(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const name of await readdir(from)) {
    if (name === NPMS_RECORD) continue;
    if (name.startsWith("@")) await linkEach(path.join(from, name), path.join(to, name));
    else await symlink(path.join(from, name), path.join(to, name));
  }
}

/** Changes a file, which must contain each replaced text. */
export async function rewrite(file: string, replaced: Readonly<Record<string, string>>): Promise<void> {
  let text = await readFile(file, "utf8");
  for (const [from, to] of Object.entries(replaced)) {
    if (!text.includes(from)) throw new Error(`${file} does not contain ${from}`);
    text = text.replaceAll(from, to);
  }
  await writeFile(file, text);
}
