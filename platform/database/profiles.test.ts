import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isOutOfTime, timeLimitRefusal } from "#kernel/database-time.js";
import { MINUTE_MS } from "#kernel/duration.js";
import { startMutableProxy } from "../../tests/chaos/mutable-proxy.js";
import { createTestDatabase, hasPostgres, type TestDatabase, waitFor } from "../../tests/servers/servers.js";
import { sized } from "../../tests/support/effort.js";
import { migrationOf } from "../../tests/support/migration.js";
import { shortLimits } from "../../tests/support/short-limits.js";
import { unlessStopped } from "../../tests/support/unless-stopped.js";
import { type Database, openDatabase } from "./database.js";
import { holdLock } from "./held-lock.js";
import { PROFILES } from "./profiles.js";

/** Long runs have the product's own limits. */
const FRACTION = sized(0.04, 1);
const profiles = shortLimits(FRACTION);
const SLOW = `SELECT pg_sleep(${(profiles.hot.transactionMs * 2) / 1_000})`;
/** Longer than a transaction of hot: a large rebuild, and the building of a large index. */
const REBUILD_MS = sized(profiles.hot.transactionMs * 2, 10 * MINUTE_MS);
const INDEX_MS = sized(profiles.hot.transactionMs * 1.5, MINUTE_MS);

describe.skipIf(!hasPostgres)("sessions", unlessStopped(), () => {
  let created: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    created = await createTestDatabase("profiles");
    database = await openDatabase({ url: created.url, profiles, onError: () => undefined });
    await database.pool.query("CREATE TABLE t (n INT); INSERT INTO t VALUES (0)");
  });
  afterAll(async () => {
    await database?.stop();
    await created?.drop();
  });

  test("have the limits of their profile, which the URL does not change", async () => {
    const url = `${created.url}?options=-c%20lock_timeout%3D1%20-c%20work_mem%3D65kB&statement_timeout=1`;
    const opened = await openDatabase({ url, onError: () => undefined });
    const limitsIn = async ({ pool }: Pick<Database, "pool">) => {
      const { rows } = await pool.query<Record<string, number>>(
        `SELECT ${Object.values(SETTINGS)
          .map((name) => `(SELECT setting::int FROM pg_settings WHERE name = '${name}') AS ${name}`)
          .join()}, current_setting('work_mem') AS work_mem, current_setting('tcp_user_timeout') AS tcp_user_timeout`,
      );
      return rows[0];
    };
    const expected = (limits: (typeof PROFILES)[keyof typeof PROFILES]) => ({
      ...Object.fromEntries(
        Object.entries(SETTINGS).map(([limit, name]) => [name, limits[limit as keyof typeof limits]]),
      ),
      ...{ work_mem: "65kB", tcp_user_timeout: "10000" },
    });
    expect(await limitsIn(opened)).toEqual(expected(PROFILES.hot));
    expect(await limitsIn(opened.under("close"))).toEqual(expected(PROFILES.close));
    expect(await limitsIn(opened.under("rebuild"))).toEqual(expected(PROFILES.rebuild));
    await opened.stop();
  });

  test("read and write as if nobody had set other forms for the database", async () => {
    const settings = {
      ...{ datestyle: "German, DMY", intervalstyle: "sql_standard", timezone: "Asia/Kathmandu" },
      ...{ bytea_output: "escape", extra_float_digits: "0", standard_conforming_strings: "off", array_nulls: "off" },
      ...{ default_transaction_isolation: "serializable", synchronous_commit: "off" },
    };
    const set = (words: (setting: [string, string]) => string) =>
      database.pool.query(
        `DO $$ BEGIN ${Object.entries(settings)
          .map((setting) => `EXECUTE format('ALTER DATABASE %I ${words(setting)}', current_database());`)
          .join(" ")} END $$`,
      );
    await set(([name, value]) => `SET ${name} TO ''${value}''`);
    const opened = await openDatabase({ url: created.url, onError: () => undefined });
    try {
      const { rows } = await opened.pool.query(
        `SELECT TIMESTAMPTZ '2026-06-05T04:03:02Z' AS at, DATE '2026-06-05'::text AS day, (INTERVAL '1 day 2 hours')::text AS took,
          '\\x5c00'::bytea AS bytes, 0.1::float8 + 0.2::float8 AS sum, 'a\\b' AS text, current_setting('transaction_isolation') AS isolation,
          '{null}'::text[] AS list, current_setting('synchronous_commit') AS commit`,
      );
      expect(rows).toEqual([
        {
          ...{ at: new Date("2026-06-05T04:03:02Z"), day: "2026-06-05", took: "1 day 02:00:00" },
          ...{ bytes: Buffer.from("5c00", "hex"), sum: 0.1 + 0.2, text: "a\\b", isolation: "read committed" },
          ...{ list: [null], commit: "on" },
        },
      ]);
    } finally {
      await opened.stop();
      await set(([name]) => `RESET ${name}`);
    }
  });

  test.each([
    ["a statement", SLOW, "57014"],
    ["a wait for a lock", "UPDATE t SET n = n + 1", "55P03"],
  ])("hot: %s that takes too long is cancelled", async (_, statement, code) => {
    const holder = await database.under("close").begin();
    await holder.tx.query("SELECT * FROM t FOR UPDATE");
    await expect(database.pool.query(statement)).rejects.toMatchObject({ code });
    await holder.rollback();
  });

  test("hot: a transaction that pauses loses its locks, and its process finds out", async () => {
    const frozen = await database.begin();
    await frozen.tx.query("UPDATE t SET n = n + 1");
    await waitFor(() => database.pool.query("UPDATE t SET n = 10"), { what: "the lock" });
    await expect(frozen.commit()).rejects.toThrow();
    expect((await database.pool.query("SELECT n FROM t")).rows).toEqual([{ n: 10 }]);
  });

  test("hot: a transaction of many statements ends, too", async () => {
    const busy = database.transaction(async (tx) => {
      for (;;) await tx.query(`SELECT pg_sleep(${profiles.hot.idleInTransactionMs / 4_000})`);
    });
    await expect(busy).rejects.toSatisfy(isOutOfTime);
  });

  test("hot: work that pauses in its transaction learns that it took too long", async () => {
    const paused = database.transaction(async (tx) => {
      const { rows } = await tx.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      const isGone = async () =>
        (await database.pool.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1", [rows[0]?.pid])).rowCount === 0;
      await waitFor(isGone, { what: "the session to end" });
      await tx.query("SELECT 1");
    });
    await expect(paused).rejects.toSatisfy(isOutOfTime);
  });

  test("a client is told what to ask for instead of a statement that takes too long", async () => {
    const refusal = await database.pool.query(SLOW).catch(timeLimitRefusal);
    expect(refusal).toMatchObject({ code: "TOO_COMPLEX", message: expect.stringContaining("shorter time") });
    expect(timeLimitRefusal(new Error("another"))).toBeUndefined();
    expect(await database.pool.query("SELECT nothing").catch(timeLimitRefusal)).toBeUndefined();
  });

  test("close and rebuild are not hurt by the limits of hot, and a rebuild may pause while its process lives", async () => {
    await Promise.all(
      Object.entries({ close: SLOW, rebuild: `SELECT pg_sleep(${REBUILD_MS / 1_000})` }).map(([profile, statement]) =>
        database.under(profile as "close" | "rebuild").transaction(async (tx) => {
          await tx.query(statement);
        }),
      ),
    );
    await database.under("rebuild").transaction(async (tx) => {
      const pausedFor = `SELECT extract(epoch FROM clock_timestamp() - now()) * 1000 > $1 AS done`;
      await tx.query("SELECT 1");
      await waitFor(
        async () =>
          (
            await database.pool.query(
              "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now() - $1 * interval '1 ms'",
              [profiles.rebuild.idleInTransactionMs * 3],
            )
          ).rowCount === 1,
        { what: "a long pause" },
      );
      expect((await tx.query(pausedFor, [profiles.rebuild.idleInTransactionMs])).rows).toEqual([{ done: true }]);
    });
  });

  test("a held lock outlives pauses, ends with its process's heartbeat, and says so", async () => {
    const proxy = await startMutableProxy(created.url);
    // Not as short as the others: a busy machine must not look like a frozen process.
    const patient = shortLimits(sized(0.5, 1));
    const far = await openDatabase({ url: proxy.url, profiles: patient, onError: () => undefined });
    const key = Math.floor(Math.random() * 1_000_000);
    const held = await holdLock(far, key);
    const taken = async () => {
      const lock = await holdLock(database, key);
      await lock?.release();
      return lock !== undefined;
    };
    await database.under("rebuild").pool.query(`SELECT pg_sleep(${(patient.hot.idleInTransactionMs * 1.5) / 1_000})`);
    expect(await taken()).toBe(false);
    expect(() => held?.assertHeld()).not.toThrow();
    proxy.mute();
    await waitFor(taken, { what: "the lock of a process out of reach" });
    proxy.cutAll();
    await waitFor(() => !isHeld(held), { what: "the loss to be noticed" });
    await held?.release();
    await far.stop();
    await proxy.stop();
  });

  test("a migration waits for another one and for an index as long as they take, and shortly for a busy table", async () => {
    const other = await createTestDatabase("migrating");
    const migrationsDir = await migrationOf(`SELECT pg_sleep(${INDEX_MS / 1_000}); CREATE TABLE made (n INT);`);
    const pausing = (profile: "migrate" | "rebuild") => ({
      ...profiles[profile],
      idleInTransactionMs: PROFILES[profile].idleInTransactionMs,
    });
    const options = {
      ...{ url: other.url, onError: () => undefined },
      profiles: { ...profiles, migrate: pausing("migrate"), rebuild: pausing("rebuild") },
    };
    const open = () => openDatabase({ ...options, migrationsDir });
    const [first, second] = await Promise.all([open(), open()]);
    const holder = await first.under("rebuild").begin();
    await holder.tx.query("SELECT * FROM made");
    const told: unknown[] = [];
    const blocked = openDatabase({
      ...options,
      onError: (error) => told.push(error),
      migrationsDir: await migrationOf("ALTER TABLE made ADD COLUMN more INT;", "2_more", migrationsDir),
    });
    const wait =
      "SELECT 1 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND relation = 'made'::regclass";
    for (const found of [1, 0, 1])
      await waitFor(async () => (await second.pool.query(wait)).rowCount === found, {
        what: "a wait that gives way",
        pauseMs: 5,
      });
    await holder.rollback();
    const third = await blocked;
    expect(told[0]).toMatchObject({ message: expect.stringContaining("migration 2_more: "), code: "55P03" });
    expect((await third.pool.query("SELECT count(more) AS n FROM made")).rows).toEqual([{ n: 0 }]);
    await Promise.all([first, second, third].map((opened) => opened.stop()));
    await other.drop();
  });
});

const SETTINGS = {
  statementMs: "statement_timeout",
  lockMs: "lock_timeout",
  transactionMs: "transaction_timeout",
  idleInTransactionMs: "idle_in_transaction_session_timeout",
  idleMs: "idle_session_timeout",
};

function isHeld(lock: Awaited<ReturnType<typeof holdLock>>): boolean {
  try {
    lock?.assertHeld();
    return true;
  } catch {
    return false;
  }
}
