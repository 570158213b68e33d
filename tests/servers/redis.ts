import { execFile } from "node:child_process";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { CACHE, cached, exists, Unavailable } from "./cache.js";

const run = promisify(execFile);

export interface Program {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
}

/** redis-server from PATH, or Debian's package, unpacked without root beside what the system has. */
export async function findRedis(): Promise<Program> {
  return (await runnable("redis-server", {})) ?? fromDebian();
}

async function runnable(command: string, env: Readonly<Record<string, string>>): Promise<Program | undefined> {
  try {
    const { stdout } = await run(command, ["--version"], { env: { ...process.env, ...env } });
    return { command, env, version: /v=(\S+)/.exec(stdout)?.[1] ?? "?" };
  } catch {
    return undefined;
  }
}

async function fromDebian(): Promise<Program> {
  let root: string;
  try {
    root = await cached("redis-debian", downloadAndUnpack);
  } catch (cause) {
    throw new Unavailable("no redis-server in PATH and Debian's package cannot be downloaded", { cause });
  }
  const libraries: string[] = [];
  for (const dir of ["usr/lib", "lib"]) {
    const at = path.join(root, dir);
    if (!(await exists(at))) continue;
    const names = (await readdir(at)).filter((name) => name.endsWith("-linux-gnu"));
    libraries.push(...names.map((name) => path.join(at, name)));
  }
  const program = await runnable(path.join(root, "usr/bin/redis-server"), { LD_LIBRARY_PATH: libraries.join(":") });
  if (program === undefined) throw new Unavailable(`Debian's redis-server in ${root} does not run`);
  return program;
}

async function downloadAndUnpack(draft: string): Promise<void> {
  // Package lists of our own: reading new ones into the system's place would need root.
  const state = path.join(CACHE, "apt");
  await mkdir(path.join(state, "lists", "partial"), { recursive: true });
  const own = ["-o", `Dir::State::lists=${path.join(state, "lists")}`, "-o", "APT::Sandbox::User=root"];
  await run("apt-get", [...own, "-qq", "update"]);
  const { stdout } = await run("apt-cache", [...own, "depends", "--important", "redis-server", "redis-tools"]);
  const libraries = [...stdout.matchAll(/Depends: (lib(?!c6)\S+)/g)].map((match) => match[1] ?? "");
  await run("apt-get", [...own, "-qq", "download", ...new Set(["redis-server", "redis-tools", ...libraries])], {
    cwd: draft,
  });
  for (const name of await readdir(draft)) {
    if (!name.endsWith(".deb")) continue;
    await run("dpkg", ["-x", path.join(draft, name), draft]);
    await rm(path.join(draft, name));
  }
}
