import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { createMigratedDatabase } from "../../../tests/servers/migrated.js";
import { createTestDatabase } from "../../../tests/servers/servers.js";
import { BOUNDS_KEPT_MS, TOTALS_KEPT_MS } from "../rules/windows.js";
import { pruneUsage } from "./pruning.js";

const NOW = Date.UTC(2026, 10, 20, 12);
const TEST_CLOCK = Date.UTC(2024, 1, 3);
const KEPT = [...TOTALS_KEPT_MS, ["BILLING_PERIOD", 400 * DAY_MS] as const];

let created: Awaited<ReturnType<typeof createTestDatabase>>;
let database: Database;
beforeAll(async () => {
  created = await createMigratedDatabase("quota");
  database = await openDatabase({ url: created.url, onError: () => undefined });
});
afterAll(async () => {
  await database.stop();
  await created.drop();
});
beforeEach(() => database.pool.query("TRUNCATE usage_total, granted_bound"));

/** Rows of each grain and window that begin a millisecond before the horizon and at it. */
async function store(tenantId: string, now: number): Promise<void> {
  for (const [grain, ms] of KEPT)
    for (const at of [now - ms - 1, now - ms])
      await database.pool.query("INSERT INTO usage_total VALUES ($1, 'calls', $2, $3, 1)", [
        tenantId,
        grain,
        new Date(at),
      ]);
  for (const [window, ms] of BOUNDS_KEPT_MS)
    for (const at of [now - ms - 1, now - ms])
      await database.pool.query(
        `INSERT INTO granted_bound (tenant_id, meter, quota_window, bucket_start, bound, expires_at)
         VALUES ($1, 'calls', $2, $3, 1, $3)`,
        [tenantId, window, new Date(at)],
      );
}

async function left(table: "usage_total" | "granted_bound", column: string, tenantId: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ name: string }>(
    `SELECT ${column} AS name FROM ${table} WHERE tenant_id = $1 ORDER BY 1`,
    [tenantId],
  );
  return rows.map(({ name }) => name);
}

test("totals inside a window stay, by the system's clock or the tenant's own; periods' totals stay permanently", async () => {
  await store("acme", NOW);
  await store("past", TEST_CLOCK);
  await pruneUsage(database, { now: NOW, testClocks: new Map([["past", TEST_CLOCK]]) });
  for (const tenantId of ["acme", "past"]) {
    const totals = [...TOTALS_KEPT_MS.map(([grain]) => grain), "BILLING_PERIOD", "BILLING_PERIOD"].sort();
    expect(await left("usage_total", "grain", tenantId)).toEqual(totals);
    const bounds = BOUNDS_KEPT_MS.map(([window]) => window).sort();
    expect(await left("granted_bound", "quota_window", tenantId)).toEqual(bounds);
  }
});

test("a tenant whose test clock is ahead of the system's loses nothing that its clock still reaches", async () => {
  const ahead = NOW + 400 * DAY_MS;
  await store("future", ahead);
  await pruneUsage(database, { now: NOW, testClocks: new Map([["future", ahead]]) });
  expect(await left("granted_bound", "quota_window", "future")).toHaveLength(BOUNDS_KEPT_MS.length);
});
