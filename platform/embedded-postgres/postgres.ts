import { existsSync } from "node:fs";
import { link, mkdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { hasCode } from "#kernel/errors.js";
import { PROFILES } from "#platform/database/profiles.js";
import { createSession, type Session } from "#platform/database/session.js";
import { randomSecret } from "#platform/lifecycle/secret.js";
import { sleep } from "#platform/lifecycle/time.js";
import { chooseDatabaseUser, EmbeddedPostgresError, preparePostgres } from "./binaries.js";
import { type Cluster, connectionString, initialise, readIfThere } from "./cluster.js";
import { endWithThisProcess, findRunning, isGoneWithin, launch, tellToEnd, whenGone } from "./postmaster.js";

export { EmbeddedPostgresError } from "./binaries.js";

export interface EmbeddedPostgresOptions {
  /** Metrly's data directory; the database is in its `postgres` folder. Created if missing. */
  readonly dataDir: string;
  /** Server settings that override the defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Called when the server was started, which takes a while to be ready; again for another attempt. Not for one that runs. */
  readonly onSpawned?: () => void;
  /** Called when the database ends unexpectedly: its users must stop too. */
  readonly onLost?: (reason: string) => void;
}

export interface EmbeddedPostgres {
  /** For any database on this server, existing or not. Contains the password. */
  url(databaseName: string): string;
  /** The postmaster's process id. */
  readonly pid: number;
  /** `adopted`: it was still running, left by a killed Metrly. */
  readonly origin: "created" | "started" | "adopted";
  /**
   * Ends all sessions, writes everything to disk and waits for the server to exit, for at most `timeoutMs`: after that it
   * finishes alone, and the next start waits for it. False: still running. Stop its clients first.
   */
  stop(timeoutMs?: number): Promise<boolean>;
}

/**
 * Starts PostgreSQL from npm on a free port of 127.0.0.1, or adopts the server that a killed Metrly left on the same data
 * directory. The server is detached, so that Ctrl-C in a terminal does not stop it before its clients; it is told to end when this
 * process exits without `stop`. Throws EmbeddedPostgresError for problems that the user can fix.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { cluster, created } = await openCluster(path.resolve(options.dataDir));
  const running = created ? undefined : await findRunning(cluster);
  const server = running ?? (await launch(cluster, options.settings ?? {}, options.onSpawned ?? (() => undefined)));
  const owner = await claim(cluster, server.port, options.onLost).catch(async (error: unknown) => {
    // Another process that started at the same moment may own the server that this one launched.
    if (running === undefined && !(error instanceof OwnedByAnother)) await shutDown(cluster, server.pid);
    throw error;
  });
  const stayAfterExit = endWithThisProcess(server.pid);
  let stopping = false;
  return {
    url: (databaseName) => connectionString(cluster, server.port, databaseName),
    pid: server.pid,
    origin: created ? "created" : running === undefined ? "started" : "adopted",
    async stop(timeoutMs) {
      if (!stopping) {
        stopping = true;
        await owner.end();
        tellToEnd(server.pid);
        stayAfterExit();
      }
      if (timeoutMs !== undefined) return isGoneWithin(server.pid, timeoutMs);
      await whenGone(cluster, server.pid);
      return true;
    },
  };
}

async function shutDown(cluster: Cluster, pid: number): Promise<void> {
  tellToEnd(pid);
  await whenGone(cluster, pid);
}

async function openCluster(dataDir: string): Promise<{ cluster: Cluster; created: boolean }> {
  const root = path.join(dataDir, "postgres");
  const data = path.join(root, "data");
  try {
    await makeFolder(dataDir);
    await mkdir(root, { recursive: true, mode: 0o700 });
    const user = await chooseDatabaseUser(data);
    const password = await sharedPassword(path.join(root, "password"));
    const binaries = await preparePostgres(user);
    const cluster: Cluster = { root, data, password, user, binaries };
    return { cluster, created: await initialise(cluster) };
  } catch (error) {
    if (isSystemError(error) && error.path?.startsWith(dataDir))
      throw new EmbeddedPostgresError(
        `The data directory ${dataDir} cannot be used: ${error.message}. METRLY_DATA_DIR names another one.`,
        { cause: error },
      );
    throw error;
  }
}

/**
 * Node's own recursive `mkdir` loops forever when the system returns ENOENT although the parent exists, as below /proc:
 * https://github.com/nodejs/node/issues/31481. So each level is tried once, the missing ones from the top.
 */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (hasCode(error, "EEXIST") && (await stat(folder)).isDirectory()) return;
    const parent = path.dirname(folder);
    if (!hasCode(error, "ENOENT") || parent === folder || existsSync(parent)) throw error;
    await makeFolder(parent);
    await mkdir(folder, { mode: 0o700 });
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && "path" in error;
}

/** Two concurrent first starts must agree on one password: linking a complete file succeeds only once. */
async function sharedPassword(file: string): Promise<string> {
  const draft = `${file}.${process.pid}`;
  const known = await readIfThere(file);
  if (known !== undefined) return known;
  await writeFile(draft, randomSecret(24).toString("base64url"), { mode: 0o600 });
  await link(draft, file).catch((error: unknown) => {
    if (!hasCode(error, "EEXIST")) throw error;
  });
  await rm(draft);
  return sharedPassword(file);
}

class OwnedByAnother extends EmbeddedPostgresError {}

/** An arbitrary constant, the same in every version of Metrly. */
const OWNER_LOCK = 4060031;
/** Three seconds of a process that runs: while the machine stands still, no killed owner's connection ends. */
const CLAIM_ATTEMPTS = 60;
const CLAIM_PAUSE_MS = 50;

/**
 * One Metrly owns the database: it holds a lock while its connection lives, so that a killed process releases it, while a
 * second `metrly serve` on the same directory is refused.
 */
async function claim(cluster: Cluster, port: number, onLost?: (reason: string) => void): Promise<Session> {
  const url = new URL(connectionString(cluster, port, "postgres"));
  url.searchParams.set("application_name", "metrly-owner");
  const client = createSession({ url: url.toString(), limits: PROFILES.listen });
  client.on("error", (error) => onLost?.(error.message));
  await client.connect().catch((cause: unknown) => {
    if (!hasCode(cause, "28P01")) throw cause;
    const file = path.join(cluster.root, "password");
    throw new EmbeddedPostgresError(
      `The database in ${cluster.data} was created with another password than the one in ${file}.`,
      { cause },
    );
  });
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt += 1) {
    if (attempt > 0) await sleep(CLAIM_PAUSE_MS);
    const { rows } = await client.query<{ ours: boolean }>("SELECT pg_try_advisory_lock($1) AS ours", [OWNER_LOCK]);
    if (rows[0]?.ours === true) return client;
  }
  await client.end();
  throw new OwnedByAnother(
    `The data directory ${path.dirname(cluster.root)} is in use by another running Metrly. METRLY_DATA_DIR names another one.`,
  );
}
