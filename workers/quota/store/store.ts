import { Decimal, formatDecimal } from "#kernel/decimal.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { enqueueOutbox } from "#platform/outbox/outbox.js";
import { QUOTA_ALERTS } from "#schema/topics.js";
import type { SavedCounters } from "../counters/counters.js";
import type { QuotaAlert } from "../rules/thresholds.js";
import type { Grain } from "../rules/windows.js";
import { positionsOfTenants } from "./loading.js";

export interface TotalDelta {
  readonly tenantId: string;
  readonly meter: string;
  readonly grain: Grain;
  readonly bucketStart: number;
  readonly delta: Decimal;
}

export interface RaisedBound {
  readonly meter: string | null;
  readonly window: string;
  readonly bucketStart: number;
  readonly bound: Decimal;
  readonly expiresAt: number;
}

export type QuotaStore = ReturnType<typeof createQuotaStore>;

const UNREACHABLE_CODES = /^(?:ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|08|57P|53300)/;
const UNREACHABLE_MESSAGES = /timeout exceeded when trying to connect|Connection terminated/;

/** Whether an error of this store means that the database is unreachable, rather than a bug. */
export function isDatabaseUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return UNREACHABLE_CODES.test(code) || UNREACHABLE_MESSAGES.test(error.message);
}

/** Quota's database, known only to `store/`. */
export function createQuotaStore(database: Database, partitionOf: (tenantId: string) => number) {
  return {
    /** Adds usage and returns the new totals, in the order of `deltas`. */
    async addUsage(tx: Transaction, deltas: readonly TotalDelta[]): Promise<readonly Decimal[]> {
      const sorted = [...deltas.entries()].sort(([, a], [, b]) => (lockOrder(a) < lockOrder(b) ? -1 : 1));
      const { rows } = await tx.query<{ n: number; total: string }>(
        `WITH delta AS (
           SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::numeric[])
             AS d (n, tenant_id, meter, grain, bucket_start, total)
         ), added AS (
           INSERT INTO usage_total (tenant_id, meter, grain, bucket_start, total)
           SELECT tenant_id, meter, grain, bucket_start, total FROM delta
           ON CONFLICT (tenant_id, meter, grain, bucket_start) DO UPDATE SET total = usage_total.total + excluded.total
           RETURNING *
         )
         SELECT delta.n, added.total::text AS total
         FROM delta JOIN added USING (tenant_id, meter, grain, bucket_start)`,
        [
          sorted.map(([n]) => n),
          sorted.map(([, d]) => d.tenantId),
          sorted.map(([, d]) => d.meter),
          sorted.map(([, d]) => d.grain),
          sorted.map(([, d]) => new Date(d.bucketStart)),
          sorted.map(([, d]) => formatDecimal(d.delta)),
        ],
      );
      const totals = new Array<Decimal>(deltas.length);
      for (const { n, total } of rows) totals[n] = new Decimal(total);
      return totals;
    },

    /** Advances tenants' positions; returns the previous ones (0: none). */
    async movePositions(
      tx: Transaction,
      partition: number,
      seqs: ReadonlyMap<string, number>,
    ): Promise<ReadonlyMap<string, number>> {
      const tenantIds = [...seqs.keys()];
      const before = await positionsOfTenants(tx, tenantIds);
      await tx.query(
        `INSERT INTO tenant_position (tenant_id, partition, seq)
         SELECT t, $2, s FROM unnest($1::text[], $3::bigint[]) AS moved (t, s)
         ON CONFLICT (tenant_id) DO UPDATE SET partition = excluded.partition, seq = excluded.seq`,
        [tenantIds, partition, tenantIds.map((id) => seqs.get(id))],
      );
      return new Map(tenantIds.map((id) => [id, before.get(id) ?? 0]));
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

    async positionsOf(partition: number): Promise<ReadonlyMap<string, number>> {
      const { rows } = await database.pool.query<{ tenant_id: string; seq: number }>(
        "SELECT tenant_id, seq FROM tenant_position WHERE partition = $1",
        [partition],
      );
      return new Map(rows.map((row) => [row.tenant_id, row.seq]));
    },

    /** Raises bounds durably; returns the resulting ones, in the same order. */
    async raiseBounds(tenantId: string, bounds: readonly RaisedBound[]): Promise<readonly RaisedBound[]> {
      const { rows } = await database.pool.query<{
        meter: string;
        quota_window: string;
        bucket_start: Date;
        bound: string;
        expires_at: Date;
      }>(
        `INSERT INTO granted_bound AS held (tenant_id, meter, quota_window, bucket_start, bound, expires_at)
         SELECT $1, m, w, s, b, e
         FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::numeric[], $6::timestamptz[]) AS r (m, w, s, b, e)
         ON CONFLICT (tenant_id, meter, quota_window, bucket_start)
         DO UPDATE SET bound = GREATEST(held.bound, excluded.bound), expires_at = GREATEST(held.expires_at, excluded.expires_at)
         RETURNING meter, quota_window, bucket_start, bound::text AS bound, expires_at`,
        [
          tenantId,
          bounds.map((one) => one.meter ?? ""),
          bounds.map((one) => one.window),
          bounds.map((one) => new Date(one.bucketStart)),
          bounds.map((one) => formatDecimal(one.bound)),
          bounds.map((one) => new Date(one.expiresAt)),
        ],
      );
      return rows.map((row) => ({
        meter: row.meter === "" ? null : row.meter,
        window: row.quota_window,
        bucketStart: row.bucket_start.getTime(),
        bound: new Decimal(row.bound),
        expiresAt: row.expires_at.getTime(),
      }));
    },

    /** Saves counters that die with the process; replaces these tenants' earlier saves. */
    async saveCounters({ incarnation, tenants }: SavedCounters): Promise<void> {
      if (tenants.size === 0) return;
      await database.pool.query(
        `INSERT INTO saved_counters (tenant_id, incarnation, state)
         SELECT t, $1, s FROM unnest($2::text[], $3::jsonb[]) AS saved (t, s)
         ON CONFLICT (tenant_id) DO UPDATE SET incarnation = excluded.incarnation, state = excluded.state`,
        [incarnation, [...tenants.keys()], [...tenants.values()].map((state) => JSON.stringify(state))],
      );
    },
  };
}

/** Every writer uses one row order, so that two partitions cannot deadlock. */
const lockOrder = (d: TotalDelta): string => `${d.tenantId} ${d.meter} ${d.grain} ${d.bucketStart}`;
