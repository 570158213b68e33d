import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createMigratedDatabase } from "../servers/migrated.js";
import { hasPostgres, type TestDatabase } from "../servers/servers.js";
import { connectServer, type Server, type ServerSession } from "./server.js";
import type { Answer } from "./statements.js";

const FIRST = "INSERT INTO recorder_cursor VALUES (0, 0, 0, 0, 0)";
/** Answers 1 to the first that counts, 2 to the second one. */
const COUNT = `${FIRST} ON CONFLICT (partition) DO UPDATE SET next = recorder_cursor.next + 1 RETURNING next`;
const LOCK = "SELECT next FROM recorder_cursor WHERE partition = 0 FOR UPDATE";
/** What PostgreSQL leaves open seldom shows itself. */
const TIMES = 12;

describe.skipIf(!hasPostgres)("sessions of a simulated database", () => {
  let database: TestDatabase;
  let server: Server;
  beforeAll(async () => {
    database = await createMigratedDatabase("ingestion");
    server = await connectServer(database.url);
  });
  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  /** What statements were answered that had to wait, in the order of the answers. */
  let late: string[];
  let sessions: Record<string, ServerSession>;
  beforeEach(async () => {
    await server.reset();
    late = [];
    sessions = {};
  });

  const described = (name: string, answer: Answer): string =>
    "error" in answer ? `${name}: ${answer.error.message}` : `${name}: ${answer.result.rows[0]?.next ?? "done"}`;

  /** "waits", or the answer. */
  async function run(name: string, text: string): Promise<string> {
    sessions[name] ??= await server.open();
    const answer = await sessions[name].run({ text }, (one) => void late.push(described(name, one)));
    return answer === undefined ? "waits" : described(name, answer);
  }

  async function waiting(names: readonly string[], text: string): Promise<void> {
    for (const name of names) expect(await run(name, text)).toBe("waits");
  }

  test("rows that have no order come in one, others in theirs", async () => {
    const session = await server.open();
    const rowsOf = async (text: string) =>
      (await session.run({ text }, () => undefined)) as { result: { rows: unknown[] } };
    const rows = "SELECT n FROM (VALUES (2), (3), (1)) numbers (n)";
    expect((await rowsOf(rows)).result.rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect((await rowsOf(`${rows} ORDER BY n DESC`)).result.rows).toEqual([{ n: 3 }, { n: 2 }, { n: 1 }]);
    await rowsOf("BEGIN");
    const fetched = async (select: string) => {
      await rowsOf(`DECLARE part CURSOR FOR ${select}`);
      const { result } = await rowsOf("FETCH 3 FROM part");
      await rowsOf("CLOSE part");
      return result.rows;
    };
    expect(await fetched(`${rows} ORDER BY n DESC`)).toEqual([{ n: 3 }, { n: 2 }, { n: 1 }]);
    expect(await fetched(rows)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    await session.end();
  });

  test("a recorder that stands between its lock and its move keeps the other one waiting", async () => {
    await run("first", FIRST);
    await run("first", "BEGIN");
    await run("second", "BEGIN");
    expect(await run("first", LOCK)).toBe("first: 0");
    expect(await run("second", LOCK)).toBe("waits");
    await run("first", "UPDATE recorder_cursor SET next = 7 WHERE partition = 0");
    expect(late).toEqual([]);
    await run("first", "COMMIT");
    expect(late).toEqual(["second: 7"]);
  });

  test("statements that wait for one row go on in the order in which they began to wait", async () => {
    for (let time = 0; time < TIMES; time += 1) {
      await server.reset();
      [late, sessions] = [[], {}];
      await run("first", "BEGIN");
      await run("first", FIRST);
      // Two of them in a transaction that goes on.
      for (const name of ["b", "d"]) await run(name, "BEGIN");
      await waiting(["a", "b", "c", "d", "e"], COUNT);
      await run("first", "COMMIT");
      expect(late).toEqual(["a: 1", "b: 2"]);
      await run("b", "ROLLBACK");
      expect(late).toEqual(["a: 1", "b: 2", "c: 2", "d: 3"]);
      await run("d", "COMMIT");
      expect(late.at(-1)).toBe("e: 4");
    }
  });

  test("what a transaction did before its statement was taken back stays", async () => {
    await run("first", "BEGIN");
    await run("first", FIRST);
    expect(await run("a", COUNT)).toBe("waits");
    await run("b", "BEGIN");
    await run("b", "INSERT INTO recorder_cursor VALUES (1, 5, 0, 0, 0)");
    expect(await run("b", COUNT)).toBe("waits");
    await run("first", "COMMIT");
    await run("b", "COMMIT");
    expect(late).toEqual(["a: 1", "b: 2"]);
    expect(await server.ask("SELECT partition, next FROM recorder_cursor ORDER BY partition")).toEqual([
      { partition: 0, next: 2 },
      { partition: 1, next: 5 },
    ]);
  });

  test("a statement that waits sees what was committed before it, and the row as it is then", async () => {
    await run("first", FIRST);
    await run("first", "BEGIN");
    await run("first", "UPDATE recorder_cursor SET next = 7 WHERE partition = 0");
    const both = `WITH seen AS MATERIALIZED (SELECT next FROM recorder_cursor WHERE partition = 0)
      SELECT format('%s, then %s', seen.next, locked.next) AS next FROM seen, (${LOCK}) locked`;
    await waiting(["a"], both);
    await run("first", "COMMIT");
    expect(late).toEqual(["a: 0, then 7"]);
  });

  test.each(["a", "b"])("%s, one of two that wait, is refused, and the other one waits on", async (refused) => {
    await run("first", "BEGIN");
    await run("first", FIRST);
    for (const name of ["a", "b"]) await run(name, "BEGIN");
    await waiting(["a", "b"], COUNT);
    await sessions[refused]?.cancel();
    expect(late).toEqual([`${refused}: canceling statement due to lock timeout`]);
    expect(await run(refused, "SELECT 1 AS next")).toMatch("current transaction is aborted");
    await run(refused, "ROLLBACK");
    await run("first", "COMMIT");
    expect(late.slice(1)).toEqual([`${refused === "a" ? "b" : "a"}: 1`]);
  });

  test.each(["a", "b"])("%s, one of two that wait, ends, and the other one waits on", async (ended) => {
    await run("first", "BEGIN");
    await run("first", FIRST);
    for (const name of ["a", "b"]) await run(name, "BEGIN");
    await waiting(["a", "b"], COUNT);
    await sessions[ended]?.end();
    expect(late).toEqual([]);
    await run("first", "COMMIT");
    expect(late).toEqual([`${ended === "a" ? "b" : "a"}: 1`]);
  });

  test("a transaction that fails gives its locks up at once, also after a statement that might have waited", async () => {
    for (let time = 0; time < TIMES; time += 1) {
      await server.reset();
      [late, sessions] = [[], {}];
      await run("first", "BEGIN");
      await run("first", FIRST);
      await waiting(["a"], COUNT);
      await run("b", "BEGIN");
      await run("b", "INSERT INTO recorder_cursor VALUES (1, 0, 0, 0, 0)");
      await waiting(["c"], COUNT.replace("(0,", "(1,"));
      expect(await run("b", "SELECT 1 / 0")).toBe("b: division by zero");
      expect(late).toEqual(["c: 0"]);
      expect(await run("first", "SELECT 1 / 0")).toBe("first: division by zero");
      expect(late).toEqual(["c: 0", "a: 0"]);
    }
  });

  test("of two transactions that wait for each other, the one that closes the circle fails", async () => {
    for (const [name, partition] of [
      ["a", 0],
      ["b", 1],
    ] as const) {
      await run(name, "BEGIN");
      await run(name, `INSERT INTO recorder_cursor VALUES (${partition}, 0, 0, 0, 0)`);
    }
    await waiting(["a"], COUNT.replace("(0,", "(1,"));
    expect(await run("b", COUNT)).toBe("b: deadlock detected");
    expect(late).toEqual(["a: 0"]);
  });

  test("an advisory lock is had in the order of asking", async () => {
    await run("first", "SELECT pg_advisory_lock(7)");
    await waiting(["a", "b", "c"], "SELECT pg_advisory_xact_lock(7)");
    await run("first", "SELECT pg_advisory_unlock(7)");
    expect(late).toEqual(["a: done", "b: done", "c: done"]);
  });
});
