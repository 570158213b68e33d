import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isNotNow, timeLimitRefusal } from "#kernel/database-time.js";
import { PrismaClient } from "#prisma/tenancy/generated/client.js";
import { startTcpProxy, type TcpProxy } from "../../tests/chaos/tcp-proxy.js";
import {
  createTestDatabase,
  freePort,
  hasPostgres,
  PATIENCE_MS,
  type TestDatabase,
  waitFor,
} from "../../tests/servers/servers.js";
import { type Database, openDatabase } from "./database.js";
import { prismaAdapter } from "./prisma.js";
import { PROFILES } from "./profiles.js";
import { namesItsErrors } from "./session.js";

const unavailable = expect.objectContaining({ code: "UNAVAILABLE" });
const refusalOf = (error: unknown) => timeLimitRefusal(error);
/** Limits that no test here is about. */
const LONG = { statementMs: 600_000, transactionMs: 600_000, idleInTransactionMs: 600_000 };
const PATIENT = { maxWait: PATIENCE_MS, timeout: 600_000 };

test.skipIf(!hasPostgres)("a pool without a free connection says so, to queries and to those who connect", async () => {
  const created = await createTestDatabase("session");
  const pool = new pg.Pool({ connectionString: created.url, max: 1, connectionTimeoutMillis: 500 });
  namesItsErrors(pool);
  // Again if the machine stopped for longer than a connection may take.
  const held = await waitFor(() => pool.connect(), { what: "a connection" });
  expect(await pool.query("SELECT 1").catch(refusalOf)).toEqual(unavailable);
  expect(await pool.connect().catch(refusalOf)).toEqual(unavailable);
  held.release();
  expect((await pool.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  await expect(pool.query("SELECT nothing")).rejects.toMatchObject({ code: "42703" });
  await pool.end();
  await created.drop();
});

test("nor does a server that is not there look like a bug", async () => {
  const pool = new pg.Pool({ connectionString: `postgres://nobody@127.0.0.1:${await freePort()}/x` });
  namesItsErrors(pool);
  expect(await pool.query("SELECT 1").catch(refusalOf)).toEqual(unavailable);
  await pool.end();
});

describe.skipIf(!hasPostgres)("a connection that breaks under a statement", () => {
  let created: TestDatabase;
  let proxy: TcpProxy;
  let database: Database;
  let prisma: PrismaClient;
  let isMute = false;

  beforeAll(async () => {
    created = await createTestDatabase("session_breaks");
    const url = new URL(created.url);
    const port = Number(url.port);
    proxy = await startTcpProxy(
      () => port,
      ({ toServer, toClient }) => ({
        fromClient: toServer,
        fromServer: (bytes) => (isMute ? undefined : toClient(bytes)),
      }),
    );
    url.port = String(proxy.port);
    url.hostname = "127.0.0.1";
    const hot = { ...PROFILES.hot, ...LONG };
    const requests = { ...PROFILES.requests, statementMs: 3_000 };
    database = await openDatabase({
      ...{ url: url.toString(), profiles: { ...PROFILES, hot, requests }, onError: () => undefined },
    });
    prisma = new PrismaClient({ adapter: prismaAdapter(database) });
  });
  afterAll(async () => {
    await prisma?.$disconnect();
    await database?.stop();
    await proxy?.stop();
    await created?.drop();
  });

  // Ended by the next test: the machine may stop before it is seen to run.
  const slow = "SELECT pg_sleep(600)::text";
  const asked: Record<string, () => Promise<unknown>> = {
    pool: () => database.pool.query(slow),
    transaction: () => database.transaction((tx) => tx.query(slow)),
    "generated client": () => prisma.$queryRawUnsafe(slow),
    "generated client's transaction": () => prisma.$transaction((tx) => tx.$queryRawUnsafe(slow), PATIENT),
  };

  // No statement of the test before, and no connection that is broken and not yet known to be.
  beforeEach(async () => {
    await waitFor(async () => (await sleeping(created.url, "pg_terminate_backend(pid)")) === 0, {
      what: "the sleeping statement to end",
    });
    await waitFor(
      () =>
        database.pool.query("SELECT 1").then(
          () => true,
          () => false,
        ),
      { what: "a connection" },
    );
  });

  test.each(Object.entries(asked))("%s: the database cannot be reached now", async (_, ask) => {
    const failure = ask().catch((error: unknown) => error);
    await waitFor(async () => (await sleeping(created.url)) > 0, { what: "the statement to run" });
    proxy.cutAll();
    expect([isNotNow(await failure), timeLimitRefusal(await failure)]).toEqual([true, unavailable]);
  });

  test.each(["transaction", "generated client"])("%s: between two statements too", async (by) => {
    const next = async (query: (sql: string) => Promise<unknown>) => {
      await query("SELECT 1");
      proxy.cutAll();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await query("SELECT 2");
    };
    const failure = await (by === "transaction"
      ? database.transaction((tx) => next((sql) => tx.query(sql)))
      : prisma.$transaction((tx) => next((sql) => tx.$queryRawUnsafe(sql)), PATIENT)
    ).catch((error: unknown) => error);
    expect(timeLimitRefusal(failure)).toEqual(unavailable);
  });

  test("nor does a server that never answers look like a bug", async () => {
    const { pool } = database.under("requests");
    await pool.query("SELECT 1");
    isMute = true;
    const failure = await pool.query("SELECT 1").catch((error: unknown) => error);
    isMute = false;
    expect(timeLimitRefusal(failure)).toEqual(unavailable);
  });

  test("what the server says keeps its code", async () => {
    await expect(database.pool.query("SELECT nothing")).rejects.toMatchObject({ code: "42703" });
  });
});

/** How many statements of the database are asleep; `each`: what is done to each. */
async function sleeping(url: string, each = "true"): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query(
    `SELECT count(${each})::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
  );
  await client.end();
  return rows[0].n;
}
