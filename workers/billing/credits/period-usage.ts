import { Decimal, ZERO } from "#kernel/decimal.js";
import type { Transaction } from "#platform/database/database.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { PlanVersionState } from "#schema/events/tenancy-changed.v1.js";
import {
  amountOf,
  amountsAtNothing,
  type CellChange,
  claimsUnder,
  createRatedPeriod,
  needsOf,
  nothingKnown,
  type PriceUsage,
  type RatedPeriod,
  rankOf,
  valueKey,
} from "../rules/rated-period.js";
import { CELL_KEEPS, quantityOfValue, TOP_VALUE_BY } from "../rules/usage.js";
import {
  addValues,
  dropUsage,
  insertPrices,
  readKnownUsage,
  readValueTotals,
  type UsageRow,
  usageBefore,
  type ValueRow,
} from "../store/credit-usage.js";
import type { PeriodOf } from "../store/credits.js";

/** Values that are stored in one statement. */
const VALUES_AT_ONCE = 5_000;

export interface ReadPeriod extends PeriodOf {
  readonly end: number;
  readonly terms: PlanVersionState;
  /** Entries from this one on are not read. */
  readonly beforeSeq: number;
  /** Of the entries from there on: what they need is in memory then. */
  readonly changes: readonly CellChange[];
}

/**
 * Reads a period's whole usage under a plan version into the tables that the fold keeps, and returns it with the sum of its rounded
 * lines: for the first change after a tenant's first grant, and where another plan is in force than before.
 */
export async function readPeriodUsage(
  tx: Transaction,
  tenancy: Pick<TenancyCopy, "meter">,
  { tenantId, start, end, terms, beforeSeq, changes }: ReadPeriod,
): Promise<{ readonly usage: RatedPeriod; readonly rated: Decimal }> {
  const of = { tenantId, start };
  await dropUsage(tx, of);
  const claims = claimsUnder(terms);
  const quantities = new Map<number, Decimal>();
  let values: ValueRow[] = [];
  for await (const row of usageBefore(tx, of, end, beforeSeq)) {
    const change = changeOf(tenancy, row);
    for (const price of claims(change)) {
      if (CELL_KEEPS[change.meter.aggregation] === "value")
        values.push({ ...of, price, value: valueKey(change), events: change.events, rank: rankOf(change) });
      else quantities.set(price, (quantities.get(price) ?? ZERO).plus(change.quantity));
    }
    if (values.length < VALUES_AT_ONCE) continue;
    await addValues(tx, values);
    values = [];
  }
  await addValues(tx, values);
  for (const { price, count, top } of await readValueTotals(tx, of)) {
    const meter = tenancy.meter(terms.prices[price]?.meter ?? "");
    const isOrdered = meter !== undefined && TOP_VALUE_BY[meter.aggregation] !== undefined;
    quantities.set(price, isOrdered ? (top === null ? ZERO : quantityOfValue(top)) : new Decimal(count));
  }
  const prices = new Map<number, PriceUsage>(
    [...quantities].map(([price, quantity]) => [price, { quantity, amount: amountOf(terms, price, quantity) }]),
  );
  await insertPrices(tx, of, prices);
  const known = nothingKnown();
  await readKnownUsage(tx, [{ ...of, needs: needsOf(terms, changes), known }]);
  const rated = amountsAtNothing(terms).reduce(
    (sum, amount, price) => sum.plus(prices.get(price)?.amount ?? amount),
    ZERO,
  );
  return { usage: createRatedPeriod(terms, known), rated };
}

/** A row of usage as a change from nothing. */
export function changeOf(tenancy: Pick<TenancyCopy, "meter">, row: UsageRow): CellChange {
  const meter = tenancy.meter(row.meter);
  if (meter === undefined) throw new Error(`usage of an unknown meter: ${row.meter}`);
  const dimensions: unknown = JSON.parse(row.dimensions);
  if (!Array.isArray(dimensions)) throw new TypeError("stored dimensions are a JSON array");
  return {
    ...{ meter, dimensions: dimensions.map(String), value: row.value, events: row.events },
    quantity: new Decimal(row.quantity),
  };
}
