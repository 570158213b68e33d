import { pino } from "pino";
import { Registry } from "prom-client";
import { afterEach, describe, expect, test } from "vitest";
import { forRequests, openDatabase } from "#platform/database/database.js";
import { createHttpServer } from "#platform/http/server.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { createMetrics } from "../metrics.js";
import { apiKeyState, appendItems, openWorld, receivedItem, startService, tenantState } from "../world.testing.js";
import { registerEdge } from "./events.js";

const TENANTS = ["loud", "quiet"];
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function keysOf(apply: (state: ReturnType<typeof tenantState> | ReturnType<typeof apiKeyState>["state"]) => void) {
  const keys: Record<string, string> = {};
  for (const tenantId of TENANTS) {
    const { state, secret } = apiKeyState(tenantId, ["READ"]);
    apply(tenantState(tenantId));
    apply(state);
    keys[tenantId] = secret;
  }
  return (tenantId: string) => ({
    url: "/v1/events?source=test&id=e1",
    headers: { authorization: `Bearer ${keys[tenantId]}` },
  });
}

/** The routes over a store whose look-ups end when told. */
async function heldLookups() {
  const { reads, apply, close } = createTenancyState(systemClock);
  const requestOf = keysOf(apply);
  const started: string[] = [];
  const ends: (() => void)[] = [];
  let isOver = false;
  const app = createHttpServer(pino({ level: "silent" }));
  registerEdge(app, {
    tenancy: { ...reads, isStale: () => false, stop: async () => close() },
    clock: systemClock,
    appender: { append: async () => undefined, stop: async () => undefined },
    metrics: createMetrics(new Registry()),
    events: {
      find(tenantId) {
        started.push(tenantId);
        if (isOver) return Promise.resolve(undefined);
        return new Promise((resolve) => ends.push(() => resolve(undefined)));
      },
      conflicts: async () => [],
      recordedThrough: async () => undefined,
    },
  });
  closers.push(
    () => app.close(),
    async () => {
      isOver = true;
      for (const end of ends) end();
    },
  );
  await app.ready();
  return { look: async (tenantId: string) => app.inject(requestOf(tenantId)), started, ends };
}

describe("look-ups of events", () => {
  test("a tenant with fifty times as many delays another's by none of them, and what exceeds its line is refused", async () => {
    const { look, started, ends } = await heldLookups();
    const loud = Array.from({ length: 250 }, () => look("loud"));
    await waitFor(() => started.length === 2, { what: "the loud tenant's share" });
    const quiet = [look("quiet"), look("quiet")];
    await waitFor(() => started.length === 4, { what: "the quiet tenant's look-ups" });
    expect(started).toEqual(["loud", "loud", "quiet", "quiet"]);
    let isOver = false;
    const all = Promise.all([...loud, ...quiet]).finally(() => {
      isOver = true;
    });
    await waitFor(
      () => {
        for (const end of ends.splice(0)) end();
        return isOver;
      },
      { what: "all answers", pauseMs: 1 },
    );
    const statuses = (await all).map(({ statusCode }) => statusCode);
    expect(statuses.slice(-2)).toEqual([404, 404]);
    expect(statuses.filter((status) => status === 503)).toHaveLength(48);
  });

  test.skipIf(!hasPostgres)(
    "the recorder goes on while clients hold and wait for all of their connections",
    async () => {
      const world = await openWorld();
      closers.push(world.close);
      const requestOf = keysOf(world.apply);
      const database = await openDatabase({ url: world.url, onError: () => undefined });
      const { app, stop } = await startService(world, { openDatabase: async () => database });
      closers.push(stop);
      const { pool } = forRequests(database);
      const held = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
      const release = async () => {
        for (const connection of held.splice(0)) connection.release();
      };
      closers.push(release);
      const looked = TENANTS.flatMap((tenantId) => [1, 2, 3].map(async () => app.inject(requestOf(tenantId))));
      await waitFor(() => pool.waitingCount > 0, { what: "look-ups that wait for a connection" });
      await appendItems(world.log, 0, [receivedItem({ tenantId: "quiet", id: "e1" })]);
      await waitFor(async () => (await world.database.pool.query("SELECT 1 FROM usage_key")).rowCount === 1, {
        what: "the recorder",
      });
      expect(pool.waitingCount).toBeGreaterThan(0);
      await release();
      const found = (await Promise.all(looked)).map(({ statusCode }) => statusCode);
      expect(found).toEqual([404, 404, 404, 200, 200, 200]);
      // An event of the last record's millisecond may lie after it in the log.
      const { body } = await app.inject(requestOf("loud"));
      const cursor = await world.database.pool.query("SELECT recorded_through_ms AS ms FROM recorder_cursor");
      expect(Date.parse(JSON.parse(body).recordedThrough)).toBe(Number(cursor.rows[0]?.ms) - 1);
    },
  );
});
