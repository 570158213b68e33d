import { Decimal } from "#kernel/decimal.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { SLIDING_WINDOWS } from "#schema/vocabulary.js";
import type { CounterKey } from "../rules/limits.js";
import { MAX_BILLING_PERIOD_MS, REBUILT_FROM, reachMs } from "../rules/windows.js";

/** Reads for building counters, for many tenants at once: after a loss all need them. */

export interface TenantFacts {
  /** The ledger position up to which `totals` are complete; 0: no usage yet. */
  readonly seq: number;
  readonly totals: readonly { meter: string; grain: string; bucketStart: number; total: Decimal }[];
  readonly bounds: readonly { meter: string; window: string; bucketStart: number; bound: Decimal; expiresAt: number }[];
}

export interface FactsOf {
  readonly tenantId: string;
  readonly now: number;
  readonly periodStart: number;
}

/** The database's state for these tenants' counters, as of one moment. */
export function readFacts(database: Database, wanted: readonly FactsOf[]): Promise<ReadonlyMap<string, TenantFacts>> {
  const tenantIds = wanted.map(({ tenantId }) => tenantId);
  return database.transaction(async (tx) => {
    await tx.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    const positions = await positionsOfTenants(tx, tenantIds);
    const facts = new Map(
      tenantIds.map((id) => [
        id,
        { seq: positions.get(id) ?? 0, totals: [] as TotalRow[], bounds: [] as TenantFacts["bounds"][number][] },
      ]),
    );
    const totals = await tx.query<TotalRow & { tenant_id: string; bucket_start: Date; total: string }>(
      `SELECT t.tenant_id, t.meter, t.grain, t.bucket_start, t.total::text AS total
       FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS w (tenant_id, grain, since)
       JOIN usage_total t ON t.tenant_id = w.tenant_id AND t.grain = w.grain AND t.bucket_start >= w.since`,
      sinceOf(wanted, ({ now, periodStart }) => [
        ["BILLING_PERIOD", periodStart - MAX_BILLING_PERIOD_MS],
        ...SLIDING_WINDOWS.map((window) => [REBUILT_FROM[window], now - reachMs(window)] as const),
      ]),
    );
    for (const { tenant_id, meter, grain, bucket_start, total } of totals.rows)
      facts
        .get(tenant_id)
        ?.totals.push({ meter, grain, bucketStart: bucket_start.getTime(), total: new Decimal(total) });
    const bounds = await tx.query<BoundRow>(
      `SELECT b.tenant_id, b.meter, b.quota_window, b.bucket_start, b.bound::text AS bound, b.expires_at
       FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS w (tenant_id, quota_window, since)
       JOIN granted_bound b ON b.tenant_id = w.tenant_id AND b.quota_window = w.quota_window AND b.bucket_start >= w.since`,
      sinceOf(wanted, ({ now, periodStart }) => [
        ["BILLING_PERIOD", periodStart],
        ...SLIDING_WINDOWS.map((window) => [window, now - reachMs(window)] as const),
      ]),
    );
    for (const row of bounds.rows)
      facts.get(row.tenant_id)?.bounds.push({
        meter: row.meter,
        window: row.quota_window,
        bucketStart: row.bucket_start.getTime(),
        bound: new Decimal(row.bound),
        expiresAt: row.expires_at.getTime(),
      });
    return facts;
  });
}

/** Columns of tenant, name and the earliest relevant bucket start: one row each, also where two windows share a grain. */
function sinceOf(
  wanted: readonly FactsOf[],
  of: (one: FactsOf) => readonly (readonly [string, number])[],
): [string[], string[], Date[]] {
  const rows = wanted.flatMap((one) => {
    const earliest = new Map<string, number>();
    for (const [name, since] of of(one)) earliest.set(name, Math.min(since, earliest.get(name) ?? since));
    return [...earliest].map(([name, since]) => ({ tenantId: one.tenantId, name, since: new Date(since) }));
  });
  return [rows.map((row) => row.tenantId), rows.map((row) => row.name), rows.map((row) => row.since)];
}

type TotalRow = TenantFacts["totals"][number];

interface BoundRow {
  readonly tenant_id: string;
  readonly meter: string;
  readonly quota_window: string;
  readonly bucket_start: Date;
  readonly bound: string;
  readonly expires_at: Date;
}

/** Last settled ledger position of each tenant that has one. */
export async function positionsOfTenants(
  from: Pick<Transaction, "query">,
  tenantIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await from.query<{ tenant_id: string; seq: number }>(
    "SELECT tenant_id, seq FROM tenant_position WHERE tenant_id = ANY ($1)",
    [tenantIds],
  );
  return new Map(rows.map((row) => [row.tenant_id, row.seq]));
}

export interface Opening {
  readonly key: CounterKey;
  readonly blockedUntil: number;
}

/** The state of a loaded counter: its last incarnation, if any. */
export type JudgeOpening = (
  key: CounterKey,
  last: { readonly incarnation: string; readonly blockedUntil: number } | undefined,
) => number;

export interface ToOpen {
  readonly tenantId: string;
  readonly incarnation: string;
  readonly keys: readonly CounterKey[];
  readonly judge: JudgeOpening;
}

/** Records the incarnations of counters before they are loaded; `judge` decides until when each is blocked. */
export function openCounters(
  database: Database,
  wanted: readonly ToOpen[],
): Promise<ReadonlyMap<string, readonly Opening[]>> {
  const tenantIds = wanted.map(({ tenantId }) => tenantId);
  return database.transaction(async (tx) => {
    // Sequential per tenant, in one order: concurrent loads must not both consider the counters fresh.
    await tx.query(
      "SELECT pg_advisory_xact_lock(h) FROM (SELECT hashtextextended(t, 0) AS h FROM unnest($1::text[]) AS t ORDER BY 1) AS hashes",
      [tenantIds],
    );
    const { rows } = await tx.query<OpeningRow>(
      "SELECT tenant_id, meter, quota_window, scale, incarnation, blocked_until FROM counter_opening WHERE tenant_id = ANY ($1)",
      [tenantIds],
    );
    const rowsOf = new Map<string, OpeningRow[]>(tenantIds.map((id) => [id, []]));
    for (const row of rows) rowsOf.get(row.tenant_id)?.push(row);
    const openings = new Map(
      wanted.map(({ tenantId, keys, judge }) => [
        tenantId,
        keys.map((key) => ({ key, blockedUntil: judge(key, lastOpening(rowsOf.get(tenantId) ?? [], key)) })),
      ]),
    );
    const opened = wanted.flatMap(({ tenantId, incarnation }) =>
      (openings.get(tenantId) ?? []).map((opening) => ({ tenantId, incarnation, ...opening })),
    );
    await tx.query(
      `INSERT INTO counter_opening (tenant_id, meter, quota_window, scale, incarnation, blocked_until)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::timestamptz[])
       ON CONFLICT (tenant_id, meter, quota_window, scale)
       DO UPDATE SET incarnation = excluded.incarnation, blocked_until = excluded.blocked_until`,
      [
        opened.map(({ tenantId }) => tenantId),
        opened.map(({ key }) => key.meter ?? ""),
        opened.map(({ key }) => key.window),
        opened.map(({ key }) => key.scale),
        opened.map(({ incarnation }) => incarnation),
        opened.map(({ blockedUntil }) => new Date(blockedUntil)),
      ],
    );
    return openings;
  });
}

interface OpeningRow {
  readonly tenant_id: string;
  readonly meter: string;
  readonly quota_window: string;
  readonly scale: number;
  readonly incarnation: string;
  readonly blocked_until: Date;
}

/** The counter's own last opening, or that of the same meter and window at another scale, which it replaces. */
function lastOpening(rows: readonly OpeningRow[], { meter, window, scale }: CounterKey) {
  const same = rows.filter((row) => row.meter === (meter ?? "") && row.quota_window === window);
  const own = same.find((row) => row.scale === scale);
  if (own !== undefined) return { incarnation: own.incarnation, blockedUntil: own.blocked_until.getTime() };
  const other = same[0];
  // At another scale nothing was transferred: counts as lost.
  return other === undefined
    ? undefined
    : { incarnation: "another scale", blockedUntil: other.blocked_until.getTime() };
}

export interface SavedState {
  readonly incarnation: string;
  readonly state: unknown;
}

/** Takes the saved state of an orderly stop: valid for one start only. */
export async function takeSavedCounters(
  database: Database,
  tenantIds: readonly string[],
): Promise<ReadonlyMap<string, SavedState>> {
  const { rows } = await database.pool.query<SavedState & { tenant_id: string }>(
    "DELETE FROM saved_counters WHERE tenant_id = ANY ($1) RETURNING tenant_id, incarnation, state",
    [tenantIds],
  );
  return new Map(rows.map((row) => [row.tenant_id, row]));
}
