import pg from "pg";
import { expect, test } from "vitest";
import { timeLimitRefusal } from "#kernel/database-time.js";
import { createTestDatabase, freePort, hasPostgres } from "../../tests/servers/servers.js";
import { namesItsErrors } from "./session.js";

const unavailable = expect.objectContaining({ code: "UNAVAILABLE" });
const refusalOf = (error: unknown) => timeLimitRefusal(error);

test.skipIf(!hasPostgres)("a pool without a free connection says so, to queries and to those who connect", async () => {
  const created = await createTestDatabase("session");
  const pool = new pg.Pool({ connectionString: created.url, max: 1, connectionTimeoutMillis: 500 });
  namesItsErrors(pool);
  const held = await pool.connect();
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
