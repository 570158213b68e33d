import { Decimal, formatDecimal } from "#kernel/decimal.js";
import type { Database, Transaction } from "#platform/database.js";
import { enqueueOutbox } from "#platform/outbox.js";
import { prismaAdapter } from "#platform/prisma.js";
import type { SavedCounters } from "#platform/quota-counters.js";
import { PrismaClient } from "#prisma/quota/generated/client.js";
import { QUOTA_ALERTS } from "#schema/topics.js";
import type { CounterKey } from "./rules/limits.js";
import type { QuotaAlert } from "./rules/thresholds.js";
import { GRAIN_MS, type Grain, REBUILT_FROM, SLIDING, SLIDING_WINDOWS, type SlidingWindow } from "./rules/windows.js";

export interface UsageDelta {
  readonly tenantId: string;
  readonly meter: string;
  readonly grain: Grain;
  readonly bucketStart: number;
  readonly delta: Decimal;
}

export interface TenantFacts {
  /** The ledger position that `totals` are complete up to; 0: no usage yet. */
  readonly seq: number;
  readonly totals: readonly { meter: string; grain: string; bucketStart: number; total: Decimal }[];
  readonly bounds: readonly { meter: string; window: string; bucketStart: number; bound: Decimal; expiresAt: number }[];
}

export interface Opening {
  readonly key: CounterKey;
  readonly blockedUntil: number;
}

/** Says how a counter that is loaded stands: under which incarnation it was last, if ever. */
export type JudgeOpening = (
  key: CounterKey,
  last: { readonly incarnation: string; readonly blockedUntil: number } | undefined,
) => number;

export interface RaisedBound {
  readonly meter: string | null;
  readonly window: string;
  readonly bucketStart: number;
  readonly bound: Decimal;
  readonly expiresAt: number;
}

export type QuotaStore = ReturnType<typeof createQuotaStore>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MAX_BILLING_PERIOD_MS = 31 * DAY_MS;

const UNREACHABLE_CODES = /^(?:ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|08|57P|53300|P1001|P1002|P1008|P1017|P2024|P2037)/;
const UNREACHABLE_MESSAGES = /timeout exceeded when trying to connect|Connection terminated/;

/** Whether an error of this store means that the database does not answer now, rather than a bug. */
export function isDatabaseUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return UNREACHABLE_CODES.test(code) || UNREACHABLE_MESSAGES.test(error.message);
}

/** How far back a bucket may begin and still be inside a sliding window. */
const reachMs = (window: SlidingWindow): number =>
  SLIDING[window].windowMs + SLIDING[window].bucketMs + GRAIN_MS[REBUILT_FROM[window]];

/** The only file that knows quota's database. */
export function createQuotaStore(database: Database, partitionOf: (tenantId: string) => number) {
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });

  return {
    /** Adds usage and answers the totals after it, in the order of `deltas`. */
    async addUsage(tx: Transaction, deltas: readonly UsageDelta[]): Promise<readonly Decimal[]> {
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

    /** Moves tenants' positions; answers where they were (0: nowhere). */
    async movePositions(
      tx: Transaction,
      partition: number,
      seqs: ReadonlyMap<string, number>,
    ): Promise<ReadonlyMap<string, number>> {
      const tenantIds = [...seqs.keys()];
      const before = await tx.query<{ tenant_id: string; seq: number }>(
        "SELECT tenant_id, seq FROM tenant_position WHERE tenant_id = ANY($1)",
        [tenantIds],
      );
      await tx.query(
        `INSERT INTO tenant_position (tenant_id, partition, seq)
         SELECT t, $2, s FROM unnest($1::text[], $3::bigint[]) AS moved (t, s)
         ON CONFLICT (tenant_id) DO UPDATE SET partition = excluded.partition, seq = excluded.seq`,
        [tenantIds, partition, tenantIds.map((id) => seqs.get(id))],
      );
      const found = new Map(before.rows.map((row) => [row.tenant_id, row.seq]));
      return new Map(tenantIds.map((id) => [id, found.get(id) ?? 0]));
    },

    /** Emits the alerts that were never emitted, in their order; answers how many. */
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

    /** What the counters of a tenant are built from, as of one moment. */
    async tenantFacts(tenantId: string, now: number, periodStart: number): Promise<TenantFacts> {
      const [position, totals, bounds] = await prisma.$transaction(
        [
          prisma.tenantPosition.findUnique({ where: { tenantId } }),
          prisma.usageTotal.findMany({
            where: {
              tenantId,
              OR: [
                { grain: "BILLING_PERIOD", bucketStart: { gte: new Date(periodStart - MAX_BILLING_PERIOD_MS) } },
                ...SLIDING_WINDOWS.map((window) => ({
                  grain: REBUILT_FROM[window],
                  bucketStart: { gte: new Date(now - reachMs(window)) },
                })),
              ],
            },
          }),
          prisma.grantedBound.findMany({
            where: {
              tenantId,
              OR: [
                { window: "BILLING_PERIOD", bucketStart: { gte: new Date(periodStart) } },
                ...SLIDING_WINDOWS.map((window) => ({
                  window,
                  bucketStart: { gte: new Date(now - reachMs(window)) },
                })),
              ],
            },
          }),
        ],
        { isolationLevel: "RepeatableRead" },
      );
      return {
        seq: Number(position?.seq ?? 0n),
        totals: totals.map(({ meter, grain, bucketStart, total }) => ({
          meter,
          grain,
          bucketStart: bucketStart.getTime(),
          total: new Decimal(total.toFixed()),
        })),
        bounds: bounds.map(({ meter, window, bucketStart, bound, expiresAt }) => ({
          meter,
          window,
          bucketStart: bucketStart.getTime(),
          bound: new Decimal(bound.toFixed()),
          expiresAt: expiresAt.getTime(),
        })),
      };
    },

    async position(tenantId: string): Promise<number> {
      return Number((await prisma.tenantPosition.findUnique({ where: { tenantId } }))?.seq ?? 0n);
    },

    async positionsOf(partition: number): Promise<ReadonlyMap<string, number>> {
      const rows = await prisma.tenantPosition.findMany({ where: { partition } });
      return new Map(rows.map((row) => [row.tenantId, Number(row.seq)]));
    },

    /** Notes that counters are loaded under `incarnation` before they are; `judge` says until when each is blocked. */
    openCounters(
      tenantId: string,
      incarnation: string,
      keys: readonly CounterKey[],
      judge: JudgeOpening,
    ): Promise<readonly Opening[]> {
      return database.transaction(async (tx) => {
        // One at a time per tenant: two that load at once must not both call the counters fresh.
        await tx.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [tenantId]);
        const { rows } = await tx.query<OpeningRow>(
          "SELECT meter, quota_window, scale, incarnation, blocked_until FROM counter_opening WHERE tenant_id = $1",
          [tenantId],
        );
        const openings = keys.map((key) => ({ key, blockedUntil: judge(key, lastOpening(rows, key)) }));
        await tx.query(
          `INSERT INTO counter_opening (tenant_id, meter, quota_window, scale, incarnation, blocked_until)
           SELECT $1, m, w, s, $2, b FROM unnest($3::text[], $4::text[], $5::int[], $6::timestamptz[]) AS o (m, w, s, b)
           ON CONFLICT (tenant_id, meter, quota_window, scale)
           DO UPDATE SET incarnation = excluded.incarnation, blocked_until = excluded.blocked_until`,
          [
            tenantId,
            incarnation,
            keys.map((key) => key.meter ?? ""),
            keys.map((key) => key.window),
            keys.map((key) => key.scale),
            openings.map((opening) => new Date(opening.blockedUntil)),
          ],
        );
        return openings;
      });
    },

    /** Raises bounds durably; answers what they are then, in the same order. */
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

    /** Keeps counters that die with the process; replaces what was kept of these tenants. */
    async saveCounters({ incarnation, tenants }: SavedCounters): Promise<void> {
      if (tenants.size === 0) return;
      await database.pool.query(
        `INSERT INTO saved_counters (tenant_id, incarnation, state)
         SELECT t, $1, s FROM unnest($2::text[], $3::jsonb[]) AS saved (t, s)
         ON CONFLICT (tenant_id) DO UPDATE SET incarnation = excluded.incarnation, state = excluded.state`,
        [incarnation, [...tenants.keys()], [...tenants.values()].map((state) => JSON.stringify(state))],
      );
    },

    /** Takes what an orderly stop kept of a tenant: it is good for one start only. */
    async takeSavedCounters(
      tenantId: string,
    ): Promise<{ readonly incarnation: string; readonly state: unknown } | undefined> {
      const { rows } = await database.pool.query<{ incarnation: string; state: unknown }>(
        "DELETE FROM saved_counters WHERE tenant_id = $1 RETURNING incarnation, state",
        [tenantId],
      );
      return rows[0];
    },

    /** Forgets what no window reaches any more. Periods' totals and emitted alerts stay. */
    async prune(now: number): Promise<void> {
      const before = (ms: number): Date => new Date(now - ms);
      await database.pool.query(
        `DELETE FROM usage_total WHERE grain <> 'BILLING_PERIOD'
         AND (bucket_start < $1::timestamptz OR (grain IN ('SECOND', 'MINUTE') AND bucket_start < $2::timestamptz))`,
        [before(3 * DAY_MS), before(3 * HOUR_MS)],
      );
      await database.pool.query(
        `DELETE FROM granted_bound WHERE bucket_start < $1::timestamptz
         AND (quota_window <> 'BILLING_PERIOD' OR bucket_start < $2::timestamptz)`,
        [before(3 * DAY_MS), before(3 * DAY_MS + MAX_BILLING_PERIOD_MS)],
      );
    },

    stop: () => prisma.$disconnect(),
  };
}

interface OpeningRow {
  readonly meter: string;
  readonly quota_window: string;
  readonly scale: number;
  readonly incarnation: string;
  readonly blocked_until: Date;
}

/** The counter's own last opening, or one of the same meter and window at another scale, which it takes over from. */
function lastOpening(rows: readonly OpeningRow[], { meter, window, scale }: CounterKey) {
  const same = rows.filter((row) => row.meter === (meter ?? "") && row.quota_window === window);
  const own = same.find((row) => row.scale === scale);
  if (own !== undefined) return { incarnation: own.incarnation, blockedUntil: own.blocked_until.getTime() };
  const other = same[0];
  // At another scale nothing was carried over: as good as lost.
  return other === undefined
    ? undefined
    : { incarnation: "another scale", blockedUntil: other.blocked_until.getTime() };
}

/** Rows are written in one order by everyone, so that two partitions can't wait for each other. */
const lockOrder = (d: UsageDelta): string => `${d.tenantId} ${d.meter} ${d.grain} ${d.bucketStart}`;
