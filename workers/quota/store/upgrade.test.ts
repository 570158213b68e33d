import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { periodAt } from "#kernel/period.js";
import { openDatabase } from "#platform/database/database.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { createTestDatabase } from "../../../tests/servers/servers.js";
import { GRAIN_MS, latestIn } from "../rules/windows.js";
import { readFacts } from "./loading.js";

const BEFORE = ["20260101000000_create_quota", "20261126220000_backfill"];

test("what was granted and totalled by counters of windows still counts, at least as long", async () => {
  const created = await createTestDatabase("quota_upgrade");
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-migrations-"));
  for (const name of BEFORE)
    await cp(path.join(migrationsDirOf("quota"), name), path.join(dir, name), { recursive: true });
  const options = { url: created.url, onError: () => undefined };
  const old = await openDatabase({ ...options, migrationsDir: dir });
  const now = Date.now();
  const hour = Math.floor(now / HOUR_MS) * HOUR_MS;
  const slice = Math.floor(now / (3 * MINUTE_MS)) * 3 * MINUTE_MS;
  const { start: month, end: monthEnd } = periodAt(now, 1);
  const grant = (meter: string, window: string, start: number, bound: number, until: number) =>
    old.pool.query("INSERT INTO granted_bound VALUES ($1, $2, $3, $4, $5, $6)", [
      ...["acme", meter, window, new Date(start), bound, new Date(until)],
    ]);
  await grant("calls", "HOUR", slice - 3 * MINUTE_MS, 10, now + HOUR_MS);
  await grant("calls", "HOUR", slice, 20, now + HOUR_MS);
  await grant("calls", "HOUR", slice - HOUR_MS, 25, now - 1);
  await grant("calls", "BILLING_PERIOD", month, 28, now + 2 * HOUR_MS);
  await grant("", "HOUR", slice, 7, now + 1_000);
  await grant("", "BILLING_PERIOD", month, 9, now + 1_000);
  const total = (grain: string, start: number, sum: number) =>
    old.pool.query("INSERT INTO usage_total VALUES ('acme', 'calls', $1, $2, $3)", [grain, new Date(start), sum]);
  await total("HOUR", hour, 5);
  await total("HOUR_SLICE", slice, 3);
  await total("HOUR_SLICE", slice - 3 * MINUTE_MS, 2);
  await old.pool.query("INSERT INTO counter_opening VALUES ('acme', 'calls', 'HOUR', 0, 'x', now())");
  await old.stop();

  const database = await openDatabase({ ...options, migrationsDir: migrationsDirOf("quota") });
  const facts = (
    await readFacts(database, [{ tenantId: "acme", now, periodStart: month, series: [], claims: [], scopes: [] }])
  ).get("acme");
  const lost = facts?.lost.map(({ id, bound, until }) => [id, Number(bound / 10n ** 12n), until]);
  expect(lost).toHaveLength(3);
  expect(lost).toContainEqual(["m|calls", 30, now + 2 * HOUR_MS]);
  expect(lost).toContainEqual([`r|HOUR|${slice}`, 7, slice + HOUR_MS + 3 * MINUTE_MS]);
  expect(lost).toContainEqual([`r|BILLING_PERIOD|${month}`, 9, monthEnd]);
  const ends = (grain: "HOUR_SLICE" | "DAY_SLICE") =>
    [...(facts?.totals.values() ?? [])]
      .flat()
      .filter((one) => one.grain === grain)
      .map(({ bucketStart }) => latestIn(grain, bucketStart));
  expect(ends("HOUR_SLICE")?.sort()).toEqual([slice - 1, slice + 3 * MINUTE_MS - 1]);
  const [dayEnd] = ends("DAY_SLICE") ?? [];
  expect(dayEnd).toBeGreaterThanOrEqual(hour + HOUR_MS - 1);
  expect((dayEnd ?? 0) - (hour + HOUR_MS)).toBeLessThan(GRAIN_MS.DAY_SLICE);
  expect((await database.pool.query("SELECT epoch FROM tenant_epoch WHERE tenant_id = 'acme'")).rows).toEqual([
    { epoch: "before" },
  ]);
  await database.stop();
  await created.drop();
  await rm(dir, { recursive: true });
});
