import { createHash } from "node:crypto";
import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { MeterState, PlanVersionState } from "#schema/events/tenancy-changed.v1.js";
import { roundLine } from "#schema/rating/exact.js";
import { priceUsage } from "#schema/rating/pricing.js";
import { CELL_KEEPS, claimingPrices, quantityOfValue, rankOfValue, TOP_VALUE_BY } from "./usage.js";

/** What an entry adds to one cell of usage, or takes from it. */
export interface CellChange {
  readonly meter: MeterState;
  /** In the order of the meter's dimensions. */
  readonly dimensions: readonly string[];
  /** As `storedValue` gives it. */
  readonly value: string;
  /** COUNT and SUM. */
  readonly quantity: Decimal;
  readonly events: number;
}

/** The usage of one price, and its rounded line. */
export interface PriceUsage {
  readonly quantity: Decimal;
  readonly amount: Decimal;
}

/** What of a period's usage is known: of the prices and values that will be changed, and of the top values. */
export interface KnownUsage {
  readonly prices: Map<number, PriceUsage>;
  /** By price: the numbers of events of stored values. */
  readonly values: Map<number, Map<string, number>>;
}

export const nothingKnown = (): KnownUsage => ({ prices: new Map(), values: new Map() });

/** What a price needs to be known of before changes to it. */
export interface Need {
  readonly values: Set<string>;
  /** How many of its top values. */
  tops: number;
}

/** The positions of the prices that claim a change. */
export type Claims = (change: CellChange) => readonly number[];

const claimsOfPlans = new WeakMap<PlanVersionState, Claims>();

/** Who claims what under a plan version, which never changes; the dimensions of a meter do not, either. */
export function claimsUnder(terms: PlanVersionState): Claims {
  const known = claimsOfPlans.get(terms);
  if (known !== undefined) return known;
  const byMeter = new Map<string, ReturnType<typeof claimingPrices>>();
  const claims: Claims = (change) => {
    const { meter } = change;
    const ofMeter = byMeter.get(meter.id) ?? claimingPrices(terms.prices, meter);
    byMeter.set(meter.id, ofMeter);
    return ofMeter(change);
  };
  claimsOfPlans.set(terms, claims);
  return claims;
}

/** What has to be known before these changes, by price. */
export function needsOf(terms: PlanVersionState, changes: Iterable<CellChange>): Map<number, Need> {
  const claims = claimsUnder(terms);
  const needs = new Map<number, Need>();
  for (const change of changes)
    for (const price of claims(change)) {
      const need = needs.get(price) ?? { values: new Set(), tops: 0 };
      needs.set(price, need);
      const { aggregation } = change.meter;
      if (CELL_KEEPS[aggregation] !== "value") continue;
      need.values.add(valueKey(change));
      // Each change may take the top value away, and the next one is needed then.
      if (TOP_VALUE_BY[aggregation] !== undefined) need.tops = Math.max(need.tops, 1) + (change.events < 0 ? 1 : 0);
    }
  return needs;
}

const LONGEST_KEY = 100;

/** A stored value's key: values of UNIQUE meters may be long. Those are JSON, and a digest is not. */
export const valueKey = ({ value }: Pick<CellChange, "value">): string =>
  value.length <= LONGEST_KEY ? value : createHash("sha256").update(value, "utf8").digest("hex");

/** The rank by which a value is the top one; null: all count. */
export const rankOf = ({ meter, value }: Pick<CellChange, "meter" | "value">): string | null =>
  TOP_VALUE_BY[meter.aggregation] === undefined ? null : rankOfValue(value);

export interface RatedPeriod {
  /** Makes changes of one moment; returns the change of the sum of the rounded lines. */
  change(changes: readonly CellChange[]): Decimal;
  /** What has changed. */
  changedPrices(): ReadonlyMap<number, PriceUsage>;
  changedValues(): readonly {
    readonly price: number;
    readonly value: string;
    readonly rank: string | null;
    readonly events: number;
  }[];
}

/** The rounded usage lines of a period under a plan version, change by change: only what a change touches is priced. */
export function createRatedPeriod(terms: PlanVersionState, known: KnownUsage): RatedPeriod {
  const claims = claimsUnder(terms);
  const tops = new Map<number, string | undefined>();
  const changedPrices = new Map<number, PriceUsage>();
  const changedValues = new Map<
    string,
    { readonly price: number; readonly value: string; readonly rank: string | null }
  >();

  function changeValue(price: number, change: CellChange, quantity: Decimal): Decimal {
    const values = known.values.get(price) ?? new Map<string, number>();
    known.values.set(price, values);
    const key = valueKey(change);
    const before = values.get(key) ?? 0;
    const after = before + change.events;
    const order = TOP_VALUE_BY[change.meter.aggregation];
    const top = tops.has(price) ? tops.get(price) : order && topOf(values, order);
    values.set(key, after);
    changedValues.set(`${price} ${key}`, { price, value: key, rank: rankOf(change) });
    if (order === undefined) return quantity.plus(Number(after > 0) - Number(before > 0));
    const isTop = after > 0 && (top === undefined || isAbove(key, top, order));
    const next = isTop ? key : top === key && after <= 0 ? topOf(values, order) : top;
    tops.set(price, next);
    return next === undefined ? ZERO : quantityOfValue(next);
  }

  return {
    change(changes) {
      const touched = new Map<number, Decimal>();
      for (const change of changes)
        for (const price of claims(change)) {
          const quantity = touched.get(price) ?? known.prices.get(price)?.quantity ?? ZERO;
          const keeps = CELL_KEEPS[change.meter.aggregation];
          touched.set(price, keeps === "value" ? changeValue(price, change, quantity) : quantity.plus(change.quantity));
        }
      let sum = ZERO;
      for (const [price, quantity] of touched) {
        const before = known.prices.get(price)?.amount ?? amountsAtNothing(terms)[price] ?? ZERO;
        const usage = { quantity, amount: amountOf(terms, price, quantity) };
        known.prices.set(price, usage);
        changedPrices.set(price, usage);
        sum = sum.plus(usage.amount).minus(before);
      }
      return sum;
    },
    changedPrices: () => changedPrices,
    changedValues: () =>
      [...changedValues.values()].map((one) => ({ ...one, events: known.values.get(one.price)?.get(one.value) ?? 0 })),
  };
}

function topOf(values: ReadonlyMap<string, number>, order: "number" | "text"): string | undefined {
  let top: string | undefined;
  for (const [value, events] of values)
    if (events > 0 && (top === undefined || isAbove(value, top, order))) top = value;
  return top;
}

const isAbove = (a: string, b: string, order: "number" | "text"): boolean =>
  order === "text" ? a > b : quantityOfValue(a).gt(quantityOfValue(b));

export function amountOf({ prices, currency }: PlanVersionState, index: number, quantity: Decimal): Decimal {
  const price = prices[index];
  if (price === undefined) throw new RangeError(`a plan version has no price ${index}`);
  return roundLine(priceUsage(price, quantity).amount, currency);
}

const atNothing = new WeakMap<PlanVersionState, readonly Decimal[]>();

/** The rounded line of each price without usage. */
export function amountsAtNothing(terms: PlanVersionState): readonly Decimal[] {
  const known = atNothing.get(terms) ?? terms.prices.map((_, index) => amountOf(terms, index, ZERO));
  atNothing.set(terms, known);
  return known;
}
