import type { Decimal } from "#kernel/decimal.js";
import type { PlanVersionState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import { createRating } from "#schema/rating/amounts.js";
import { claimOf } from "#schema/rating/claims.js";
import type { LineRating } from "../counters/counters.js";
import { amountOf, decimalOf } from "./amount.js";
import { claimedScope, type Scope, seriesOf } from "./scopes.js";

/** One price of a plan: what it claims, and what that costs. */
export interface PricedLine {
  readonly meter: string;
  /** Absent: all usage of the meter. */
  readonly scope?: Scope;
  /** Names what it counts. */
  readonly series: string;
  readonly rating: LineRating;
  /** What a quantity costs, as its line on the invoice of now. */
  amountOf(quantity: Decimal): Decimal;
}

/** What limits in money are on. */
export interface PricedUsage {
  /** ISO 4217. */
  readonly currency: string;
  readonly lines: readonly PricedLine[];
}

const known = new WeakMap<PlanVersionState, PricedUsage>();

/** The same for the same version of a plan: it never changes. */
export function pricedUsageOf(version: PlanVersionState): PricedUsage {
  const before = known.get(version);
  if (before !== undefined) return before;
  const { currency, prices } = version;
  const found = { currency, lines: prices.map((price) => lineOf(price, prices, currency)) };
  known.set(version, found);
  return found;
}

function lineOf(price: PriceState, prices: readonly PriceState[], currency: string): PricedLine {
  const { meter } = price;
  const rating = createRating(price, currency);
  const scope = claimedScope(claimOf(price, prices));
  return {
    meter,
    ...(scope && { scope }),
    series: seriesOf(meter, scope),
    rating,
    amountOf: (quantity) => decimalOf(rating.amount(amountOf(quantity))),
  };
}
