import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { chown, mkdir, mkdtemp, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { hasCode } from "#kernel/errors.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { type DatabaseUser, EmbeddedPostgresError, type PostgresBinaries } from "./binaries.js";

const run = promisify(execFile);

const SUPERUSER = "metrly";

/** The location of an embedded database and its binaries. */
export interface Cluster {
  /** Metrly's: contains `data`, `log` and `password`. */
  readonly root: string;
  /** PostgreSQL's own directory. */
  readonly data: string;
  readonly password: string;
  readonly user: DatabaseUser | undefined;
  readonly binaries: PostgresBinaries;
}

export function connectionString(cluster: Cluster, port: number, databaseName: string): string {
  return `postgres://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/${encodeURIComponent(databaseName)}`;
}

/** How every PostgreSQL program is started: as the database's user, inside `cwd`, without our environment. */
export function spawnOptions(
  cluster: Cluster,
  cwd: string,
): { cwd: string; env: NodeJS.ProcessEnv } & Partial<DatabaseUser> {
  return { cwd, env: { LC_ALL: "C", TZ: "UTC" }, ...cluster.user };
}

/**
 * The path of `dir` for a PostgreSQL program started inside it. The user that replaces root cannot traverse a closed directory
 * such as /root, but a process may always use its working directory, which Linux gives a name.
 */
export function asSeenFromInside(cluster: Cluster, dir: string): string {
  return cluster.user !== undefined && process.platform === "linux" ? "/proc/self/cwd" : dir;
}

/** Creates the cluster if missing (true); otherwise checks that this PostgreSQL can read it (false). */
export async function initialise(cluster: Cluster): Promise<boolean> {
  await removeDrafts(cluster);
  const before = await versionOf(cluster);
  if (before === undefined) return createCluster(cluster);
  if (before !== cluster.binaries.major)
    throw new EmbeddedPostgresError(
      `The database in ${cluster.data} was created by PostgreSQL ${before}, and this Metrly has ${cluster.binaries.major}: use the Metrly that created it, or another data directory.`,
    );
  return false;
}

async function versionOf(cluster: Cluster): Promise<number | undefined> {
  const text = await readIfThere(path.join(cluster.data, "PG_VERSION"));
  return text === undefined ? undefined : Number.parseInt(text, 10);
}

/** Created aside and renamed when complete: a crash leaves a draft, never half a database. */
async function createCluster(cluster: Cluster): Promise<boolean> {
  const draft = path.join(cluster.root, `draft-${process.pid}-${newUuid()}`);
  await mkdir(draft, { mode: 0o700 });
  if (cluster.user !== undefined) await chown(draft, cluster.user.uid, cluster.user.gid);
  try {
    await initdb(cluster, draft);
    await rename(draft, cluster.data);
    await syncDirectory(cluster.root);
    return true;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process created it first.
    if (hasCode(error, "ENOTEMPTY", "EEXIST") && (await versionOf(cluster)) !== undefined) return false;
    throw error;
  }
}

async function initdb(cluster: Cluster, dir: string): Promise<void> {
  // initdb reads the password as the database's user, who may not be able to enter our directories.
  const aside = await mkdtemp(path.join(tmpdir(), "metrly-initdb-"));
  const passwordFile = path.join(aside, "password");
  try {
    await writeFile(passwordFile, cluster.password, { mode: 0o600 });
    if (cluster.user !== undefined)
      for (const at of [passwordFile, aside]) await chown(at, cluster.user.uid, cluster.user.gid);
    const where = ["-D", asSeenFromInside(cluster, dir), "-U", SUPERUSER, "-A", "scram-sha-256", "--no-instructions"];
    const how = [`--pwfile=${passwordFile}`, "--encoding=UTF8", "--locale=C"];
    await run(path.join(cluster.binaries.dir, "bin", "initdb"), [...where, ...how], spawnOptions(cluster, dir));
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? lastError(String(error.stderr)) : undefined;
    throw new EmbeddedPostgresError(`The database in ${cluster.data} could not be created: ${said ?? String(error)}.`, {
      cause: error,
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** The line with the error in a PostgreSQL program's output. */
export function lastError(output: string): string | undefined {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const line = lines.findLast((candidate) => /FATAL|PANIC|error:/.test(candidate)) ?? lines.at(-1);
  return line?.replace(/^.*(?:FATAL|PANIC|error): */, "").replace(/\.$/, "");
}

async function removeDrafts(cluster: Cluster): Promise<void> {
  for (const name of await readdir(cluster.root)) {
    const pid = /^draft-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid)))
      await rm(path.join(cluster.root, name), { recursive: true, force: true });
  }
}

/** Whether a process with this id runs, of any user. A zombie does not count. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== "linux") return true;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

/** The file's text, or undefined when it does not exist. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Makes the rename survive a power failure. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
