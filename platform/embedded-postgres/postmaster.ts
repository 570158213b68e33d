import { execFile, spawn } from "node:child_process";
import { open, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { MINUTE_MS } from "#kernel/duration.js";
import { hasCode } from "#kernel/errors.js";
import { PROFILES } from "#platform/database/profiles.js";
import { createSession } from "#platform/database/session.js";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import { EmbeddedPostgresError } from "./binaries.js";
import {
  asSeenFromInside,
  type Cluster,
  connectionString,
  isRunning,
  lastError,
  readIfThere,
  spawnOptions,
} from "./cluster.js";
import { freePort } from "./free-port.js";

const run = promisify(execFile);

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/** Crash recovery may take a while; a fast shutdown writes a checkpoint. */
const START_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = MINUTE_MS;
/** How long the children of a killed postmaster may hold its shared memory. */
const REMAINS_DEADLINE_MS = 10_000;
const LOG_KEPT_BYTES = 16 * 1024 * 1024;

/** Small, because Metrly shares the machine, but durable: no setting trades safety for speed. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "160",
  shared_buffers: "64MB",
  max_wal_size: "512MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  // Containers have a small /dev/shm, which parallel queries need.
  max_parallel_workers_per_gather: "0",
  max_parallel_maintenance_workers: "0",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
  // Clients report their own failed statements: "log" keeps the server's messages, FATAL and PANIC.
  log_min_messages: "log",
};

interface PidFile extends Postmaster {
  readonly status: string;
}

/** Written by the postmaster: its pid in line 1, port in line 4, status in line 8, each as soon as it is known. */
async function readPidFile(cluster: Cluster): Promise<PidFile | undefined> {
  const lines = (await readIfThere(pidFileOf(cluster)))?.split("\n");
  return lines && { pid: Number(lines[0]), port: Number(lines[3] ?? 0), status: (lines[7] ?? "").trim() };
}

function pidFileOf(cluster: Cluster): string {
  return path.join(cluster.data, "postmaster.pid");
}

/**
 * The running server of this cluster, once it is ready; undefined when there is none, also when the file of a killed one names
 * a pid that is free or reused.
 */
export async function findRunning(cluster: Cluster): Promise<Postmaster | undefined> {
  for (const end = monotonicMs() + START_DEADLINE_MS; monotonicMs() < end; await sleep(50)) {
    const file = await readPidFile(cluster);
    if (file === undefined || !isRunning(file.pid)) return undefined;
    if (!(await isPostmasterOf(cluster, file.pid))) {
      // Safe: PostgreSQL also guards a cluster by its shared memory, so a wrong guess here cannot start a second server.
      await rm(pidFileOf(cluster), { force: true });
      return undefined;
    }
    if (file.status !== "ready") continue;
    await checkPassword(cluster, file);
    return file;
  }
  throw new EmbeddedPostgresError(
    `The database in ${cluster.data} is neither ready nor stopped: stop its process first.`,
  );
}

async function isPostmasterOf(cluster: Cluster, pid: number): Promise<boolean> {
  if (process.platform !== "linux") {
    const { stdout } = await run("ps", ["-p", String(pid), "-o", "comm="]).catch(() => ({ stdout: "" }));
    return path.basename(stdout.trim()) === "postgres";
  }
  try {
    if ((await readFile(`/proc/${pid}/comm`, "utf8")).trim() !== "postgres") return false;
    const [there, ours] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(cluster.data)]);
    return there.ino === ours.ino && there.dev === ours.dev;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false;
    // A container may forbid inspecting another user's process: then the password decides.
    if (hasCode(error, "EACCES", "EPERM")) return true;
    throw error;
  }
}

async function checkPassword(cluster: Cluster, server: Postmaster): Promise<void> {
  const client = createSession({ url: connectionString(cluster, server.port, "postgres"), limits: PROFILES.hot });
  try {
    await client.connect();
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `Process ${server.pid} runs on the database in ${cluster.data} but does not let Metrly in: stop that process first.`,
      { cause },
    );
  } finally {
    await client.end();
  }
}

/** Starts the server and waits until it accepts connections, including crash recovery. */
export async function launch(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  onSpawned: () => void,
): Promise<Postmaster> {
  for (const end = monotonicMs() + REMAINS_DEADLINE_MS; ; await sleep(100)) {
    const attempt = await tryLaunch(cluster, settings, onSpawned);
    if (attempt.kind === "ready") return attempt.server;
    const mayPass = /could not bind|Address already in use|pre-existing shared memory block/.test(attempt.output);
    if (!mayPass || monotonicMs() >= end)
      throw new EmbeddedPostgresError(
        `The database in ${cluster.data} does not start: ${said(cluster, attempt.output)}.`,
      );
  }
}

function said(cluster: Cluster, output: string): string {
  const line = lastError(output) ?? "no output";
  return line.replaceAll(asSeenFromInside(cluster, cluster.data), cluster.data);
}

type Attempt =
  | { readonly kind: "ready"; readonly server: Postmaster }
  | { readonly kind: "failed"; readonly output: string };

async function tryLaunch(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  onSpawned: () => void,
): Promise<Attempt> {
  const port = await freePort();
  const log = path.join(cluster.root, "log");
  const kept = await stat(log).catch(() => undefined);
  const output = await open(log, (kept?.size ?? 0) > LOG_KEPT_BYTES ? "w+" : "a+", 0o600);
  try {
    const start = (await output.stat()).size;
    const spawning = spawnPostmaster(cluster, { ...SETTINGS, ...settings, port: String(port) }, output.fd);
    onSpawned();
    const outcome = await spawning;
    if (typeof outcome === "number") return { kind: "ready", server: { pid: outcome, port } };
    const { buffer, bytesRead } = await output.read(Buffer.alloc(16 * 1024), 0, 16 * 1024, start);
    return { kind: "failed", output: `${buffer.toString("utf8", 0, bytesRead)}${outcome}` };
  } finally {
    await output.close();
  }
}

/** The pid of a ready postmaster, or the reason why there is none. */
async function spawnPostmaster(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  output: number,
): Promise<number | string> {
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(
    path.join(cluster.binaries.dir, "bin", "postgres"),
    ["-D", asSeenFromInside(cluster, cluster.data), ...flags],
    { ...spawnOptions(cluster, cluster.data), detached: true, stdio: ["ignore", output, output] },
  );
  child.unref();
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", () => {
    ended ??= "";
    stayAfterExit();
  });
  const stayAfterExit = child.pid === undefined ? () => undefined : endWithThisProcess(child.pid);
  for (const end = monotonicMs() + START_DEADLINE_MS; monotonicMs() < end; await sleep(20)) {
    if (ended !== undefined) break;
    const file = await readPidFile(cluster);
    if (child.pid !== undefined && file?.pid === child.pid && file.status === "ready") return child.pid;
  }
  stayAfterExit();
  if (ended !== undefined) return ended;
  child.kill("SIGQUIT");
  return `it was not ready after ${START_DEADLINE_MS / 1000} s`;
}

const endingWithUs = new Set<number>();

/**
 * The server is told to end when this process exits in any way but by SIGKILL or a crash of Node; the returned function takes
 * that back. Told before it is ready, a server ends all the same.
 */
export function endWithThisProcess(pid: number): () => void {
  if (endingWithUs.size === 0) process.on("exit", endThem);
  endingWithUs.add(pid);
  return () => {
    endingWithUs.delete(pid);
    if (endingWithUs.size === 0) process.off("exit", endThem);
  };
}

function endThem(): void {
  for (const pid of endingWithUs) tellToEnd(pid);
}

/** SIGINT is PostgreSQL's fast shutdown: sessions are ended, everything is written. */
export function tellToEnd(pid: number): void {
  if (isRunning(pid)) process.kill(pid, "SIGINT");
}

/** Whether the server has written everything and exited. */
export async function isGoneWithin(pid: number, ms: number): Promise<boolean> {
  for (const end = monotonicMs() + ms; monotonicMs() < end; await sleep(20)) {
    if (!isRunning(pid)) return true;
  }
  return !isRunning(pid);
}

/** Resolves when the server has exited; after a minute it is killed, which is an error. */
export async function whenGone(cluster: Cluster, pid: number): Promise<void> {
  if (await isGoneWithin(pid, STOP_DEADLINE_MS)) return;
  process.kill(pid, "SIGQUIT");
  throw new EmbeddedPostgresError(`The database in ${cluster.data} did not stop within ${STOP_DEADLINE_MS / 1000} s.`);
}
