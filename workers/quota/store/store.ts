import { Decimal, formatDecimal, ZERO } from "#kernel/decimal.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { enqueueOutbox } from "#platform/outbox/outbox.js";
import { QUOTA_ALERTS } from "#schema/topics.js";
import { isScoped } from "../rules/scopes.js";
import type { QuotaAlert } from "../rules/thresholds.js";
import type { Grain } from "../rules/windows.js";
import { createCombinations } from "./combinations.js";
import { positionsOfTenants } from "./loading.js";
import { unplannedTotals } from "./unplanned.js";
import { answered } from "./unreachable.js";

export interface TotalDelta {
  readonly tenantId: string;
  /** Or the series of a scope of it. */
  readonly meter: string;
  readonly grain: Grain;
  readonly bucketStart: number;
  readonly delta: Decimal;
}

/** A window that is made up of days. */
interface SumOfDays {
  readonly tenantId: string;
  readonly meter: string;
  readonly bucketStart: number;
  readonly end: number;
}

export type QuotaStore = ReturnType<typeof createQuotaStore>;

/** Quota's database, known only to `store/`. */
export function createQuotaStore(database: Database, partitionOf: (tenantId: string) => number) {
  const combinations = createCombinations();
  return {
    /** Adds usage and returns the new totals, in the order of `deltas`. */
    async addUsage(tx: Transaction, deltas: readonly TotalDelta[]): Promise<readonly Decimal[]> {
      const totals = new Array<Decimal>(deltas.length);
      const sorted = [...deltas.entries()].sort(([, a], [, b]) => (lockOrder(a) < lockOrder(b) ? -1 : 1));
      for (const table of TABLES) {
        const own = sorted.filter(([, { meter }]) => isScoped(meter) === (table === SCOPED));
        if (own.length > 0) for (const [n, total] of await addTo(tx, table, own)) totals[n] = total;
      }
      return totals;
    },

    /** The totals of these windows, in their order. */
    async totalsOf(tx: Transaction, windows: readonly Omit<TotalDelta, "delta">[]): Promise<readonly Decimal[]> {
      const totals = new Array<Decimal>(windows.length).fill(ZERO);
      for (const table of TABLES) {
        const own = [...windows.entries()].filter(([, { meter }]) => isScoped(meter) === (table === SCOPED));
        if (own.length > 0) for (const [n, total] of await totalsIn(tx, table, own)) totals[n] = total;
      }
      return totals;
    },

    unplannedTotals,

    /** Stores the combinations of usage that are new. */
    addCombinations: combinations.add,

    /** Advances tenants' positions; returns the previous ones (0: none). */
    async movePositions(
      tx: Transaction,
      partition: number,
      seqs: ReadonlyMap<string, number>,
    ): Promise<ReadonlyMap<string, number>> {
      const tenantIds = [...seqs.keys()];
      const before = await positionsOfTenants(tx, tenantIds);
      await tx.query({
        name: "move-positions",
        text: `INSERT INTO tenant_position (tenant_id, partition, seq)
         SELECT t, $2, s FROM unnest($1::text[], $3::bigint[]) AS moved (t, s)
         ON CONFLICT (tenant_id) DO UPDATE SET partition = excluded.partition, seq = excluded.seq`,
        values: [tenantIds, partition, tenantIds.map((id) => seqs.get(id))],
      });
      return new Map(tenantIds.map((id) => [id, before.get(id) ?? 0]));
    },

    /** What the days of these windows sum up to, in their order. */
    async sumsOfDays(tx: Transaction, windows: readonly SumOfDays[]): Promise<readonly Decimal[]> {
      const sums = new Array<Decimal>(windows.length);
      for (const table of TABLES) {
        const own = [...windows.entries()].filter(([, { meter }]) => isScoped(meter) === (table === SCOPED));
        if (own.length > 0) for (const [n, sum] of await sumsIn(tx, table, own)) sums[n] = sum;
      }
      return sums;
    },

    async backfills(q: Pick<Transaction, "query">, partition: number) {
      const { rows } = await q.query<{ readonly meter: string; readonly seq: number }>(
        "SELECT meter, seq FROM meter_backfill WHERE partition = $1 ORDER BY seq",
        [partition],
      );
      return rows;
    },

    async insertBackfill(tx: Transaction, partition: number, meter: string, seq: number): Promise<void> {
      await tx.query("INSERT INTO meter_backfill (partition, meter, seq) VALUES ($1, $2, $3)", [partition, meter, seq]);
    },

    /** Emits alerts that were never emitted, in order; returns their number. */
    async emitAlerts(tx: Transaction, alerts: readonly QuotaAlert[]): Promise<number> {
      if (alerts.length === 0) return 0;
      const { rows } = await tx.query<{ tenant_id: string; id: string }>(
        `INSERT INTO emitted_alert (tenant_id, id) SELECT * FROM unnest($1::text[], $2::text[])
         ON CONFLICT DO NOTHING RETURNING tenant_id, id`,
        [alerts.map((alert) => alert.subject), alerts.map((alert) => alert.id)],
      );
      const fresh = new Set(rows.map((row) => `${row.tenant_id} ${row.id}`));
      const emitted = alerts.filter((alert) => fresh.delete(`${alert.subject} ${alert.id}`));
      await enqueueOutbox(
        tx,
        emitted.map((alert) => ({
          topic: QUOTA_ALERTS,
          partition: partitionOf(alert.subject),
          key: alert.subject,
          value: JSON.stringify(alert),
        })),
      );
      return emitted.length;
    },

    /** The ids of those alerts that were emitted. */
    async emittedOf(
      tx: Transaction,
      alerts: readonly { readonly tenantId: string; readonly id: string }[],
    ): Promise<readonly string[]> {
      const { rows } = await tx.query<{ id: string }>(
        `SELECT id FROM emitted_alert JOIN unnest($1::text[], $2::text[]) AS asked (tenant_id, id) USING (tenant_id, id)`,
        [alerts.map(({ tenantId }) => tenantId), alerts.map(({ id }) => id)],
      );
      return rows.map(({ id }) => id);
    },

    /** Last settled ledger position of each tenant of a partition that has one. */
    async positionsOf(partition: number): Promise<ReadonlyMap<string, number>> {
      const { rows } = await answered(
        database.pool.query<{ tenant_id: string; seq: number }>(
          "SELECT tenant_id, seq FROM tenant_position WHERE partition = $1",
          [partition],
        ),
      );
      return new Map(rows.map((row) => [row.tenant_id, row.seq]));
    },
  };
}

/** A table of totals, and its column for what is counted. */
interface TotalsTable {
  readonly name: string;
  readonly counted: string;
}
const SCOPED: TotalsTable = { name: "scoped_total", counted: "series" };
const TABLES: readonly TotalsTable[] = [{ name: "usage_total", counted: "meter" }, SCOPED];

type Numbered<T> = readonly (readonly [number, T])[];

async function addTo(tx: Transaction, { name, counted }: TotalsTable, sorted: Numbered<TotalDelta>) {
  const { rows } = await tx.query<{ n: number; total: string }>({
    name: `add-to-${name}`,
    text: `WITH delta AS (
       SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::numeric[])
         AS d (n, tenant_id, ${counted}, grain, bucket_start, total)
     ), added AS (
       INSERT INTO ${name} (tenant_id, ${counted}, grain, bucket_start, total)
       SELECT tenant_id, ${counted}, grain, bucket_start, total FROM delta
       ON CONFLICT (tenant_id, ${counted}, grain, bucket_start) DO UPDATE SET total = ${name}.total + excluded.total
       RETURNING *
     )
     SELECT delta.n, added.total::text AS total
     FROM delta JOIN added USING (tenant_id, ${counted}, grain, bucket_start)`,
    values: [
      sorted.map(([n]) => n),
      sorted.map(([, d]) => d.tenantId),
      sorted.map(([, d]) => d.meter),
      sorted.map(([, d]) => d.grain),
      sorted.map(([, d]) => new Date(d.bucketStart)),
      sorted.map(([, d]) => formatDecimal(d.delta)),
    ],
  });
  return rows.map(({ n, total }) => [n, new Decimal(total)] as const);
}

async function sumsIn(tx: Transaction, { name, counted }: TotalsTable, windows: Numbered<SumOfDays>) {
  const { rows } = await tx.query<{ n: number; total: string }>(
    `SELECT w.n, (SELECT COALESCE(sum(t.total), 0) FROM ${name} t
              WHERE t.tenant_id = w.tenant_id AND t.${counted} = w.counted AND t.grain = 'CALENDAR_DAY'
                AND t.bucket_start >= w.since AND t.bucket_start < w.until)::text AS total
     FROM unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
       AS w (n, tenant_id, counted, since, until)`,
    [
      windows.map(([n]) => n),
      windows.map(([, { tenantId }]) => tenantId),
      windows.map(([, { meter }]) => meter),
      windows.map(([, { bucketStart }]) => new Date(bucketStart)),
      windows.map(([, { end }]) => new Date(end)),
    ],
  );
  return rows.map(({ n, total }) => [n, new Decimal(total)] as const);
}

async function totalsIn(tx: Transaction, { name, counted }: TotalsTable, windows: Numbered<Omit<TotalDelta, "delta">>) {
  const { rows } = await tx.query<{ n: number; total: string }>(
    `SELECT w.n, t.total::text AS total
     FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
       AS w (n, tenant_id, ${counted}, grain, bucket_start)
     JOIN ${name} t USING (tenant_id, ${counted}, grain, bucket_start)`,
    [
      windows.map(([n]) => n),
      windows.map(([, { tenantId }]) => tenantId),
      windows.map(([, { meter }]) => meter),
      windows.map(([, { grain }]) => grain),
      windows.map(([, { bucketStart }]) => new Date(bucketStart)),
    ],
  );
  return rows.map(({ n, total }) => [n, new Decimal(total)] as const);
}

/** Every writer uses one row order, so that two partitions cannot deadlock. */
const lockOrder = (d: TotalDelta): string => `${d.tenantId} ${d.meter} ${d.grain} ${d.bucketStart}`;
