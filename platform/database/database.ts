import pg from "pg";
import { hasCode } from "#kernel/errors.js";
import { createFairPool } from "./fair-pool.js";
import { migrate } from "./migrate.js";
import { PROFILES, type Profiles, type SessionLimits } from "./profiles.js";
import { createSession, namesItsErrors, sessionConfig } from "./session.js";
import { type Begin, beginTransaction, type OpenTransaction } from "./transaction.js";

export type Transaction = pg.PoolClient;

/** Sessions of one database under one profile. */
export interface Sessions {
  readonly pool: pg.Pool;
  readonly limits: SessionLimits;
  /** Runs `work` in one READ COMMITTED transaction; an exception rolls back and propagates. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Begins a transaction that the caller ends. */
  begin(begin?: Begin): Promise<OpenTransaction>;
}

/** One service's own database. Its own sessions are under the profile `hot`. */
export interface Database extends Sessions {
  readonly url: string;
  readonly profiles: Profiles;
  /** The same database under another profile; opened at its first use. */
  under(profile: "close" | "rebuild" | "requests"): Sessions;
  stop(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  /** Folder of Prisma migrations, applied before this resolves; concurrent processes are safe. */
  readonly migrationsDir?: string;
  readonly maxConnections?: number;
  /** The schema of all objects, created if missing; default: the database's own. */
  readonly schema?: string;
  readonly onError: (error: unknown) => void;
  /** Other limits, for tests. */
  readonly profiles?: Profiles;
}

/** The first version with `idle_session_timeout`. */
const OLDEST_SERVER = 140_000;

/** Opens a database, creating it if permitted, and applies its migrations. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, schema, profiles = PROFILES } = options;
  const serverVersion = await createIfMissing(url, profiles);
  if (serverVersion < OLDEST_SERVER)
    throw new Error(`PostgreSQL ${Math.floor(serverVersion / 10_000)} is too old: Metrly needs 14 or newer`);
  if (options.migrationsDir !== undefined)
    await migrate({ url, dir: options.migrationsDir, schema, limits: profiles.migrate, onError: options.onError });
  const pools: pg.Pool[] = [];
  let stopping = false;

  function open(limits: SessionLimits): Sessions {
    const max = options.maxConnections ?? 8;
    const pool = createFairPool(sessionConfig({ url, limits, schema, serverVersion }), max);
    namesItsErrors(pool);
    // A connection removed from the pool may still emit an error. Its user got a rejected query; without a listener the event
    // would crash the process.
    pool.on("connect", (client) => client.on("error", () => undefined));
    pool.on("error", (error) => {
      // Idle connections may report the server's shutdown after the pool has ended.
      if (!stopping) options.onError(error);
    });
    pools.push(pool);
    return sessionsOf(pool, limits);
  }

  const opened = new Map<string, Sessions>();
  return {
    ...open(profiles.hot),
    url,
    profiles,
    under(profile) {
      const sessions = opened.get(profile) ?? open(profiles[profile]);
      opened.set(profile, sessions);
      return sessions;
    },
    async stop() {
      stopping = true;
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };
}

/** The same database for what clients ask for, however many: its own sessions are under the profile `requests`. */
export const forRequests = (database: Database): Database => ({ ...database, ...database.under("requests") });

/** The sessions of this pool, under these limits. */
export function sessionsOf(pool: pg.Pool, limits: SessionLimits): Sessions {
  return {
    pool,
    limits,
    begin: (begin) => beginTransaction(pool, limits, begin),
    async transaction(work) {
      const { tx, lost, commit, rollback } = await beginTransaction(pool, limits);
      let result: Awaited<ReturnType<typeof work>>;
      try {
        result = await work(tx);
      } catch (error) {
        const cause = lost() ?? error;
        await rollback();
        throw cause;
      }
      await commit();
      return result;
    },
  };
}

const INVALID_CATALOG_NAME = "3D000";
const ALREADY_THERE = ["42P04", "23505"];

/** Returns the server's `server_version_num`. */
async function createIfMissing(url: string, profiles: Profiles): Promise<number> {
  try {
    return await askVersion(url, profiles.hot);
  } catch (error) {
    if (!hasCode(error, INVALID_CATALOG_NAME)) throw error;
  }
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  const admin = createSession({ url: withDatabase(url, "postgres"), limits: { ...profiles.migrate, lockMs: 0 } });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} ENCODING 'UTF8' TEMPLATE template0`);
  } catch (error) {
    if (!hasCode(error, ...ALREADY_THERE)) throw error;
  } finally {
    await admin.end();
  }
  return askVersion(url, profiles.hot);
}

async function askVersion(url: string, limits: SessionLimits): Promise<number> {
  const probe = createSession({ url, limits });
  try {
    await probe.connect();
    const { rows } = await probe.query<{ version: number }>(
      "SELECT current_setting('server_version_num')::int AS version",
    );
    return rows[0]?.version ?? 0;
  } finally {
    await probe.end();
  }
}

/** The same server and credentials, another database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.toString();
}
