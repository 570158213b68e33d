import { execFile } from "node:child_process";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { CACHE, cached, exists } from "./cache.js";

const run = promisify(execFile);

export interface DebianRoot {
  readonly dir: string;
  /** Lets its programs find the included libraries. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Debian packages and their libraries, unpacked without root beside the system's, and cached as `name`. Throws without apt, or
 * without a mirror.
 */
export async function unpackDebian(name: string, packages: readonly string[]): Promise<DebianRoot> {
  const dir = await cached(name, (draft) => downloadAndUnpack(draft, packages));
  const libraries: string[] = [];
  for (const folder of ["usr/lib", "lib"]) {
    const at = path.join(dir, folder);
    if (!(await exists(at))) continue;
    const names = (await readdir(at)).filter((entry) => entry.endsWith("-linux-gnu"));
    libraries.push(...names.map((entry) => path.join(at, entry)));
  }
  return { dir, env: { LD_LIBRARY_PATH: libraries.join(":") } };
}

/** Sequential: concurrent servers of one run would both download the package lists. */
let lists: Promise<unknown> = Promise.resolve();

async function downloadAndUnpack(draft: string, packages: readonly string[]): Promise<void> {
  // Separate package lists: updating the system's would need root.
  const state = path.join(CACHE, "apt");
  await mkdir(path.join(state, "lists", "partial"), { recursive: true });
  const own = ["-o", `Dir::State::lists=${path.join(state, "lists")}`, "-o", "APT::Sandbox::User=root"];
  const updated = lists.then(() => run("apt-get", [...own, "-qq", "update"]));
  lists = updated.catch(() => undefined);
  await updated;
  const { stdout } = await run("apt-cache", [...own, "depends", "--important", ...packages]);
  const libraries = [...stdout.matchAll(/Depends: (lib(?!c6)\S+)/g)].map((match) => match[1] ?? "");
  await run("apt-get", [...own, "-qq", "download", ...new Set([...packages, ...libraries])], { cwd: draft });
  for (const file of await readdir(draft)) {
    if (!file.endsWith(".deb")) continue;
    await run("dpkg", ["-x", path.join(draft, file), draft]);
    await rm(path.join(draft, file));
  }
}
