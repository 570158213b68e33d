import { rowsOf } from "#platform/database/cursor.js";
import type { Sessions, Transaction } from "#platform/database/database.js";

/** A part of billing's derived data, as rows with a canonical text. */
export interface Content {
  readonly name: string;
  /** Whether live rows may be replaced: never those published to a customer. */
  readonly isReplaceable: boolean;
  /** Rows of `key` and `content`, in the order of `key`; $1: the tenant, or null. */
  readonly sql: string;
  /** Keys that may be missing in the live tables, because their close is pending there; $1 as above. */
  readonly mayBeMissing?: string;
}

export interface Comparison {
  readonly name: string;
  readonly rows: number;
  /** The first difference; undefined: identical, byte for byte. */
  readonly difference?: { readonly key: string; readonly live: string | null; readonly rebuilt: string | null };
}

const OF_TENANT = "($1::text IS NULL OR tenant_id = $1)";
const CLOSING = `SELECT concat_ws(' ', tenant_id, start_at) AS key FROM billing_period WHERE status = 'CLOSING' AND ${OF_TENANT}`;

/** Batch boundaries and wall-clock stamps are not content. */
export const COMPARED: readonly Content[] = [
  {
    name: "usage",
    isReplaceable: true,
    // Between two watermarks deltas may be merged or not: their sums are compared. Deltas of before there were times do not tell the
    // last event of an hour with voids; rebuilt ones do.
    sql: `SELECT concat_ws(' ', tenant_id, meter, hour, dimensions, value, recorded_hour, segment) AS key,
                 concat_ws(' ', trim_scale(sum(quantity)), sum(event_count), max(last_event_at),
                   CASE WHEN bool_or(lacks_times) THEN 'times missing' END) AS content
            FROM (SELECT d.*, (SELECT count(*) FROM billing_period p WHERE p.tenant_id = d.tenant_id AND p.watermark < d.seq)
                         AS segment,
                         d.event_count > 1 AND d.times IS NULL
                           AND EXISTS (SELECT FROM usage_delta v
                                        WHERE v.tenant_id = d.tenant_id AND v.hour = d.hour AND v.event_count < 0)
                           AND NOT EXISTS (SELECT FROM usage_merged_times t
                                            WHERE (t.tenant_id, t.seq, t.id) = (d.tenant_id, d.seq, d.id)) AS lacks_times
                    FROM usage_delta d WHERE ${OF_TENANT}) AS delta
           GROUP BY tenant_id, meter, hour, dimensions, value, recorded_hour, segment`,
  },
  {
    name: "counts of events",
    isReplaceable: true,
    sql: `SELECT concat_ws(' ', tenant_id, hour) AS key, concat_ws(' ', counted, unmetered) AS content
            FROM usage_count WHERE ${OF_TENANT}`,
  },
  {
    name: "unmetered types",
    isReplaceable: true,
    sql: `SELECT concat_ws(' ', tenant_id, event_type) AS key, concat_ws(' ', event_count, last_at) AS content
            FROM unmetered_type WHERE ${OF_TENANT}`,
  },
  {
    name: "grants of credits",
    isReplaceable: true,
    sql: `SELECT concat_ws(' ', tenant_id, grant_id) AS key,
                 concat_ws(' ', seq, trim_scale(amount), currency, priority, coalesce(expires_at::text, 'never'), granted_at, recorded_at,
                   reason, actor, trim_scale(drawn), void_seq, voided_at, void_recorded_at, void_reason, void_actor,
                   (SELECT concat('begins ', opened_until) FROM credit_tenant t WHERE t.tenant_id = g.tenant_id)) AS content
            FROM credit_grant g WHERE ${OF_TENANT}`,
  },
  {
    name: "draws of credits",
    isReplaceable: true,
    sql: `SELECT concat_ws(' ', tenant_id, period_start, grant_id, open_period, recorded_hour) AS key, trim_scale(amount)::text AS content
            FROM credit_draw WHERE ${OF_TENANT} AND amount <> 0`,
  },
  {
    name: "usage that credits pay",
    isReplaceable: true,
    sql: `SELECT concat_ws(' ', tenant_id, period_start) AS key,
                 concat_ws(' ', plan_id, plan_version, trim_scale(rated), trim_scale(uncovered),
                   (SELECT string_agg(concat_ws('=', grant_id, trim_scale(amount)), ',' ORDER BY place) FROM credit_held h
                     WHERE h.tenant_id = p.tenant_id AND h.period_start = p.period_start)) AS content
            FROM credit_period p WHERE ${OF_TENANT}`,
  },
  {
    name: "quantities that credits pay",
    isReplaceable: true,
    sql: `SELECT concat_ws(' ', tenant_id, period_start, price, value) AS key, concat_ws(' ', trim_scale(quantity), trim_scale(amount), events)
                   AS content
            FROM (SELECT tenant_id, period_start, price, NULL AS value, quantity, amount, NULL AS events FROM credit_price
                   UNION ALL
                  SELECT tenant_id, period_start, price, value, NULL, rank, events FROM credit_value) c
           WHERE ${OF_TENANT}`,
  },
  {
    name: "periods",
    isReplaceable: false,
    sql: `SELECT concat_ws(' ', tenant_id, start_at) AS key,
                 concat_ws(' ', end_at, watermark, tenancy_version, plan_id, plan_version, invoice_version) AS content
            FROM billing_period WHERE ${OF_TENANT}`,
  },
  {
    name: "invoices",
    isReplaceable: false,
    sql: `SELECT concat_ws(' ', tenant_id, period_start) AS key, concat_ws(' ', ordinal, sha256, document) AS content
            FROM invoice WHERE ${OF_TENANT}`,
    mayBeMissing: CLOSING,
  },
];

interface Row {
  readonly key: string;
  readonly content: string;
}

/** Reads both in step, a thousand rows at a time, in constant memory. */
export async function firstDifference(
  live: Transaction,
  rebuilt: Transaction,
  { name, sql, mayBeMissing }: Content,
  tenantId: string | undefined,
): Promise<Comparison> {
  const scope = tenantId ?? null;
  const excused = new Set(
    mayBeMissing === undefined
      ? []
      : (await live.query<{ key: string }>(mayBeMissing, [scope])).rows.map(({ key }) => key),
  );
  const [one, other] = [contentOf(live, sql, scope), contentOf(rebuilt, sql, scope)];
  let [a, b] = [await one.next(), await other.next()];
  for (let rows = 0; ; rows += 1) {
    const [left, right] = [a.done ? undefined : a.value, b.done ? undefined : b.value];
    if (left === undefined && right === undefined) return { name, rows };
    if (left?.key === right?.key && left?.content === right?.content) {
      [a, b] = [await one.next(), await other.next()];
      continue;
    }
    if (right !== undefined && excused.has(right.key) && left?.key !== right.key) {
      b = await other.next();
      continue;
    }
    const key = left === undefined || (right !== undefined && isBefore(right.key, left.key)) ? right?.key : left.key;
    await Promise.all([one.return(undefined), other.return(undefined)]);
    const textOf = (row: Row | undefined) => (row?.key === key ? row?.content : undefined) ?? null;
    return { name, rows, difference: { key: key ?? "", live: textOf(left), rebuilt: textOf(right) } };
  }
}

/** In byte order, like `COLLATE "C"`. */
const isBefore = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

const contentOf = (tx: Transaction, sql: string, scope: string | null): AsyncGenerator<Row, undefined> =>
  rowsOf<Row>(tx, `SELECT * FROM (${sql}) AS c ORDER BY key COLLATE "C"`, [scope]);

/** Replaces live usage by the schema's. The caller holds the marks. */
export async function replaceUsage(tx: Transaction, schema: string, tenantId: string | undefined): Promise<void> {
  const columns = {
    usage_delta:
      "tenant_id, seq, meter, hour, dimensions, value, quantity, event_count, last_event_at, recorded_hour, times",
    usage_count: "tenant_id, hour, counted, unmetered",
    unmetered_type: "tenant_id, event_type, event_count, last_at",
    credit_tenant: "tenant_id, partition, opened_until",
    credit_grant: `tenant_id, grant_id, seq, amount, currency, priority, expires_at, granted_at, recorded_at, reason, actor, drawn, void_seq,
      voided_at, void_recorded_at, void_reason, void_actor`,
    credit_period: "tenant_id, period_start, plan_id, plan_version, rated, uncovered",
    credit_held: "tenant_id, period_start, grant_id, place, amount",
    credit_draw: "tenant_id, period_start, grant_id, open_period, recorded_hour, amount",
    credit_price: "tenant_id, period_start, price, quantity, amount",
    credit_value: "tenant_id, period_start, price, value, events, rank",
  };
  // The rebuilt deltas are not merged.
  await tx.query(`DELETE FROM usage_merged_times WHERE ${OF_TENANT}`, [tenantId ?? null]);
  for (const [table, names] of Object.entries(columns)) {
    await tx.query(`DELETE FROM ${table} WHERE ${OF_TENANT}`, [tenantId ?? null]);
    await tx.query(`INSERT INTO ${table} (${names}) SELECT ${names} FROM ${schema}.${table} WHERE ${OF_TENANT}`, [
      tenantId ?? null,
    ]);
  }
}

export async function dropSchema({ pool }: Sessions, schema: string): Promise<void> {
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
}
