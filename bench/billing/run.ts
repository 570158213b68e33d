import { parseArgs } from "node:util";
import { hourOf } from "#kernel/period.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import { priceInvoices, readDerivations } from "../../workers/billing/closing/derive.js";
import { mergeRecorded } from "../../workers/billing/merge.js";
import { foldEntries } from "../../workers/billing/rules/fold.js";
import { appendFolded, UNBOUNDED } from "../../workers/billing/store/usage.js";
import {
  allCells,
  type BillingWorld,
  billingWorld,
  meter,
  PARTITIONS,
  planVersion,
  price,
  tenant,
} from "../../workers/billing/world.testing.js";
import { medianOf, report, round } from "../support/report.js";
import { eventOf, METERS, PERIOD } from "./events.js";

/** How fast usage is folded, what reading it costs as events grow, and how long 10,000 closes take. Needs `DATABASE_URL`. */
const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "fold,reads,values,closes" },
    events: { type: "string", default: "10000000" },
    values: { type: "string", default: "1000000" },
    tenants: { type: "string", default: "10000" },
  },
});
const parts = new Set(options.only.split(","));
const BATCH = 1_000;
const HOURS = Math.floor((PERIOD.end - PERIOD.start) / 3_600_000);
const metersOfType = (): readonly MeterState[] => METERS;

const secondsOf = async (work: () => unknown): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

/** Folds in batches as the consumer does; the reference reads the same data and adds doubles. */
async function fold(): Promise<void> {
  const events = Array.from({ length: 300_000 }, (_, n) => eventOf(n, 300_000, `tenant-${n % 24}`));
  const [ours, reference]: [number[], number[]] = [[], []];
  for (let round = 0; round < 5; round += 1) {
    ours.push(
      await secondsOf(() => {
        for (let from = 0; from < events.length; from += BATCH)
          foldEntries(events.slice(from, from + BATCH), metersOfType);
      }),
    );
    reference.push(
      await secondsOf(() => {
        const sums = new Map<string, number>();
        for (const event of events) {
          const data: { region: string; model: string; tokens: string } = JSON.parse(event.data);
          const key = `${event.tenantId} ${hourOf(event.time)} ${data.region} ${data.model}`;
          sums.set(key, (sums.get(key) ?? 0) + Number(data.tokens));
        }
      }),
    );
  }
  const rate = (times: readonly number[]) => events.length / medianOf(times);
  report("fold, COUNT and SUM with two dimensions", {
    eventsPerSecond: round(rate(ours)),
    ofNaiveLoop: round(rate(ours) / rate(reference), 2),
  });
}

const ORDERED: readonly MeterState[] = [
  meter("peak", { aggregation: "MAX", valueProperty: "tokens", dimensions: ["region"] }),
  meter("level", { aggregation: "LATEST", valueProperty: "tokens", dimensions: ["region"] }),
];

function priced(world: BillingWorld, meters: readonly MeterState[]): void {
  for (const state of meters) world.state.apply(state);
  world.state.apply({
    ...{ kind: "plan", id: "pro", version: 1, name: "pro", archived: false },
    versions: [
      planVersion({
        prices: meters.map(({ id }) => price({ meter: id, model: "PER_UNIT", unitAmount: "0.001" })),
      }),
    ],
  });
}

async function readsAt(
  count: number,
  meters: readonly MeterState[],
): Promise<{ totals: number; upcoming: number; rows: number }> {
  const world = await billingWorld();
  try {
    priced(world, meters);
    world.state.apply(tenant("one"));
    for (let from = 0; from < count; from += BATCH) {
      const events = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => eventOf(from + i, count, "one"));
      await world.database.transaction((tx) =>
        appendFolded(
          tx,
          foldEntries(events, () => meters),
        ),
      );
    }
    await mergeRecorded({ ...world, partitions: PARTITIONS }, UNBOUNDED);
    const { pool, transaction } = world.database;
    await pool.query("VACUUM ANALYZE usage_delta");
    const bounds = { from: PERIOD.start, to: PERIOD.end, maxSeq: UNBOUNDED, recordedBefore: UNBOUNDED };
    const query = { tenantId: "one", ...bounds, meter: null, bucketMs: 0 };
    const input = {
      tenantId: "one",
      period: PERIOD,
      plan: { planId: "pro", planVersion: 1 },
      invoiceVersion: CURRENT_INVOICE_VERSION,
      tenancyVersion: 1,
      watermark: UNBOUNDED,
    };
    const [totals, upcoming]: [number[], number[]] = [[], []];
    for (let round = 0; round < 30; round += 1) {
      totals.push(await secondsOf(() => allCells(world.database, [query])));
      upcoming.push(
        await secondsOf(async () => {
          const inputs = [{ ...input, previousWatermark: undefined, creditsThrough: undefined }];
          const read = await transaction((tx) => readDerivations(tx, world.tenancy, inputs));
          return priceInvoices(world.tenancy, read, async () => undefined);
        }),
      );
    }
    const { rows } = await pool.query<{ n: number }>("SELECT count(*)::int AS n FROM usage_delta");
    return { totals: medianOf(totals) * 1000, upcoming: medianOf(upcoming) * 1000, rows: rows[0]?.n ?? 0 };
  } finally {
    await world.stop();
  }
}

async function reads(count: string, meters: readonly MeterState[]): Promise<void> {
  const [few, many] = [await readsAt(100_000, meters), await readsAt(Number(count), meters)];
  const of = meters.map(({ aggregation }) => aggregation).join(" and ");
  report(`reading a month of ${HOURS} hours, ${of}, 100,000 and ${count} events`, {
    ...{ totalsMs: [round(few.totals, 1), round(many.totals, 1)], ratio: round(many.totals / few.totals, 2) },
    ...{ upcomingMs: [round(few.upcoming, 1), round(many.upcoming, 1)] },
    ...{ upcomingRatio: round(many.upcoming / few.upcoming, 2), rows: [few.rows, many.rows] },
  });
}

/** Four at once, as the worker does; the reference commits as many transactions of one small row each. */
async function closesOf(count: number): Promise<number> {
  const world = await billingWorld();
  try {
    const meters = Array.from({ length: 5 }, (_, n) => meter(`m${n}`));
    for (const state of meters) world.state.apply(state);
    const prices = meters.map(({ id }) => price({ meter: id, model: "PER_UNIT", unitAmount: "0.01" }));
    world.state.apply({
      ...{ kind: "plan", id: "pro", version: 1, name: "pro", archived: false },
      versions: [planVersion({ prices })],
    });
    const ids = Array.from({ length: count }, (_, n) => `tenant-${n}`);
    for (const id of ids) world.state.apply(tenant(id));
    const { pool } = world.database;
    await pool.query(
      `INSERT INTO usage_delta (tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour)
       SELECT t, 1, 'm' || m, $2::bigint + h * 3600000, '[]', '', 10, 10, $2::bigint, $2::bigint
         FROM unnest($1::text[]) t, generate_series(0, 4) m, generate_series(0, 9) h`,
      [ids, PERIOD.start],
    );
    await pool.query(
      `INSERT INTO billing_period (tenant_id, start_at, end_at, partition, status, watermark, tenancy_version, plan_id, plan_version, closing_since)
       SELECT t, $2, $3, 0, 'CLOSING', 1, 1, 'pro', 1, 0 FROM unnest($1::text[]) t`,
      [ids, PERIOD.start, PERIOD.end],
    );
    await pool.query("ANALYZE");
    const seconds = await secondsOf(() => fourAtOnce(ids, (id) => world.close(id)));
    const closed = await pool.query("SELECT 1 FROM invoice");
    if (closed.rowCount !== count) throw new Error(`${closed.rowCount} of ${count} were invoiced`);
    await pool.query("CREATE TABLE bare (id TEXT PRIMARY KEY)");
    const bare = await secondsOf(() =>
      fourAtOnce(ids, (id) => world.database.transaction((tx) => tx.query("INSERT INTO bare VALUES ($1)", [id]))),
    );
    report(`closing ${count} tenants with 5 meters`, {
      ...{ seconds: round(seconds, 1), perTenantMs: round((seconds / count) * 1000, 2) },
      timesBareTransactions: round(seconds / bare, 1),
    });
    return seconds / count;
  } finally {
    await world.stop();
  }
}

async function fourAtOnce(ids: readonly string[], work: (id: string) => Promise<unknown>): Promise<void> {
  const rest = ids.values();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (const id of rest) await work(id);
    }),
  );
}

async function closes(): Promise<void> {
  const count = Number(options.tenants);
  const [few, many] = [await closesOf(count / 10), await closesOf(count)];
  report("per tenant, ten times the tenants against one", { ratio: round(many / few, 2) });
}

if (parts.has("fold")) await fold();
if (parts.has("reads")) await reads(options.events, METERS);
if (parts.has("values")) await reads(options.values, ORDERED);
if (parts.has("closes")) await closes();
