import { type ExecFileOptions, execFile } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { MINUTE_MS } from "#kernel/duration.js";
import { packageRoot } from "#platform/process/package-root.js";
import { exists } from "../../tests/servers/cache.js";
import type { Contestant, Missing } from "../suite/figure.js";

const run = promisify(execFile);
const INSTALLED = path.join(packageRoot(), ".cache/peers");
/** A first installation compiles hundreds of crates. */
const DEADLINE_MS = 30 * MINUTE_MS;

export const THROTTLECRAB = "0.4.40";
/** The module has no release that Go can name: the newest commit by Go's own pseudo-version. */
export const ENVOY_RATELIMIT = "v1.4.1-0.20260122083618-3fb702589d36";

/** The folder of a peer from npm: `bench/peers/<name>` with what its lock file names. */
export async function npmPeer(name: "hive" | "mercurius" | "duckdb"): Promise<string> {
  const source = path.join(packageRoot(), "bench/peers", name);
  const target = path.join(INSTALLED, name);
  await mkdir(target, { recursive: true });
  await cp(source, target, { recursive: true });
  await cp(path.join(source, "../serve.mjs"), path.join(target, "serve.mjs"));
  const lock = await readFile(path.join(source, "package-lock.json"), "utf8");
  const stamp = path.join(target, "installed.json");
  if ((await readFile(stamp, "utf8").catch(() => "")) === lock) return target;
  const cli = process.env.npm_execpath;
  const [command, first] = cli?.endsWith(".js") ? [process.execPath, [cli]] : ["npm", []];
  await install(`${name} from npm`, command, [
    ...[...first, "ci", "--prefix", target, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
  ]);
  await writeFile(stamp, lock);
  return target;
}

/** The program, by cargo. */
export async function throttlecrab(): Promise<string> {
  const root = path.join(INSTALLED, `throttlecrab-${THROTTLECRAB}`);
  const program = path.join(root, "bin/throttlecrab-server");
  if (await exists(program)) return program;
  const args = ["install", "throttlecrab-server", "--version", `=${THROTTLECRAB}`, "--locked", "--root", root];
  await install("throttlecrab-server with cargo", "cargo", args);
  return program;
}

/** The program, by Go. */
export async function envoyRatelimit(): Promise<string> {
  const root = path.join(INSTALLED, `envoy-ratelimit-${ENVOY_RATELIMIT}`);
  const program = path.join(root, "service_cmd");
  if (await exists(program)) return program;
  await mkdir(root, { recursive: true });
  await install(
    "envoyproxy/ratelimit with Go",
    "go",
    ["install", `github.com/envoyproxy/ratelimit/src/service_cmd@${ENVOY_RATELIMIT}`],
    { env: { ...process.env, GOBIN: root } },
  );
  return program;
}

class PeerUnavailable extends Error {
  override readonly name = "PeerUnavailable";
}

async function install(what: string, command: string, args: string[], options: ExecFileOptions = {}): Promise<void> {
  console.log(`Installing ${what}...`);
  try {
    await run(command, args, { timeout: DEADLINE_MS, maxBuffer: 2 ** 28, ...options });
  } catch (cause) {
    throw new PeerUnavailable(reasonOf(command, Object(cause)), { cause });
  }
}

function reasonOf(command: string, { code, killed, stderr }: Readonly<Record<string, unknown>>): string {
  if (code === "ENOENT") return `there is no ${command} here`;
  if (killed === true) return `it was not installed within ${DEADLINE_MS / MINUTE_MS} minutes`;
  const lines = String(stderr ?? "")
    .trim()
    .split("\n");
  return `it does not install: ${lines.find((line) => line.startsWith("error")) ?? lines.at(-1)}`;
}

/**
 * The contestants of a peer, or why there are none: it cannot be installed here, or it does not run. Any other failure is one of the
 * benchmark, and ends it.
 */
export async function whenAvailable(
  name: string,
  start: () => Promise<readonly Contestant[]>,
): Promise<{ readonly contestants: readonly Contestant[]; readonly missing: readonly Missing[] }> {
  try {
    return { contestants: await start(), missing: [] };
  } catch (error) {
    if (!(error instanceof PeerUnavailable)) throw error;
    return { contestants: [], missing: [{ name, reason: error.message }] };
  }
}
