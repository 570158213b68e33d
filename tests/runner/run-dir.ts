import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, readlink, rm, statfs } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import path from "node:path";
import { isRunning } from "#platform/embedded-postgres/cluster.js";

const PREFIX = "metrly-test-run-";
/** A file system in memory. */
const MEMORY = "/dev/shm";
/** The files of a whole `npm test` take a quarter of this. */
const NEEDED_BYTES = 4 * 1024 ** 3;

/**
 * The new folder of this run: for its servers, and as TMPDIR of its tests. `small`: in memory where there is room for it. A
 * disk's file system takes ten times the CPU for the thousands of files of each new database.
 */
export async function createRunDir({ small }: { readonly small: boolean }): Promise<string> {
  const parent = small && (await isMemoryRoomy()) ? MEMORY : tmpdir();
  const dir = path.join(parent, `${PREFIX}${process.pid}`);
  await mkdir(dir, { recursive: true, mode: 0o755 });
  return dir;
}

async function isMemoryRoomy(): Promise<boolean> {
  if (process.platform !== "linux") return false;
  const mount = (await mounts()).find(({ at }) => at === MEMORY);
  if (mount === undefined || mount.options.includes("noexec")) return false;
  const { bavail, bsize } = await statfs(MEMORY);
  const memory = Math.min(freemem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  // The processes need as much again.
  return bavail * bsize >= NEEDED_BYTES && memory >= 2 * NEEDED_BYTES;
}

/** Kills processes in folders of a run and deletes these: servers of crashed tests, or of a killed runner. */
export async function sweep(dir: string): Promise<void> {
  if (process.platform === "linux") {
    await killIn(dir);
    // The disk of tests/chaos/small-disk.ts: a folder with a file system in it cannot be deleted.
    for (const { at } of await mounts())
      if (at.startsWith(`${dir}${path.sep}`)) spawnSync("umount", ["-l", at], { stdio: "inherit" });
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

/** Kills processes whose folder is in this one. */
export async function killIn(dir: string): Promise<void> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (cwd.startsWith(`${dir}${path.sep}`)) kill(Number(pid));
  }
}

/** It may have ended since it was listed. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (isRunning(pid)) throw error;
  }
}

export async function sweepDeadRuns(): Promise<void> {
  for (const parent of new Set([tmpdir(), MEMORY]))
    for (const name of await readdir(parent).catch(() => [])) {
      const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length)) : undefined;
      if (pid === undefined || isRunning(pid)) continue;
      await sweep(path.join(parent, name)).catch((error: Error) => console.error(`${name} stays: ${error.message}`));
    }
}

async function mounts(): Promise<readonly { readonly at: string; readonly options: readonly string[] }[]> {
  const lines = (await readFile("/proc/mounts", "utf8")).split("\n");
  return lines.map((line) => {
    const [, at = "", , options = ""] = line.split(" ");
    return { at, options: options.split(",") };
  });
}
