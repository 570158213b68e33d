import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { hasCode } from "#kernel/errors.js";
import { newUuid } from "#platform/lifecycle/random.js";

// int8 columns hold seqs, offsets and counts below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 out of the safe range: ${text}`);
  return value;
});

export type Transaction = pg.PoolClient;

/** One service's own database. */
export interface Database {
  readonly url: string;
  readonly pool: pg.Pool;
  /** Runs `work` in one READ COMMITTED transaction; an exception rolls back and propagates. */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
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
}

/** Opens a database, creating it if permitted, and applies its migrations. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  await createIfMissing(options.url);
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections ?? 8,
    options: settingsOf(options.schema),
    connectionTimeoutMillis: 10_000,
  });
  // A connection removed from the pool may still emit an error. Its user got a rejected query; without a listener the event
  // would crash the process.
  pool.on("connect", (client) => client.on("error", () => undefined));
  let stopping = false;
  pool.on("error", (error) => {
    // Idle connections may report the server's shutdown after the pool has ended.
    if (!stopping) options.onError(error);
  });
  try {
    if (options.migrationsDir !== undefined) await migrate(options.url, options.migrationsDir, options.schema);
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    url: options.url,
    pool,
    async transaction(work) {
      const client = await pool.connect();
      let broken: Error | undefined;
      // An idle connection that breaks only emits this event; unhandled, it would crash the process.
      const onLost = (error: Error): void => {
        broken = error;
      };
      client.on("error", onLost);
      try {
        await client.query("BEGIN");
        const result = await work(client);
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch((failure: Error) => {
          broken = failure;
        });
        throw error;
      } finally {
        client.release(broken);
        client.removeListener("error", onLost);
      }
    },
    stop() {
      stopping = true;
      return pool.end();
    },
  };
}

const SCHEMA = /^[a-z][a-z0-9_]{0,62}$/;

function settingsOf(schema: string | undefined): string {
  if (schema === undefined) return "-c timezone=UTC";
  if (!SCHEMA.test(schema)) throw new RangeError(`not a schema name: ${schema}`);
  return `-c timezone=UTC -c search_path=${schema}`;
}

const INVALID_CATALOG_NAME = "3D000";
const ALREADY_THERE = ["42P04", "23505"];

async function createIfMissing(url: string): Promise<void> {
  const probe = new pg.Client({ connectionString: url });
  try {
    await probe.connect();
    return;
  } catch (error) {
    if (!hasCode(error, INVALID_CATALOG_NAME)) throw error;
  } finally {
    await probe.end();
  }
  const name = decodeURIComponent(new URL(url).pathname.slice(1));
  const admin = new pg.Client({ connectionString: withDatabase(url, "postgres") });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} ENCODING 'UTF8' TEMPLATE template0`);
  } catch (error) {
    if (!hasCode(error, ...ALREADY_THERE)) throw error;
  } finally {
    await admin.end();
  }
}

/** The same server and credentials, another database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.toString();
}

/** The advisory lock that Prisma's own schema engine takes while it migrates. */
const MIGRATION_LOCK = 72707369;

/**
 * Does the same as `prisma migrate deploy`, without its engine binary: same table, checksums and lock, so that Prisma's own
 * commands agree. Refuses a migration edited after it was applied.
 */
async function migrate(url: string, dir: string, schema: string | undefined): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: settingsOf(schema) });
  // A broken connection rejects the statement; the additional event, unhandled, would crash the process.
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
    if (schema !== undefined) await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
      id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
      migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
      started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`);
    const { rows } = await client.query<{ migration_name: string; checksum: string }>(
      "SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL",
    );
    const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
    for (const name of await migrationNames(dir)) {
      const sql = await readFile(path.join(dir, name, "migration.sql"), "utf8");
      const checksum = createHash("sha256").update(sql).digest("hex");
      const before = applied.get(name);
      if (before === undefined) await apply(client, name, sql, checksum);
      else if (before !== checksum)
        throw new Error(`migration ${name} was edited after it was applied to ${url.replace(/\/\/.*@/, "//")}`);
    }
  } finally {
    await client.end();
  }
}

async function migrationNames(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** A migration and its row commit together: a crash leaves neither. */
async function apply(client: pg.Client, name: string, sql: string, checksum: string): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query(sql);
    await client.query(
      "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, now(), 1)",
      [newUuid(), checksum, name],
    );
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}
