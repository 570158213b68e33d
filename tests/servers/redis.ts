import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { Unavailable } from "./cache.js";
import { type DebianRoot, unpackDebian } from "./debian.js";

const run = promisify(execFile);

export interface Program {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
}

/** redis-server from PATH, or Debian's package, unpacked without root. */
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
  let root: DebianRoot;
  try {
    root = await unpackDebian("redis-debian", ["redis-server", "redis-tools"]);
  } catch (cause) {
    throw new Unavailable("no redis-server in PATH and Debian's package cannot be downloaded", { cause });
  }
  const program = await runnable(path.join(root.dir, "usr/bin/redis-server"), root.env);
  if (program === undefined) throw new Unavailable(`Debian's redis-server in ${root.dir} does not run`);
  return program;
}
