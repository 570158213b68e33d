import { Decimal } from "#kernel/decimal.js";
import { rowsOf } from "#platform/database/cursor.js";
import type { Transaction } from "#platform/database/database.js";
import type { KnownUsage, Need, RatedPeriod } from "../rules/rated-period.js";
import type { PeriodOf } from "./credits.js";

export interface NeedsOf extends PeriodOf {
  readonly needs: ReadonlyMap<number, Need>;
  /** Filled with what is stored. */
  readonly known: KnownUsage;
}

/** Reads the prices and values that changes will touch, and the top ones, in three statements for any number of periods. */
export async function readKnownUsage(tx: Transaction, periods: readonly NeedsOf[]): Promise<void> {
  const prices = periods.flatMap(({ tenantId, start, needs, known }) =>
    [...needs].map(([price, need]) => ({ tenantId, start, price, need, known })),
  );
  if (prices.length === 0) return;
  const keys = [prices.map((p) => p.tenantId), prices.map((p) => p.start), prices.map((p) => p.price)];
  const stored = await tx.query<{ n: number; quantity: string; amount: string }>(
    `SELECT w.n, quantity::text, amount::text FROM unnest($1::text[], $2::bigint[], $3::int[])
            WITH ORDINALITY AS w(tenant_id, period_start, price, n) JOIN credit_price USING (tenant_id, period_start, price)`,
    keys,
  );
  for (const { n, quantity, amount } of stored.rows) {
    const of = prices[n - 1];
    of?.known.prices.set(of.price, { quantity: new Decimal(quantity), amount: new Decimal(amount) });
  }
  const values = prices.flatMap((of) => [...of.need.values].map((value) => ({ ...of, value })));
  if (values.length === 0) return;
  const found = await tx.query<{ n: number; events: number }>(
    `SELECT w.n, events FROM unnest($1::text[], $2::bigint[], $3::int[], $4::text[])
            WITH ORDINALITY AS w(tenant_id, period_start, price, value, n) JOIN credit_value USING (tenant_id, period_start, price, value)`,
    [values.map((v) => v.tenantId), values.map((v) => v.start), values.map((v) => v.price), values.map((v) => v.value)],
  );
  for (const { n, events } of found.rows) {
    const of = values[n - 1];
    if (of !== undefined) valuesOf(of.known, of.price).set(of.value, events);
  }
  const ordered = prices.filter(({ need }) => need.tops > 0);
  if (ordered.length === 0) return;
  const tops = await tx.query<{ n: number; value: string; events: number }>(
    `SELECT w.n, v.value, v.events FROM unnest($1::text[], $2::bigint[], $3::int[], $4::int[])
            WITH ORDINALITY AS w(tenant_id, period_start, price, tops, n)
      CROSS JOIN LATERAL (SELECT value, events FROM credit_value v
        WHERE v.tenant_id = w.tenant_id AND v.period_start = w.period_start AND v.price = w.price AND rank IS NOT NULL
        ORDER BY rank DESC LIMIT w.tops) v`,
    [
      ordered.map((o) => o.tenantId),
      ordered.map((o) => o.start),
      ordered.map((o) => o.price),
      ordered.map((o) => o.need.tops),
    ],
  );
  for (const { n, value, events } of tops.rows) {
    const of = ordered[n - 1];
    if (of !== undefined) valuesOf(of.known, of.price).set(value, events);
  }
}

function valuesOf({ values }: KnownUsage, price: number): Map<string, number> {
  const known = values.get(price) ?? new Map<string, number>();
  values.set(price, known);
  return known;
}

export interface UsageOf extends PeriodOf {
  readonly usage: RatedPeriod;
}

/** Stores what has changed of some periods' usage. */
export async function saveUsage(tx: Transaction, periods: readonly UsageOf[]): Promise<void> {
  const prices = periods.flatMap(({ tenantId, start, usage }) =>
    [...usage.changedPrices()].map(([price, { quantity, amount }]) => ({ tenantId, start, price, quantity, amount })),
  );
  if (prices.length > 0)
    await tx.query(
      `INSERT INTO credit_price (tenant_id, period_start, price, quantity, amount)
       SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::numeric[], $5::numeric[])
       ON CONFLICT (tenant_id, period_start, price) DO UPDATE SET quantity = excluded.quantity, amount = excluded.amount`,
      [
        prices.map((p) => p.tenantId),
        prices.map((p) => p.start),
        prices.map((p) => p.price),
        prices.map((p) => p.quantity.toFixed()),
        prices.map((p) => p.amount.toFixed()),
      ],
    );
  const values = periods.flatMap(({ tenantId, start, usage }) =>
    usage.changedValues().map((value) => ({ tenantId, start, ...value })),
  );
  if (values.length === 0) return;
  await tx.query(
    `INSERT INTO credit_value (tenant_id, period_start, price, value, events, rank)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::bigint[], $6::numeric[])
     ON CONFLICT (tenant_id, period_start, price, value) DO UPDATE SET events = excluded.events`,
    columnsOf(values),
  );
  const gone = values.filter(({ events }) => events === 0);
  if (gone.length === 0) return;
  await tx.query(
    `DELETE FROM credit_value v USING unnest($1::text[], $2::bigint[], $3::int[], $4::text[]) AS g(tenant_id, period_start, price, value)
      WHERE v.tenant_id = g.tenant_id AND v.period_start = g.period_start AND v.price = g.price AND v.value = g.value`,
    columnsOf(gone).slice(0, 4),
  );
}

export interface ValueRow extends PeriodOf {
  readonly price: number;
  readonly value: string;
  readonly events: number;
  readonly rank: string | null;
}

const columnsOf = (values: readonly ValueRow[]) => [
  values.map((v) => v.tenantId),
  values.map((v) => v.start),
  values.map((v) => v.price),
  values.map((v) => v.value),
  values.map((v) => v.events),
  values.map((v) => v.rank),
];

/** Forgets a period's usage, which is to be read anew. */
export async function dropUsage(tx: Transaction, { tenantId, start }: PeriodOf): Promise<void> {
  for (const table of ["credit_price", "credit_value"])
    await tx.query(`DELETE FROM ${table} WHERE tenant_id = $1 AND period_start = $2`, [tenantId, start]);
}

/** Adds values of a period that is being read: the same one may come again. */
export async function addValues(tx: Transaction, values: readonly ValueRow[]): Promise<void> {
  if (values.length === 0) return;
  await tx.query(
    `INSERT INTO credit_value AS v (tenant_id, period_start, price, value, events, rank)
     SELECT t, s, p, x, sum(e), min(r) FROM unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::bigint[], $6::numeric[])
              AS c(t, s, p, x, e, r) GROUP BY t, s, p, x
     ON CONFLICT (tenant_id, period_start, price, value) DO UPDATE SET events = v.events + excluded.events`,
    columnsOf(values),
  );
}

/** Of a period that was read: how many values each price has, and its top value. */
export async function readValueTotals(
  tx: Transaction,
  { tenantId, start }: PeriodOf,
): Promise<{ price: number; count: number; top: string | null }[]> {
  await tx.query("DELETE FROM credit_value WHERE tenant_id = $1 AND period_start = $2 AND events = 0", [
    tenantId,
    start,
  ]);
  const { rows } = await tx.query<{ price: number; count: number; top: string | null }>(
    `SELECT price, count(*) AS count, (SELECT value FROM credit_value t WHERE t.tenant_id = $1 AND t.period_start = $2 AND t.price = v.price
              AND rank IS NOT NULL ORDER BY rank DESC LIMIT 1) AS top
       FROM credit_value v WHERE tenant_id = $1 AND period_start = $2 GROUP BY price`,
    [tenantId, start],
  );
  return rows;
}

/** Stores the prices of a period that was read. */
export async function insertPrices(
  tx: Transaction,
  { tenantId, start }: PeriodOf,
  prices: KnownUsage["prices"],
): Promise<void> {
  if (prices.size === 0) return;
  await tx.query(
    `INSERT INTO credit_price (tenant_id, period_start, price, quantity, amount)
     SELECT $1, $2, p, q, a FROM unnest($3::int[], $4::numeric[], $5::numeric[]) AS c(p, q, a)`,
    [
      tenantId,
      start,
      [...prices.keys()],
      [...prices.values()].map(({ quantity }) => quantity.toFixed()),
      [...prices.values()].map(({ amount }) => amount.toFixed()),
    ],
  );
}

export interface UsageRow {
  readonly tenantId: string;
  readonly meter: string;
  readonly hour: number;
  readonly dimensions: string;
  readonly value: string;
  readonly quantity: string;
  readonly events: number;
}

/** A period's usage from entries before one, with dominated values, and without hours. */
export const usageBefore = (
  tx: Transaction,
  { tenantId, start }: PeriodOf,
  end: number,
  beforeSeq: number,
): AsyncGenerator<UsageRow, undefined> =>
  rowsOf<UsageRow>(
    tx,
    `SELECT tenant_id AS "tenantId", meter, min(hour) AS hour, dimensions, value, sum(quantity)::text AS quantity,
            sum(event_count)::bigint AS events
       FROM (SELECT * FROM usage_delta WHERE tenant_id = $1 AND hour >= $2 AND hour < $3 AND NOT covered AND seq < $4
              UNION ALL
             SELECT * FROM usage_delta WHERE tenant_id = $1 AND hour >= $2 AND hour < $3 AND covered AND seq < $4) d
      GROUP BY tenant_id, meter, dimensions, value`,
    [tenantId, start, end, beforeSeq],
  );

/** Hours with usage that an entry, a backfill, added to a tenant, with their numbers of cells. */
export async function hoursOfEntry(
  tx: Transaction,
  tenantId: string,
  seq: number,
): Promise<{ hour: number; cells: number }[]> {
  const { rows } = await tx.query<{ hour: number; cells: number }>(
    `SELECT hour, count(DISTINCT (meter, dimensions, value)) AS cells FROM usage_delta WHERE tenant_id = $1 AND seq = $2
      GROUP BY hour ORDER BY hour`,
    [tenantId, seq],
  );
  return rows;
}

/** What it added to some of these hours, in their order. */
export async function usageOfEntry(
  tx: Transaction,
  tenantId: string,
  seq: number,
  { from, through }: { readonly from: number; readonly through: number },
): Promise<UsageRow[]> {
  const { rows } = await tx.query<UsageRow>(
    `SELECT tenant_id AS "tenantId", meter, hour, dimensions, value, sum(quantity)::text AS quantity,
            sum(event_count)::bigint AS events
       FROM usage_delta WHERE tenant_id = $1 AND seq = $2 AND hour >= $3 AND hour <= $4
      GROUP BY tenant_id, meter, hour, dimensions, value ORDER BY hour, dimensions COLLATE "C", value COLLATE "C"`,
    [tenantId, seq, from, through],
  );
  return rows;
}

/** Those of these tenants with usage from a time on, in entries before one. */
export async function tenantsWithUsageFrom(
  tx: Transaction,
  tenants: readonly { readonly tenantId: string; readonly from: number }[],
  beforeSeq: number,
): Promise<ReadonlySet<string>> {
  if (tenants.length === 0) return new Set();
  const { rows } = await tx.query<{ id: string }>(
    `SELECT w.tenant_id AS id FROM unnest($1::text[], $2::bigint[]) AS w(tenant_id, from_at)
      WHERE EXISTS (SELECT FROM usage_delta d WHERE d.tenant_id = w.tenant_id AND d.hour >= w.from_at AND NOT d.covered AND d.seq < $3)`,
    [tenants.map(({ tenantId }) => tenantId), tenants.map(({ from }) => from), beforeSeq],
  );
  return new Set(rows.map(({ id }) => id));
}
