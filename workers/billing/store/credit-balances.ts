import { Decimal } from "#kernel/decimal.js";
import { groupByQuery, type Queryable, UNBOUNDED } from "./usage.js";

/** A query for a tenant's credits as recorded before a moment (an hour's start, or `UNBOUNDED`), at a moment of its own clock. */
export interface BalanceQuery {
  readonly tenantId: string;
  readonly recordedBefore: number;
  readonly at: number;
}

/** Sums over a tenant's grants: `granted` is the sum of the others and what is available. */
export interface Balance {
  readonly granted: Decimal;
  readonly drawn: Decimal;
  readonly expired: Decimal;
  readonly voided: Decimal;
}

/** A grant as known then. */
export interface StoredGrant {
  readonly tenantId: string;
  readonly id: string;
  readonly seq: number;
  readonly amount: Decimal;
  readonly currency: string;
  readonly priority: number;
  readonly expiresAt: number | null;
  readonly grantedAt: number;
  readonly reason: string;
  readonly actor: string;
  readonly drawn: Decimal;
  readonly isVoided: boolean;
}

const DRAWN = `CASE WHEN w.recorded_before = ${UNBOUNDED} THEN g.drawn
  ELSE coalesce((SELECT sum(d.amount) FROM credit_draw d WHERE d.tenant_id = g.tenant_id AND d.grant_id = g.grant_id
                  AND d.recorded_hour < w.recorded_before), 0) END`;
const IS_VOIDED = "(g.void_seq IS NOT NULL AND g.void_recorded_at < w.recorded_before)";

export async function readBalances(q: Queryable, queries: readonly BalanceQuery[]): Promise<Balance[]> {
  const { rows } = await q.query<Readonly<Record<keyof Balance, string>>>(
    `SELECT coalesce(sum(amount), 0)::text AS granted, coalesce(sum(drawn), 0)::text AS drawn,
            coalesce(sum(amount - drawn) FILTER (WHERE is_expired AND NOT is_voided), 0)::text AS expired,
            coalesce(sum(amount - drawn) FILTER (WHERE is_voided), 0)::text AS voided
       FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w(tenant_id, recorded_before, at, n)
       LEFT JOIN LATERAL (SELECT g.amount, ${DRAWN} AS drawn, ${IS_VOIDED} AS is_voided, coalesce(g.expires_at <= w.at, false) AS is_expired
         FROM credit_grant g WHERE g.tenant_id = w.tenant_id AND g.recorded_at < w.recorded_before) known ON true
      GROUP BY w.n ORDER BY w.n`,
    [queries.map((w) => w.tenantId), queries.map((w) => w.recordedBefore), queries.map((w) => w.at)],
  );
  return rows.map(({ granted, drawn, expired, voided }) => ({
    granted: new Decimal(granted),
    drawn: new Decimal(drawn),
    expired: new Decimal(expired),
    voided: new Decimal(voided),
  }));
}

export interface GrantPage extends Pick<BalanceQuery, "tenantId" | "recordedBefore"> {
  /** Only grants with a smaller `seq`. */
  readonly before: number;
  readonly take: number;
}

interface GrantRow extends Omit<StoredGrant, "amount" | "drawn"> {
  readonly amount: string;
  readonly drawn: string;
}

const COLUMNS = `g.tenant_id AS "tenantId", g.grant_id AS id, g.seq, g.amount::text AS amount, g.currency, g.priority,
  g.expires_at AS "expiresAt", g.granted_at AS "grantedAt", g.reason, g.actor`;
const fromRow = ({ amount, drawn, ...row }: GrantRow): StoredGrant => ({
  ...row,
  amount: new Decimal(amount),
  drawn: new Decimal(drawn),
});

/** Pages of grants, newest first, in one statement. */
export async function listGrants(q: Queryable, pages: readonly GrantPage[]): Promise<StoredGrant[][]> {
  const { rows } = await q.query<GrantRow & { n: number }>(
    `SELECT w.n, known.* FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[])
            WITH ORDINALITY AS w(tenant_id, recorded_before, before, take, n)
      CROSS JOIN LATERAL (SELECT ${COLUMNS}, (${DRAWN})::text AS drawn, ${IS_VOIDED} AS "isVoided" FROM credit_grant g
        WHERE g.tenant_id = w.tenant_id AND g.recorded_at < w.recorded_before AND g.seq < w.before
        ORDER BY g.seq DESC LIMIT w.take) known
      ORDER BY w.n, known.seq DESC`,
    [
      pages.map((page) => page.tenantId),
      pages.map((page) => page.recordedBefore),
      pages.map((page) => page.before),
      pages.map((page) => page.take),
    ],
  );
  return groupByQuery(rows, pages.length, ({ n: _, ...row }) => fromRow(row));
}

/** A grant as known now. */
export async function grantById(q: Queryable, tenantId: string, grantId: string): Promise<StoredGrant | undefined> {
  const { rows } = await q.query<GrantRow>(
    `SELECT ${COLUMNS}, g.drawn::text AS drawn, g.void_seq IS NOT NULL AS "isVoided" FROM credit_grant g
      WHERE g.tenant_id = $1 AND g.grant_id = $2`,
    [tenantId, grantId],
  );
  return rows[0] && fromRow(rows[0]);
}

/** How many grants of a tenant have something left at a moment of its clock. */
export async function openGrants(q: Queryable, tenantId: string, at: number): Promise<number> {
  const { rows } = await q.query<{ count: number }>(
    `SELECT count(*) AS count FROM credit_grant
      WHERE tenant_id = $1 AND drawn < amount AND void_seq IS NULL AND (expires_at IS NULL OR expires_at > $2)`,
    [tenantId, at],
  );
  return rows[0]?.count ?? 0;
}
