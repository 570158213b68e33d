import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { hasCode } from "#kernel/errors.js";
import { backoffMs, newUuid } from "#platform/lifecycle/random.js";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import type { SessionLimits } from "./profiles.js";
import { createSession, type Session } from "./session.js";

export interface MigrateOptions {
  readonly url: string;
  /** Folder of Prisma migrations. */
  readonly dir: string;
  /** Created if missing; undefined: the database's own. */
  readonly schema: string | undefined;
  readonly limits: SessionLimits;
  /** Told from time to time why a migration is still tried. */
  readonly onError: (error: unknown) => void;
}

/** The advisory lock that Prisma's own schema engine takes while it migrates. */
const MIGRATION_LOCK = 72707369;
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK_DETECTED = "40P01";
const BACKOFF = { firstMs: 200, longestMs: 5_000 };
/** How long a migration is tried again while others hold its locks. */
const LOCKS_WITHIN_MS = 600_000;
/** Attempts between two that are told, about a minute at last. */
const TELL_EVERY = 10;

/**
 * Does the same as `prisma migrate deploy`, without its engine binary: same table, checksums and lock, so that Prisma's own
 * commands agree. Refuses a migration edited after it was applied. Waits for other processes' migrations without a limit. An error names
 * its migration, and has its cause's code.
 */
export async function migrate({ url, dir, schema, limits, onError }: MigrateOptions): Promise<void> {
  const session = createSession({ url, schema, limits });
  await session.connect();
  try {
    await session.query("SET lock_timeout = 0");
    await session.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
    await session.query("RESET lock_timeout");
    if (schema !== undefined) await session.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await session.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
      id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
      migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
      started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`);
    const { rows } = await session.query<{ migration_name: string; checksum: string }>(
      "SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL",
    );
    const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
    for (const name of await migrationNames(dir)) {
      const sql = await readFile(path.join(dir, name, "migration.sql"), "utf8");
      const checksum = createHash("sha256").update(sql).digest("hex");
      const before = applied.get(name);
      if (before === undefined) await applyWhenFree(session, { name, sql, checksum }, onError);
      else if (before !== checksum)
        throw new Error(`migration ${name} was edited after it was applied to ${url.replace(/\/\/.*@/, "//")}`);
    }
  } finally {
    await session.end();
  }
}

async function migrationNames(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/**
 * A statement that waits for a table's lock makes everybody else wait behind it: so it waits shortly, gives way, and tries
 * again.
 */
async function applyWhenFree(session: Session, migration: Migration, onError: (error: unknown) => void): Promise<void> {
  const end = monotonicMs() + LOCKS_WITHIN_MS;
  for (let failures = 1; ; failures += 1) {
    try {
      return await apply(session, migration);
    } catch (cause) {
      const error = named(migration.name, cause);
      if (!hasCode(cause, LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED) || monotonicMs() > end) throw error;
      if (failures % TELL_EVERY === 1) onError(error);
    }
    await sleep(backoffMs(BACKOFF, failures));
  }
}

function named(migration: string, cause: unknown): Error {
  const [reason, code] = cause instanceof Error ? [cause.message, Reflect.get(cause, "code")] : [String(cause)];
  return Object.assign(new Error(`migration ${migration}: ${reason}`, { cause }), { code });
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

/** A migration and its row commit together: a crash leaves neither. */
async function apply(session: Session, { name, sql, checksum }: Migration): Promise<void> {
  await session.query("BEGIN");
  try {
    await session.query(sql);
    await session.query(
      "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, now(), 1)",
      [newUuid(), checksum, name],
    );
    await session.query("COMMIT");
  } catch (error) {
    // A session that the server ended has nothing to roll back, and its end is no reason.
    await session.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
