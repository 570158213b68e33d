import { appendFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { createTestDatabase, databaseUrl, hasPostgres } from "../../tests/servers/servers.js";
import { migrationOf } from "../../tests/support/migration.js";
import { openDatabase, withDatabase } from "./database.js";

const onError = (error: unknown): never => {
  throw error;
};

describe.skipIf(!hasPostgres)("a service's database", () => {
  test("is created when missing and migrated once, also by five processes at the same time", async () => {
    const url = withDatabase(databaseUrl(), `made_here_${process.pid}_${Date.now()}`);
    const migrationsDir = await migrationOf("CREATE TABLE t (n INT); INSERT INTO t VALUES (1);");
    const opened = await Promise.all(Array.from({ length: 5 }, () => openDatabase({ url, migrationsDir, onError })));
    const { rows } = await (opened[0]?.pool.query("SELECT n FROM t") ?? Promise.reject(new Error("nothing opened")));
    expect(rows).toEqual([{ n: 1 }]);
    await Promise.all(opened.map((database) => database.stop()));
    const admin = await openDatabase({ url: databaseUrl(), onError });
    await admin.pool.query(`DROP DATABASE ${path.basename(new URL(url).pathname)} WITH (FORCE)`);
    await admin.stop();
  });

  test("refuses a migration that was edited after it was applied, and leaves nothing of one that fails", async () => {
    const created = await createTestDatabase("migrate");
    const edited = await migrationOf("CREATE TABLE t (n INT);");
    await (await openDatabase({ url: created.url, migrationsDir: edited, onError })).stop();
    await appendFile(path.join(edited, "1_init", "migration.sql"), "-- changed");
    await expect(openDatabase({ url: created.url, migrationsDir: edited, onError })).rejects.toThrow("was edited");

    const other = await createTestDatabase("migrate_failing");
    const failing = await migrationOf("CREATE TABLE t (n INT); SELECT 1/0;");
    await expect(openDatabase({ url: other.url, migrationsDir: failing, onError })).rejects.toMatchObject({
      message: "migration 1_init: division by zero",
      code: "22012",
    });
    const database = await openDatabase({ url: other.url, onError });
    expect((await database.pool.query("SELECT to_regclass('t') AS t")).rows).toEqual([{ t: null }]);
    await database.stop();
    await Promise.all([created.drop(), other.drop()]);
  });

  test("runs in UTC and refuses integers that a number cannot hold", async () => {
    const database = await openDatabase({ url: databaseUrl(), onError });
    expect((await database.pool.query("SHOW timezone")).rows).toEqual([{ TimeZone: "UTC" }]);
    await expect(database.pool.query("SELECT 9007199254740993::int8")).rejects.toThrow("safe range");
    await database.stop();
  });

  test("a transaction that throws leaves nothing and its connection is used again", async () => {
    const created = await createTestDatabase("transaction");
    const database = await openDatabase({ url: created.url, maxConnections: 1, onError });
    await database.pool.query("CREATE TABLE t (n INT)");
    const failing = database.transaction(async (tx) => {
      await tx.query("INSERT INTO t VALUES (1)");
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect((await database.pool.query("SELECT * FROM t")).rows).toEqual([]);
    await database.stop();
    await created.drop();
  });

  test.each(["while it waits for something else", "while a statement runs"])(
    "a connection that is cut in a transaction, %s, fails that transaction and nothing else",
    async (when) => {
      const database = await openDatabase({ url: databaseUrl(), onError: () => undefined });
      const uncaught: unknown[] = [];
      const note = (error: unknown): unknown => uncaught.push(error);
      process.on("uncaughtException", note);
      const cut = database.transaction(async (tx) => {
        const { rows } = await tx.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
        const running = when.includes("statement") ? tx.query("SELECT pg_sleep(10)") : undefined;
        await Promise.all([running, database.pool.query("SELECT pg_terminate_backend($1)", [rows[0]?.pid])]);
        await new Promise((resolve) => setTimeout(resolve, 200));
        await tx.query("SELECT 1");
      });
      await expect(cut).rejects.toThrow();
      expect((await database.pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      process.removeListener("uncaughtException", note);
      expect(uncaught).toEqual([]);
      await database.stop();
    },
  );
});
