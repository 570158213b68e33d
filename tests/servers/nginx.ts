import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { Unavailable } from "./cache.js";
import { type DebianRoot, unpackDebian } from "./debian.js";
import type { Program } from "./redis.js";

const run = promisify(execFile);

/** The program named by NGINX, nginx from PATH, or Debian's package, unpacked without root. */
export async function findNginx(): Promise<Program> {
  return (await runnable(process.env.NGINX || "nginx", {})) ?? fromDebian();
}

async function runnable(command: string, env: Readonly<Record<string, string>>): Promise<Program | undefined> {
  try {
    const { stderr } = await run(command, ["-v"], { env: { ...process.env, ...env } });
    return { command, env, version: /nginx\/(\S+)/.exec(stderr)?.[1] ?? "?" };
  } catch {
    return undefined;
  }
}

async function fromDebian(): Promise<Program> {
  let root: DebianRoot;
  try {
    root = await unpackDebian("nginx-debian", ["nginx"]);
  } catch (cause) {
    throw new Unavailable("no nginx in PATH and Debian's package cannot be downloaded", { cause });
  }
  const program = await runnable(path.join(root.dir, "usr/sbin/nginx"), root.env);
  if (program === undefined) throw new Unavailable(`Debian's nginx in ${root.dir} does not run`);
  return program;
}
