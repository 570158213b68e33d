import type { Period } from "#kernel/period.js";
import type { Transaction } from "#platform/database/database.js";
import type { AssignedPlan } from "#schema/tenancy-history.js";
import type { BillingPeriodStatus, InvoiceVersion } from "#schema/vocabulary.js";
import type { Closing } from "../rules/calendar.js";
import { groupByQuery, type Queryable } from "./usage.js";

type EndedStatus = Extract<BillingPeriodStatus, "CLOSING" | "CLOSED">;

/** A period with a watermark. */
export interface EndedPeriod {
  readonly tenantId: string;
  readonly period: Period;
  readonly partition: number;
  readonly status: EndedStatus;
  readonly watermark: number;
  readonly tenancyVersion: number;
  readonly plan: AssignedPlan | undefined;
  readonly invoiceVersion: InvoiceVersion;
  readonly closedAt: number | null;
  readonly invoiceOrdinal: number | null;
}

interface PeriodRow extends Omit<EndedPeriod, "period" | "plan"> {
  readonly start_at: number;
  readonly end_at: number;
  readonly plan_id: string | null;
  readonly plan_version: number | null;
}

const COLUMNS = `p.tenant_id AS "tenantId", p.start_at, p.end_at, p.partition, p.status, p.watermark,
  p.tenancy_version AS "tenancyVersion", p.plan_id, p.plan_version, p.invoice_version AS "invoiceVersion",
  p.closed_at AS "closedAt", p.invoice_ordinal AS "invoiceOrdinal"`;

export async function insertClosings(
  tx: Transaction,
  partition: number,
  closings: readonly Closing[],
  nowMs: number,
): Promise<void> {
  if (closings.length === 0) return;
  await tx.query(
    `INSERT INTO billing_period (tenant_id, start_at, end_at, partition, status, watermark, tenancy_version, plan_id,
                                 plan_version, invoice_version, closing_since)
     SELECT t, s, e, $9, 'CLOSING', w, v, pi, pv, iv, $10
       FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::int[], $8::int[])
              AS c(t, s, e, w, v, pi, pv, iv)`,
    [
      closings.map((c) => c.tenantId),
      closings.map((c) => c.period.start),
      closings.map((c) => c.period.end),
      closings.map((c) => c.watermark),
      closings.map((c) => c.tenancyVersion),
      closings.map((c) => c.plan?.planId ?? null),
      closings.map((c) => c.plan?.planVersion ?? null),
      closings.map((c) => c.invoiceVersion),
      partition,
      nowMs,
    ],
  );
}

/** End of the last period with a watermark, per tenant of a partition. */
export async function lastEnds(q: Queryable, partition: number): Promise<ReadonlyMap<string, number>> {
  const { rows } = await q.query<{ tenant_id: string; end_at: number }>(
    "SELECT tenant_id, max(end_at) AS end_at FROM billing_period WHERE partition = $1 GROUP BY tenant_id",
    [partition],
  );
  return new Map(rows.map((row) => [row.tenant_id, row.end_at]));
}

/** The ends of some tenants' periods, in order of time. */
export async function endsOf(
  q: Queryable,
  tenantIds: readonly string[],
): Promise<{ tenantId: string; end: number; watermark: number }[]> {
  const { rows } = await q.query<{ tenantId: string; end: number; watermark: number }>(
    `SELECT tenant_id AS "tenantId", end_at AS "end", watermark FROM billing_period
      WHERE tenant_id = ANY ($1) ORDER BY tenant_id, end_at`,
    [tenantIds],
  );
  return rows;
}

/** Locks a tenant's earliest pending period. Undefined: none, or another worker is closing it. */
export async function lockEarliestClosing(tx: Transaction, tenantId: string): Promise<EndedPeriod | undefined> {
  const { rows } = await tx.query<PeriodRow>(
    `SELECT ${COLUMNS} FROM billing_period p WHERE p.tenant_id = $1 AND p.status = 'CLOSING'
        AND p.start_at = (SELECT min(start_at) FROM billing_period WHERE tenant_id = $1 AND status = 'CLOSING')
      FOR UPDATE SKIP LOCKED`,
    [tenantId],
  );
  return rows[0] && fromRow(rows[0]);
}

/** The version of tenancy that a tenant's earliest pending period needs; undefined: none is pending. */
export async function closingVersion(q: Queryable, tenantId: string): Promise<number | undefined> {
  const { rows } = await q.query<{ version: number }>(
    `SELECT tenancy_version AS version FROM billing_period WHERE tenant_id = $1 AND status = 'CLOSING'
      ORDER BY start_at LIMIT 1`,
    [tenantId],
  );
  return rows[0]?.version;
}

/** Entries with a `seq` in (afterSeq, toSeq] that belong to periods before `start`. */
export interface LateQuery {
  readonly tenantId: string;
  readonly start: number;
  readonly afterSeq: number;
  readonly toSeq: number;
}

/** Per query: the invoiced periods with late usage, oldest first. */
export async function latePeriods(q: Queryable, queries: readonly LateQuery[]): Promise<EndedPeriod[][]> {
  if (queries.length === 0) return [];
  const { rows } = await q.query<PeriodRow & { n: number }>(
    `WITH late AS (
       SELECT DISTINCT w.n, w.tenant_id, w.start_at, d.hour
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
                WITH ORDINALITY AS w(tenant_id, start_at, after_seq, to_seq, n)
         JOIN usage_delta d ON d.tenant_id = w.tenant_id AND d.seq > w.after_seq AND d.seq <= w.to_seq
          AND d.hour < w.start_at
     )
     SELECT DISTINCT late.n, ${COLUMNS} FROM late
       JOIN billing_period p ON p.tenant_id = late.tenant_id AND p.start_at < late.start_at
        AND late.hour >= p.start_at AND late.hour < p.end_at
      WHERE p.invoice_ordinal IS NOT NULL AND p.plan_id IS NOT NULL
      ORDER BY late.n, p.start_at`,
    [
      queries.map((w) => w.tenantId),
      queries.map((w) => w.start),
      queries.map((w) => w.afterSeq),
      queries.map((w) => w.toSeq),
    ],
  );
  return groupByQuery(rows, queries.length, ({ n: _, ...row }) => fromRow(row));
}

export async function markClosed(
  tx: Transaction,
  period: EndedPeriod,
  invoiceOrdinal: number | null,
  closedAt: number,
): Promise<void> {
  const { rowCount } = await tx.query(
    `UPDATE billing_period SET status = 'CLOSED', closed_at = $3, invoice_ordinal = $4
      WHERE tenant_id = $1 AND start_at = $2 AND status = 'CLOSING'`,
    [period.tenantId, period.period.start, closedAt, invoiceOrdinal],
  );
  if (rowCount !== 1) throw new Error(`the period of ${period.tenantId} was closed under its own lock`);
}

/** Pending closes: the queue may lose jobs, this table does not. */
export async function waitingCloses(
  q: Queryable,
  limit: number,
): Promise<{ tenantId: string; start: number; since: number }[]> {
  const { rows } = await q.query<{ tenantId: string; start: number; since: number }>(
    `SELECT tenant_id AS "tenantId", start_at AS start, closing_since AS since FROM billing_period
      WHERE status = 'CLOSING' ORDER BY closing_since LIMIT $1`,
    [limit],
  );
  return rows;
}

export interface PeriodPage {
  readonly tenantId: string;
  /** Only periods that start before this one. */
  readonly before: number;
  readonly take: number;
}

/** Pages of ended periods, newest first, in one statement. */
export async function listEnded(q: Queryable, pages: readonly PeriodPage[]): Promise<EndedPeriod[][]> {
  const { rows } = await q.query<PeriodRow & { n: number }>(
    `SELECT w.n, p.* FROM unnest($1::text[], $2::bigint[], $3::int[]) WITH ORDINALITY AS w(tenant_id, before, take, n)
      CROSS JOIN LATERAL (SELECT ${COLUMNS} FROM billing_period p
        WHERE p.tenant_id = w.tenant_id AND p.start_at < w.before ORDER BY p.start_at DESC LIMIT w.take) p
      ORDER BY w.n, p.start_at DESC`,
    [pages.map((page) => page.tenantId), pages.map((page) => page.before), pages.map((page) => page.take)],
  );
  return groupByQuery(rows, pages.length, ({ n: _, ...row }) => fromRow(row));
}

export interface PeriodKey {
  readonly tenantId: string;
  readonly start: number;
}

export async function periodsByKey(q: Queryable, keys: readonly PeriodKey[]): Promise<EndedPeriod[]> {
  const { rows } = await q.query<PeriodRow>(
    `SELECT ${COLUMNS} FROM billing_period p
       JOIN unnest($1::text[], $2::bigint[]) AS w(tenant_id, start_at) USING (tenant_id, start_at)`,
    [keys.map((key) => key.tenantId), keys.map((key) => key.start)],
  );
  return rows.map(fromRow);
}

function fromRow({ start_at: start, end_at: end, plan_id: planId, plan_version: planVersion, ...row }: PeriodRow) {
  const plan = planId === null || planVersion === null ? undefined : { planId, planVersion };
  return { ...row, period: { start, end }, plan };
}
