import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { periodAt } from "#kernel/period.js";
import type { Database } from "#platform/database/database.js";
import type { Identity } from "#schema/policy.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { priceInvoices, readDerivations } from "../closing/derive.js";
import { createUsageReads } from "../graph/usage-reads.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  meter,
  PARTITIONS,
  planVersion,
  price,
  tenant,
} from "../world.testing.js";
import type { Queryable } from "./usage.js";
import { UNBOUNDED } from "./usage.js";

const METERS = ["a", "B", "c"];
/** Of each meter: together more than one answer of the database may have. */
const COMBINATIONS = 900;
const MOST_ROWS = 1_000;
const HOUR = at("2026-03-05T10:00:00");
const PERIOD = periodAt(HOUR, 1);

describe.skipIf(!hasPostgres)("usage of more combinations than one answer of the database may have", () => {
  let world: BillingWorld;
  let mostRows = 0;
  let database: Database;

  /** The same, which notes how many rows an answer had. */
  function noting<Q extends Queryable>(of: Q): Q {
    return new Proxy(of, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (key !== "query" || typeof value !== "function")
          return typeof value === "function" ? value.bind(target) : value;
        return async (...given: unknown[]) => {
          const answer: { readonly rows: readonly unknown[] } = await value.apply(target, given);
          mostRows = Math.max(mostRows, answer.rows.length);
          return answer;
        };
      },
    });
  }

  beforeAll(async () => {
    world = await billingWorld();
    database = {
      ...world.database,
      pool: noting(world.database.pool),
      transaction: (work) => world.database.transaction((tx) => work(noting(tx))),
    };
    for (const id of METERS) world.state.apply(meter(id, { dimensions: ["customer"] }));
    const prices = METERS.map((id) => price({ meter: id, model: "PER_UNIT", unitAmount: "1", catchAll: true }));
    const versions = [planVersion({ prices })];
    world.state.apply({ kind: "plan", id: "pro", version: 1, name: "Pro", archived: false, versions });
    world.state.apply(tenant("acme"));
    world.clock.set(HOUR);
    await world.database.pool.query(
      `INSERT INTO usage_delta (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour)
       SELECT 'acme', 1, m, $2, json_build_array(n::text)::text, '', 2, 2, $2, $2
         FROM unnest($1::text[]) AS m, generate_series(1, $3::int) AS n`,
      [METERS, HOUR, COMBINATIONS],
    );
  });
  afterAll(() => world.stop());

  test("is read in parts for an invoice", async () => {
    mostRows = 0;
    const input = { tenantId: "acme", period: PERIOD, plan: { planId: "pro", planVersion: 1 }, watermark: UNBOUNDED };
    const versions = {
      invoiceVersion: CURRENT_INVOICE_VERSION,
      tenancyVersion: 1,
      previousWatermark: undefined,
      creditsThrough: undefined,
    };
    const read = await database.transaction((tx) => readDerivations(tx, world.tenancy, [{ ...input, ...versions }]));
    const [derived] = await priceInvoices(world.tenancy, read, async () => undefined);
    expect(derived?.lines.map((line) => [line.meter, line.quantity.toNumber()])).toEqual(
      METERS.map((id) => [id, 2 * COMBINATIONS]),
    );
    expect(mostRows).toBeLessThanOrEqual(MOST_ROWS);
  });

  test("is read in parts for totals, meter by meter in the order of their keys", async () => {
    mostRows = 0;
    const { usageTotals } = createUsageReads({ ...world, database, partitions: PARTITIONS });
    const root: Identity = { kind: "USER", id: "root", tenantId: null, roles: [], scopes: [] };
    const context = { identity: root };
    const asked = { periodStart: null, meter: null, granularity: "PERIOD", asOf: null } as const;
    const totals = await usageTotals(context, "acme", { ...asked, groupBy: [] });
    expect(totals.map((total) => [total.meter, total.quantity])).toEqual(
      [...METERS].sort().map((id) => [id, String(2 * COMBINATIONS)]),
    );
    const grouped = await usageTotals(context, "acme", { ...asked, groupBy: ["customer"] });
    expect(grouped).toHaveLength(METERS.length * COMBINATIONS);
    expect(mostRows).toBeLessThanOrEqual(MOST_ROWS);
  });
});
