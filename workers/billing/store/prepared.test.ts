import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import type { Folded } from "../rules/fold.js";
import { type BillingWorld, billingWorld } from "../world.testing.js";
import { appendPrepared, beginAttempt, keepPart } from "./prepared.js";

const partOf = (tenantId: string, hour: number): Folded => ({
  deltas: [
    {
      ...{ tenantId, meter: "m", hour, dimensions: "[]", value: "", recordedHour: 0, seq: 9 },
      ...{ quantity: new Decimal("2.5"), eventCount: 2, lastEventAt: hour + 7, times: Buffer.from([0, 0, 1, 0, 0, 7]) },
    },
  ],
  counts: [{ tenantId, hour: 0, counted: 2, unmetered: -2 }],
  unmetered: [],
});

describe.skipIf(!hasPostgres)("what a backfill adds", () => {
  let world: BillingWorld;
  beforeAll(async () => {
    world = await billingWorld();
  });
  afterAll(() => world.stop());

  const usageOf = async (tenantId: string) => {
    const { rows } = await world.database.pool.query(
      `SELECT hour, quantity::text, event_count, times, (SELECT counted FROM usage_count WHERE tenant_id = $1)
         FROM usage_delta WHERE tenant_id = $1 ORDER BY hour`,
      [tenantId],
    );
    return rows;
  };
  const left = async () => (await world.database.pool.query("SELECT FROM prepared_delta")).rowCount;

  test("is kept in parts until it is applied, and then no more", async () => {
    const { pool } = world.database;
    const attempt = await beginAttempt(pool, 1);
    for (const hour of [0, 3_600_000]) await keepPart(pool, attempt, partOf("a", hour));
    expect(await usageOf("a")).toEqual([]);
    await world.database.transaction((tx) => appendPrepared(tx, attempt, { deltas: 2, counts: 2 }));
    const row = { quantity: "2.5", event_count: 2, times: Buffer.from([0, 0, 1, 0, 0, 7]), counted: 4 };
    expect(await usageOf("a")).toEqual([0, 3_600_000].map((hour) => ({ hour, ...row })));
    expect(await left()).toBe(0);
  });

  test("is not applied if another attempt has begun, and that one deletes it", async () => {
    const { pool } = world.database;
    const frozen = await beginAttempt(pool, 1);
    await keepPart(pool, frozen, partOf("b", 0));
    const elsewhere = await beginAttempt(pool, 2);
    await keepPart(pool, elsewhere, partOf("b", 0));
    await beginAttempt(pool, 1);
    await expect(
      world.database.transaction((tx) => appendPrepared(tx, frozen, { deltas: 1, counts: 1 })),
    ).rejects.toThrow("another attempt has begun");
    expect(await usageOf("b")).toEqual([]);
    expect(await left()).toBe(1);
  });
});
