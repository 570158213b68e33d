import { Decimal } from "#kernel/decimal.js";
import type { Transaction } from "#platform/database/database.js";
import type { CreditGrantEntry, CreditVoidEntry } from "#schema/events/usage-recorded.v1.js";
import type { CreditGrant, PeriodDraws } from "#schema/rating/draw-down.js";
import type { AssignedPlan } from "#schema/tenancy-history.js";
import { groupByQuery, type Queryable } from "./usage.js";

/** Per tenant of a partition with a grant: the start of the first period that has not begun. */
export async function creditTenants(q: Queryable, partition: number): Promise<Map<string, number>> {
  const { rows } = await q.query<{ id: string; until: number }>(
    'SELECT tenant_id AS id, opened_until AS "until" FROM credit_tenant WHERE partition = $1',
    [partition],
  );
  return new Map(rows.map(({ id, until }) => [id, until]));
}

/** The same of some tenants. */
export async function openedUntilOf(q: Queryable, tenantIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await q.query<{ id: string; until: number }>(
    'SELECT tenant_id AS id, opened_until AS "until" FROM credit_tenant WHERE tenant_id = ANY ($1)',
    [tenantIds],
  );
  return new Map(rows.map(({ id, until }) => [id, until]));
}

export interface PeriodOf {
  readonly tenantId: string;
  readonly start: number;
}

/** What is stored of a period of a tenant with grants. */
export interface StoredCreditPeriod extends PeriodOf {
  readonly plan: AssignedPlan | undefined;
  readonly rated: Decimal;
  readonly draws: PeriodDraws;
}

const keysOf = (periods: readonly PeriodOf[]) => [
  periods.map(({ tenantId }) => tenantId),
  periods.map(({ start }) => start),
];
const PERIODS = "unnest($1::text[], $2::bigint[]) AS w(tenant_id, period_start)";

export async function readCreditPeriods(tx: Transaction, periods: readonly PeriodOf[]): Promise<StoredCreditPeriod[]> {
  if (periods.length === 0) return [];
  const { rows } = await tx.query<{
    tenantId: string;
    start: number;
    planId: string | null;
    planVersion: number | null;
    rated: string;
    uncovered: string;
  }>(
    `SELECT tenant_id AS "tenantId", period_start AS start, plan_id AS "planId", plan_version AS "planVersion",
            rated::text, uncovered::text FROM credit_period JOIN ${PERIODS} USING (tenant_id, period_start)`,
    keysOf(periods),
  );
  const held = await tx.query<{ tenantId: string; start: number; grantId: string; amount: string }>(
    `SELECT tenant_id AS "tenantId", period_start AS start, grant_id AS "grantId", amount::text
       FROM credit_held JOIN ${PERIODS} USING (tenant_id, period_start) ORDER BY 1, 2, place`,
    keysOf(periods),
  );
  const heldOf = new Map<string, PeriodDraws["held"]>();
  for (const { tenantId, start, grantId, amount } of held.rows) {
    const key = `${tenantId} ${start}`;
    const list = heldOf.get(key) ?? [];
    list.push({ grantId, amount: new Decimal(amount) });
    heldOf.set(key, list);
  }
  return rows.map(({ tenantId, start, planId, planVersion, rated, uncovered }) => ({
    ...{ tenantId, start, rated: new Decimal(rated) },
    plan: planId === null || planVersion === null ? undefined : { planId, planVersion },
    draws: { uncovered: new Decimal(uncovered), held: heldOf.get(`${tenantId} ${start}`) ?? [] },
  }));
}

/** The watermarks of those of these periods that have ended. */
export async function endsOfPeriods(
  tx: Transaction,
  periods: readonly PeriodOf[],
): Promise<(PeriodOf & { readonly watermark: number; readonly version: number })[]> {
  if (periods.length === 0) return [];
  const { rows } = await tx.query<PeriodOf & { watermark: number; version: number }>(
    `SELECT p.tenant_id AS "tenantId", p.start_at AS start, p.watermark, p.tenancy_version AS version
       FROM billing_period p JOIN ${PERIODS} ON w.tenant_id = p.tenant_id AND w.period_start = p.start_at`,
    keysOf(periods),
  );
  return rows;
}

interface GrantRow {
  readonly tenantId: string;
  readonly id: string;
  readonly seq: number;
  readonly amount: string;
  readonly priority: number;
  readonly expiresAt: number | null;
  readonly drawn: string;
  readonly isVoided: boolean;
}

/**
 * Of each tenant, the grants that usage from a time on may draw from, those that its periods here hold something of, and those with some
 * ids.
 */
export async function readGrants(
  tx: Transaction,
  tenants: readonly { readonly tenantId: string; readonly from: number }[],
  periods: readonly PeriodOf[],
  named: readonly { readonly tenantId: string; readonly grantId: string }[],
): Promise<(CreditGrant & { readonly tenantId: string })[]> {
  if (tenants.length === 0) return [];
  const columns = `g.tenant_id AS "tenantId", g.grant_id AS id, g.seq, g.amount::text AS amount, g.priority,
    g.expires_at AS "expiresAt", g.drawn::text AS drawn, g.void_seq IS NOT NULL AS "isVoided"`;
  const { rows } = await tx.query<GrantRow>(
    `SELECT ${columns} FROM credit_grant g JOIN unnest($1::text[], $2::bigint[]) AS t(tenant_id, from_at) USING (tenant_id)
      WHERE g.drawn < g.amount AND g.void_seq IS NULL AND (g.expires_at IS NULL OR g.expires_at > t.from_at)
     UNION SELECT ${columns} FROM credit_grant g JOIN credit_held USING (tenant_id, grant_id)
             JOIN unnest($3::text[], $4::bigint[]) AS w(tenant_id, period_start) USING (tenant_id, period_start)
     UNION SELECT ${columns} FROM credit_grant g JOIN unnest($5::text[], $6::text[]) AS n(tenant_id, grant_id)
             USING (tenant_id, grant_id)`,
    [
      tenants.map(({ tenantId }) => tenantId),
      tenants.map(({ from }) => from),
      ...keysOf(periods),
      named.map(({ tenantId }) => tenantId),
      named.map(({ grantId }) => grantId),
    ],
  );
  return rows.map(({ amount, drawn, ...row }) => ({ ...row, amount: new Decimal(amount), drawn: new Decimal(drawn) }));
}

/** What a fold has changed. */
export interface CreditChanges {
  readonly partition: number;
  readonly tenants: readonly { readonly tenantId: string; readonly openedUntil: number }[];
  readonly granted: readonly CreditGrantEntry[];
  readonly voided: readonly CreditVoidEntry[];
  readonly drawn: readonly { readonly tenantId: string; readonly grantId: string; readonly drawn: Decimal }[];
  readonly periods: readonly StoredCreditPeriod[];
  readonly draws: readonly DrawRow[];
}

export interface DrawRow extends PeriodOf {
  readonly grantId: string;
  readonly openPeriod: number;
  readonly recordedHour: number;
  readonly amount: Decimal;
}

export async function saveCredits(tx: Transaction, changes: CreditChanges): Promise<void> {
  await saveTenants(tx, changes);
  await saveGrants(tx, changes.granted);
  await saveVoids(tx, changes.voided);
  await saveDrawn(tx, changes.drawn);
  await savePeriods(tx, changes.periods);
  await saveDraws(tx, changes.draws);
}

async function saveTenants(tx: Transaction, { partition, tenants }: CreditChanges): Promise<void> {
  if (tenants.length === 0) return;
  await tx.query(
    `INSERT INTO credit_tenant (tenant_id, partition, opened_until)
     SELECT t, $3, u FROM unnest($1::text[], $2::bigint[]) AS c(t, u)
     ON CONFLICT (tenant_id) DO UPDATE SET opened_until = excluded.opened_until`,
    [tenants.map(({ tenantId }) => tenantId), tenants.map(({ openedUntil }) => openedUntil), partition],
  );
}

async function saveGrants(tx: Transaction, granted: readonly CreditGrantEntry[]): Promise<void> {
  if (granted.length === 0) return;
  await tx.query(
    `INSERT INTO credit_grant
       (tenant_id, grant_id, seq, amount, currency, priority, expires_at, granted_at, recorded_at, reason, actor, drawn)
     SELECT c.*, 0 FROM unnest($1::text[], $2::text[], $3::bigint[], $4::numeric[], $5::text[], $6::int[], $7::bigint[],
                               $8::bigint[], $9::bigint[], $10::text[], $11::text[]) AS c`,
    [
      granted.map((g) => g.tenantId),
      granted.map((g) => g.grantId),
      granted.map((g) => g.seq),
      granted.map((g) => g.amount),
      granted.map((g) => g.currency),
      granted.map((g) => g.priority),
      granted.map((g) => g.expiresAt),
      granted.map((g) => g.at),
      granted.map((g) => g.recordedAt),
      granted.map((g) => g.reason),
      granted.map((g) => g.actor),
    ],
  );
}

async function saveVoids(tx: Transaction, voided: readonly CreditVoidEntry[]): Promise<void> {
  if (voided.length === 0) return;
  await tx.query(
    `UPDATE credit_grant g SET void_seq = v.seq, voided_at = v.at, void_recorded_at = v.recorded_at, void_reason = v.reason,
            void_actor = v.actor
       FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
              AS v(tenant_id, grant_id, seq, at, recorded_at, reason, actor)
      WHERE g.tenant_id = v.tenant_id AND g.grant_id = v.grant_id`,
    [
      voided.map((v) => v.tenantId),
      voided.map((v) => v.grantId),
      voided.map((v) => v.seq),
      voided.map((v) => v.at),
      voided.map((v) => v.recordedAt),
      voided.map((v) => v.reason),
      voided.map((v) => v.actor),
    ],
  );
}

async function saveDrawn(tx: Transaction, drawn: CreditChanges["drawn"]): Promise<void> {
  if (drawn.length === 0) return;
  await tx.query(
    `UPDATE credit_grant g SET drawn = d.drawn FROM unnest($1::text[], $2::text[], $3::numeric[]) AS d(tenant_id, grant_id, drawn)
      WHERE g.tenant_id = d.tenant_id AND g.grant_id = d.grant_id`,
    [drawn.map((d) => d.tenantId), drawn.map((d) => d.grantId), drawn.map((d) => d.drawn.toFixed())],
  );
}

async function savePeriods(tx: Transaction, periods: readonly StoredCreditPeriod[]): Promise<void> {
  if (periods.length === 0) return;
  await tx.query(
    `INSERT INTO credit_period (tenant_id, period_start, plan_id, plan_version, rated, uncovered)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::numeric[], $6::numeric[])
     ON CONFLICT (tenant_id, period_start) DO UPDATE SET plan_id = excluded.plan_id, plan_version = excluded.plan_version,
       rated = excluded.rated, uncovered = excluded.uncovered`,
    [
      ...keysOf(periods),
      periods.map(({ plan }) => plan?.planId ?? null),
      periods.map(({ plan }) => plan?.planVersion ?? null),
      periods.map(({ rated }) => rated.toFixed()),
      periods.map(({ draws }) => draws.uncovered.toFixed()),
    ],
  );
  await tx.query(
    `DELETE FROM credit_held h USING ${PERIODS} WHERE h.tenant_id = w.tenant_id AND h.period_start = w.period_start`,
    [...keysOf(periods)],
  );
  const held = periods.flatMap(({ tenantId, start, draws }) =>
    draws.held.map((one, place) => ({ tenantId, start, place, ...one })),
  );
  if (held.length === 0) return;
  await tx.query(
    `INSERT INTO credit_held (tenant_id, period_start, grant_id, place, amount)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::numeric[])`,
    [...keysOf(held), held.map((h) => h.grantId), held.map((h) => h.place), held.map((h) => h.amount.toFixed())],
  );
}

async function saveDraws(tx: Transaction, draws: readonly DrawRow[]): Promise<void> {
  if (draws.length === 0) return;
  await tx.query(
    `INSERT INTO credit_draw AS d (tenant_id, period_start, grant_id, open_period, recorded_hour, amount)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::numeric[])
     ON CONFLICT (tenant_id, period_start, grant_id, open_period, recorded_hour) DO UPDATE SET amount = d.amount + excluded.amount`,
    [
      ...keysOf(draws),
      draws.map((d) => d.grantId),
      draws.map((d) => d.openPeriod),
      draws.map((d) => d.recordedHour),
      draws.map((d) => d.amount.toFixed()),
    ],
  );
}

/** A query for what a period draws, as of the watermark of the period that starts at `openThrough`, or a later moment. */
export interface DrawnQuery extends PeriodOf {
  readonly openThrough: number;
}

/** What each period draws from each grant that it ever drew from, in the order of the grants. */
export async function readDrawn(
  q: Queryable,
  queries: readonly DrawnQuery[],
): Promise<{ readonly grantId: string; readonly amount: Decimal }[][]> {
  if (queries.length === 0) return [];
  const { rows } = await q.query<{ n: number; grantId: string; amount: string }>(
    `SELECT w.n, d.grant_id AS "grantId", sum(d.amount)::text AS amount
       FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w(tenant_id, period_start, open_through, n)
       JOIN credit_draw d ON d.tenant_id = w.tenant_id AND d.period_start = w.period_start AND d.open_period <= w.open_through
       JOIN credit_grant g ON g.tenant_id = d.tenant_id AND g.grant_id = d.grant_id
      GROUP BY w.n, d.grant_id, g.seq ORDER BY w.n, g.seq`,
    [...keysOf(queries), queries.map(({ openThrough }) => openThrough)],
  );
  return groupByQuery(rows, queries.length, ({ grantId, amount }) => ({ grantId, amount: new Decimal(amount) }));
}
