import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onBehalfOf } from "#platform/lifecycle/caller.js";
import { createTestDatabase, hasPostgres, type TestDatabase } from "../../tests/servers/servers.js";
import { type Database, openDatabase } from "./database.js";

const LOCK = 4711;

describe.skipIf(!hasPostgres)("a pool", () => {
  let created: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    created = await createTestDatabase("fair_pool");
    database = await openDatabase({
      url: created.url,
      maxConnections: 4,
      onError(error) {
        throw error;
      },
    });
  });
  afterAll(async () => {
    await database?.stop();
    await created?.drop();
  });

  test("of which one caller holds nearly all is open to others, and to the process", async () => {
    const { pool } = database.under("requests");
    // Its transaction may take as long as the test.
    const keeper = await database.under("rebuild").begin();
    await keeper.tx.query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    const wait = () => pool.query("SELECT pg_advisory_lock_shared($1), pg_advisory_unlock_shared($1)", [LOCK]);
    const busy = onBehalfOf("busy", () => Array.from({ length: 40 }, () => wait()));
    // More than its connections wait for the lock: neither others nor the process wait for it.
    const other = onBehalfOf("other", () => pool.query("SELECT 1 AS n"));
    expect((await other).rows).toEqual([{ n: 1 }]);
    expect((await pool.query("SELECT 2 AS n")).rows).toEqual([{ n: 2 }]);
    await keeper.commit();
    expect(await Promise.all(busy)).toHaveLength(40);
  });

  test("gives back the turns of what fails, of transactions, and of connections that break", async () => {
    await onBehalfOf("acme", async () => {
      for (let n = 0; n < 10; n += 1) {
        await expect(database.pool.query("SELECT 1/0")).rejects.toThrow("division by zero");
        await expect(database.transaction((tx) => tx.query("SELECT 1/0"))).rejects.toThrow("division by zero");
        await expect(database.pool.query("SELECT pg_terminate_backend(pg_backend_pid())")).rejects.toThrow();
      }
      const answers = Array.from({ length: 20 }, () => database.transaction((tx) => tx.query("SELECT 1")));
      expect(await Promise.all(answers)).toHaveLength(20);
    });
  });
});
