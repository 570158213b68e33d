import { beforeEach, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { startPruning } from "../prune.js";
import { SCOPED_PERIOD_KEPT_MS, TOTALS_KEPT_MS } from "../rules/windows.js";
import { quotaDatabase } from "./database.testing.js";
import { ENDED_BOUNDS_KEPT_MS, pruneUsage } from "./pruning.js";

const NOW = Date.UTC(2026, 10, 20, 12);
const TEST_CLOCK = Date.UTC(2024, 1, 3);
const KEPT = [...TOTALS_KEPT_MS, ["BILLING_PERIOD", 400 * DAY_MS] as const];

const database = quotaDatabase();
beforeEach(() =>
  database().pool.query("TRUNCATE usage_total, granted_bound, scoped_total, combination, combination_count"),
);

/** Totals of each grain that begin a millisecond before the horizon and at it, and bounds that ended then. */
async function store(tenantId: string, now: number): Promise<void> {
  for (const [grain, ms] of KEPT)
    for (const at of [now - ms - 1, now - ms])
      await database().pool.query("INSERT INTO usage_total VALUES ($1, 'calls', $2, $3, 1)", [
        tenantId,
        grain,
        new Date(at),
      ]);
  for (const [id, at] of [
    ["ended", now - ENDED_BOUNDS_KEPT_MS - 1],
    ["just ended", now - ENDED_BOUNDS_KEPT_MS],
    ["held", now + DAY_MS],
  ] as const)
    await database().pool.query("INSERT INTO granted_bound VALUES ($1, 'epoch', $2, 1, $3, 1)", [
      tenantId,
      id,
      new Date(at),
    ]);
}

async function left(table: "usage_total" | "granted_bound", column: string, tenantId: string): Promise<string[]> {
  const { rows } = await database().pool.query<{ name: string }>(
    `SELECT ${column} AS name FROM ${table} WHERE tenant_id = $1 ORDER BY 1`,
    [tenantId],
  );
  return rows.map(({ name }) => name);
}

test("totals inside a window stay, by the system's clock or the tenant's own; periods' totals stay permanently", async () => {
  await store("acme", NOW);
  await store("past", TEST_CLOCK);
  await pruneUsage(database(), { now: NOW, testClocks: new Map([["past", TEST_CLOCK]]) });
  for (const tenantId of ["acme", "past"]) {
    const totals = [...TOTALS_KEPT_MS.map(([grain]) => grain), "BILLING_PERIOD", "BILLING_PERIOD"].sort();
    expect(await left("usage_total", "grain", tenantId)).toEqual(totals);
    expect(await left("granted_bound", "id", tenantId)).toEqual(["held", "just ended"]);
  }
});

test("a tenant whose test clock is ahead of the system's loses nothing that its clock still reaches", async () => {
  const ahead = NOW + 400 * DAY_MS;
  await store("future", ahead);
  await pruneUsage(database(), { now: NOW, testClocks: new Map([["future", ahead]]) });
  expect(await left("granted_bound", "id", "future")).toEqual(["held", "just ended"]);
});

test("what the counters still reach stays, wherever the clock of the process is", async () => {
  const errors: unknown[] = [];
  const prune = async (now: () => Promise<number>) => {
    const pruning = startPruning(database(), { tenants: () => [].values() }, { now }, (error) => errors.push(error));
    pruning.kick();
    // A turn that has begun ends before the loop does.
    await new Promise((resolve) => setImmediate(resolve));
    await pruning.stop();
  };
  const whole = async () => [await left("usage_total", "grain", "acme"), await left("granted_bound", "id", "acme")];
  // Long before the machine's time.
  await store("acme", TEST_CLOCK);
  const before = await whole();
  await prune(() => Promise.reject(new Error("the counters do not answer")));
  expect(errors).toHaveLength(1);
  expect(await whole()).toEqual(before);
  await prune(async () => TEST_CLOCK);
  expect(errors).toHaveLength(1);
  expect(await left("granted_bound", "id", "acme")).toEqual(["held", "just ended"]);
  expect(await left("usage_total", "grain", "acme")).toHaveLength(KEPT.length + 1);
});

test("totals and combinations of scopes go once no window of theirs is judged, billing periods too, by each tenant's clock", async () => {
  for (const [tenantId, now] of [
    ["acme", NOW],
    ["tested", TEST_CLOCK],
  ] as const) {
    for (const [grain, ms] of [...TOTALS_KEPT_MS, ["BILLING_PERIOD", SCOPED_PERIOD_KEPT_MS] as const])
      for (const at of [now - ms - 1, now - ms])
        await database().pool.query("INSERT INTO scoped_total VALUES ($1, 'calls|s|c', $2, $3, 1)", [
          ...[tenantId, grain, new Date(at)],
        ]);
    for (const at of [now - SCOPED_PERIOD_KEPT_MS - 1, now - SCOPED_PERIOD_KEPT_MS]) {
      await database().pool.query("INSERT INTO combination VALUES ($1, 'calls|s', $2, 'c', '{u1}')", [
        ...[tenantId, new Date(at)],
      ]);
      await database().pool.query("INSERT INTO combination_count VALUES ($1, 'calls|s', $2, 1)", [
        tenantId,
        new Date(at),
      ]);
    }
  }
  await pruneUsage(database(), { now: NOW, testClocks: new Map([["tested", TEST_CLOCK]]) });
  for (const tenantId of ["acme", "tested"]) {
    const count = async (table: string): Promise<number> => {
      const { rows } = await database().pool.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM ${table} WHERE tenant_id = $1`,
        [tenantId],
      );
      return rows[0]?.n ?? 0;
    };
    expect(await count("scoped_total")).toBe(TOTALS_KEPT_MS.length + 1);
    expect([await count("combination"), await count("combination_count")]).toEqual([1, 1]);
  }
});
