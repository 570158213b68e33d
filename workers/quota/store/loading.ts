import { Decimal } from "#kernel/decimal.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { SLIDING_WINDOWS } from "#schema/vocabulary.js";
import type { LostBound } from "../counters/counters.js";
import { amountOf } from "../rules/amount.js";
import type { StoredTotal, TotalsOfTenant } from "../rules/period-totals.js";
import { isScoped, seriesOf } from "../rules/scopes.js";
import { type ClaimedSeries, isClaimed } from "../rules/usage-reading.js";
import { MAX_BILLING_PERIOD_MS, REBUILT_FROM, reachMs } from "../rules/windows.js";
import { unplannedTotals } from "./unplanned.js";
import { answered } from "./unreachable.js";

/** Reads for building counters, for many tenants at once: after a loss all need them. */

export interface TenantFacts extends TotalsOfTenant {
  /** The ledger position up to which `totals` and `claimed` are complete; 0: no usage yet. */
  readonly seq: number;
  /** Bounds that have not ended, of every epoch: all are lost to counters that are built anew. */
  readonly lost: readonly LostBound[];
  /** The wanted series of combinations that usage was recorded of in the billing period. */
  readonly recorded: ReadonlySet<string>;
  /** How many combinations of each wanted scope were. */
  readonly combinations: ReadonlyMap<string, number>;
}

export interface FactsOf {
  readonly tenantId: string;
  /** By the counters' clock, which decides what still counts, or the tenant's. */
  readonly now: number;
  readonly periodStart: number;
  /** From when on days of the calendar are wanted; absent: none are. */
  readonly calendarSince?: number;
  /** What of the tenant's meters is wanted besides: series of scopes, of all or of single combinations. */
  readonly series: readonly string[];
  /** What is claimed as a whole in the billing period. */
  readonly claims: readonly ClaimedSeries[];
  /** Every series, instead of those. */
  readonly isOfEverySeries?: boolean;
  /** Keys of scopes whose combinations are counted. */
  readonly scopes: readonly string[];
  /** Only that, for counters that are loaded but for these. */
  readonly isExtension?: boolean;
}

interface FoundFacts extends TenantFacts {
  readonly totals: Map<string, StoredTotal[]>;
  readonly claimed: Map<string, StoredTotal[]>;
  readonly lost: LostBound[];
  readonly recorded: Set<string>;
  readonly combinations: Map<string, number>;
}

/** The database's state for these tenants' counters, as of one moment. */
export function readFacts(database: Database, wanted: readonly FactsOf[]): Promise<ReadonlyMap<string, TenantFacts>> {
  const tenantIds = wanted.map(({ tenantId }) => tenantId);
  return answered(
    database.transaction(async (tx) => {
      await tx.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
      const positions = await positionsOfTenants(tx, tenantIds);
      const facts = new Map(
        tenantIds.map((id): [string, FoundFacts] => [
          id,
          {
            seq: positions.get(id) ?? 0,
            totals: new Map(),
            claimed: new Map(),
            lost: [],
            recorded: new Set(),
            combinations: new Map(),
          },
        ]),
      );
      const whole = wanted.filter(({ isExtension }) => isExtension !== true);
      if (whole.length > 0) {
        addTotals(facts, await totalsOf(tx, whole));
        for (const { tenant_id, id, bound, expires_at } of await boundsOf(tx, whole))
          facts.get(tenant_id)?.lost.push({ id, bound: amountOf(new Decimal(bound)), until: expires_at.getTime() });
      }
      const some = wanted.filter(({ series, isOfEverySeries }) => series.length > 0 && isOfEverySeries !== true);
      if (some.length > 0) {
        addTotals(facts, await scopedTotalsOf(tx, some));
        for (const { tenant_id, series } of await recordedOf(tx, some)) facts.get(tenant_id)?.recorded.add(series);
      }
      await addClaimed(tx, facts, wanted);
      const every = wanted.filter(({ isOfEverySeries }) => isOfEverySeries === true);
      if (every.length > 0) addTotals(facts, await everyScopedTotalOf(tx, every));
      if (wanted.some(({ scopes }) => scopes.length > 0))
        for (const { tenant_id, scope, combinations } of await countsOf(tx, wanted))
          facts.get(tenant_id)?.combinations.set(scope, Number(combinations));
      return facts;
    }),
  );
}

async function addClaimed(
  tx: Transaction,
  facts: ReadonlyMap<string, FoundFacts>,
  wanted: readonly FactsOf[],
): Promise<void> {
  const meters = wanted.flatMap(({ tenantId, periodStart, claims }) =>
    [...new Set(claims.map(({ meter }) => meter))].map((meter) => ({ tenantId, meter, since: periodStart })),
  );
  if (meters.length === 0) return;
  const claimsOf = new Map(wanted.map(({ tenantId, claims }) => [tenantId, claims]));
  for (const { tenantId, meter, dimensions, bucketStart, total } of await unplannedTotals(tx, meters)) {
    const own = claimsOf.get(tenantId)?.filter((claim) => claim.meter === meter && isClaimed(claim, dimensions)) ?? [];
    for (const { scope } of own)
      addTotal(facts.get(tenantId)?.claimed, seriesOf(meter, scope), { grain: "BILLING_PERIOD", bucketStart, total });
  }
}

interface TotalRow {
  readonly tenant_id: string;
  readonly meter: string;
  readonly grain: string;
  readonly bucket_start: Date;
  readonly total: string;
}

function addTotals(facts: ReadonlyMap<string, FoundFacts>, rows: readonly TotalRow[]): void {
  for (const { tenant_id, meter, grain, bucket_start, total } of rows) {
    const stored = { grain, bucketStart: bucket_start.getTime(), total: new Decimal(total) };
    addTotal(facts.get(tenant_id)?.totals, meter, stored);
  }
}

function addTotal(totals: Map<string, StoredTotal[]> | undefined, series: string, stored: StoredTotal): void {
  const ofSeries = totals?.get(series);
  if (ofSeries === undefined) totals?.set(series, [stored]);
  else ofSeries.push(stored);
}

async function everyScopedTotalOf(tx: Transaction, wanted: readonly FactsOf[]): Promise<readonly TotalRow[]> {
  const found = await tx.query<TotalRow>(
    `SELECT t.tenant_id, t.series AS meter, t.grain, t.bucket_start, t.total::text AS total
     FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS w (tenant_id, grain, since)
     JOIN scoped_total t ON t.tenant_id = w.tenant_id AND t.grain = w.grain AND t.bucket_start >= w.since`,
    sinceOf(wanted),
  );
  return found.rows;
}

/** Of the wanted series, what `totalsOf` reads of meters. */
async function scopedTotalsOf(tx: Transaction, wanted: readonly FactsOf[]): Promise<readonly TotalRow[]> {
  const rows = wanted.flatMap((one) =>
    one.series.flatMap((series) => grainsSince(one).map(([grain, since]) => ({ ...one, series, grain, since }))),
  );
  const found = await tx.query<TotalRow>(
    `SELECT t.tenant_id, t.series AS meter, t.grain, t.bucket_start, t.total::text AS total
     FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS w (tenant_id, series, grain, since)
     JOIN scoped_total t ON t.tenant_id = w.tenant_id AND t.series = w.series AND t.grain = w.grain
       AND t.bucket_start >= w.since`,
    [
      rows.map(({ tenantId }) => tenantId),
      rows.map(({ series }) => series),
      rows.map(({ grain }) => grain),
      rows.map(({ since }) => new Date(since)),
    ],
  );
  return found.rows;
}

async function recordedOf(tx: Transaction, wanted: readonly FactsOf[]) {
  const rows = wanted.flatMap(({ tenantId, series, periodStart }) =>
    series.flatMap((one) => {
      const end = one.lastIndexOf("|");
      const scope = one.slice(0, end);
      return isScoped(scope) ? [{ tenantId, scope, periodStart, id: one.slice(end + 1) }] : [];
    }),
  );
  const found = await tx.query<{ readonly tenant_id: string; readonly series: string }>(
    `SELECT c.tenant_id, c.scope || '|' || c.id AS series
     FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) AS w (tenant_id, scope, period_start, id)
     JOIN combination c USING (tenant_id, scope, period_start, id)`,
    [
      rows.map(({ tenantId }) => tenantId),
      rows.map(({ scope }) => scope),
      rows.map(({ periodStart }) => new Date(periodStart)),
      rows.map(({ id }) => id),
    ],
  );
  return found.rows;
}

async function countsOf(tx: Transaction, wanted: readonly FactsOf[]) {
  const rows = wanted.flatMap(({ tenantId, periodStart, scopes }) =>
    scopes.map((scope) => ({ tenantId, periodStart, scope })),
  );
  const found = await tx.query<{ readonly tenant_id: string; readonly scope: string; readonly combinations: number }>(
    `SELECT c.tenant_id, c.scope, c.combinations
     FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS w (tenant_id, scope, period_start)
     JOIN combination_count c USING (tenant_id, scope, period_start)`,
    [
      rows.map(({ tenantId }) => tenantId),
      rows.map(({ scope }) => scope),
      rows.map(({ periodStart }) => new Date(periodStart)),
    ],
  );
  return found.rows;
}

async function totalsOf(tx: Transaction, wanted: readonly FactsOf[]): Promise<readonly TotalRow[]> {
  const { rows } = await tx.query<TotalRow>(
    `SELECT t.tenant_id, t.meter, t.grain, t.bucket_start, t.total::text AS total
     FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS w (tenant_id, grain, since)
     JOIN usage_total t ON t.tenant_id = w.tenant_id AND t.grain = w.grain AND t.bucket_start >= w.since`,
    sinceOf(wanted),
  );
  return rows;
}

/** Columns of tenant, grain and the earliest relevant bucket start: one row each, also where two windows share a grain. */
function sinceOf(wanted: readonly FactsOf[]): [string[], string[], Date[]] {
  const rows = wanted.flatMap((one) =>
    grainsSince(one).map(([grain, since]) => ({ tenantId: one.tenantId, grain, since: new Date(since) })),
  );
  return [rows.map((row) => row.tenantId), rows.map((row) => row.grain), rows.map((row) => row.since)];
}

function grainsSince({ now, periodStart, calendarSince }: FactsOf): readonly (readonly [string, number])[] {
  const earliest = new Map<string, number>([["BILLING_PERIOD", periodStart - MAX_BILLING_PERIOD_MS]]);
  if (calendarSince !== undefined) earliest.set("CALENDAR_DAY", calendarSince);
  for (const window of SLIDING_WINDOWS) {
    const grain = REBUILT_FROM[window];
    const since = now - reachMs(window);
    earliest.set(grain, Math.min(since, earliest.get(grain) ?? since));
  }
  return [...earliest];
}

async function boundsOf(tx: Transaction, wanted: readonly FactsOf[]) {
  const { rows } = await tx.query<{
    readonly tenant_id: string;
    readonly id: string;
    readonly bound: string;
    readonly expires_at: Date;
  }>(
    `SELECT b.tenant_id, b.id, b.bound::text AS bound, b.expires_at
     FROM unnest($1::text[], $2::timestamptz[]) AS w (tenant_id, now)
     JOIN granted_bound b ON b.tenant_id = w.tenant_id AND b.expires_at > w.now AND b.bound > 0`,
    [wanted.map(({ tenantId }) => tenantId), wanted.map(({ now }) => new Date(now))],
  );
  return rows;
}

/** Last settled ledger position of each tenant that has one. */
export async function positionsOfTenants(
  from: Pick<Transaction, "query">,
  tenantIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await answered(
    from.query<{ tenant_id: string; seq: number }>(
      "SELECT tenant_id, seq FROM tenant_position WHERE tenant_id = ANY ($1)",
      [tenantIds],
    ),
  );
  return new Map(rows.map((row) => [row.tenant_id, row.seq]));
}

/** Records that counters are built under these epochs, by tenant; returns the tenants that had counters before. */
export function enterEpochs(database: Database, epochs: ReadonlyMap<string, string>): Promise<ReadonlySet<string>> {
  const tenantIds = [...epochs.keys()].sort();
  return answered(
    database.transaction(async (tx) => {
      // One at a time per tenant, in one order: of two loads, one must see the other.
      await tx.query(
        "SELECT pg_advisory_xact_lock(h) FROM (SELECT hashtextextended(t, 0) AS h FROM unnest($1::text[]) AS t ORDER BY 1) AS hashes",
        [tenantIds],
      );
      const { rows } = await tx.query<{ readonly tenant_id: string }>(
        "SELECT tenant_id FROM tenant_epoch WHERE tenant_id = ANY ($1)",
        [tenantIds],
      );
      await tx.query(
        `INSERT INTO tenant_epoch (tenant_id, epoch) SELECT * FROM unnest($1::text[], $2::text[])
         ON CONFLICT (tenant_id) DO UPDATE SET epoch = excluded.epoch`,
        [tenantIds, tenantIds.map((id) => epochs.get(id))],
      );
      return new Set(rows.map((row) => row.tenant_id));
    }),
  );
}
