import type { PlanTerms } from "../terms/plans.js";
import type { SentEvent } from "../terms/requests.js";
import { laneOf, METERS, type MeterTerms, OTHER_LANES, type PriceTerms } from "../terms/terms.js";
import { centsOf, costOf } from "./prices.js";

/** The start of the billing period that holds this moment. */
export function periodOf(time: number): number {
  const at = new Date(time);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth());
}

/** What a meter counts of these events, which are in the ledger's order. */
export function quantityOf({ aggregation }: MeterTerms, events: readonly SentEvent[]): number {
  const amounts = events.map(({ amount }) => amount);
  switch (aggregation) {
    case "COUNT":
      return events.length;
    case "SUM":
      return amounts.reduce((sum, amount) => sum + amount, 0);
    case "MAX":
      return Math.max(0, ...amounts);
    case "UNIQUE":
      return new Set(amounts).size;
    case "LATEST":
      return events.reduce((last, event) => (event.time >= last.time ? event : last), events[0] ?? NONE).amount;
  }
}

const NONE: Pick<SentEvent, "time" | "amount"> = { time: 0, amount: 0 };

/** `lane`: by default, that of the amount. */
type Usage = Pick<SentEvent, "type" | "amount"> & { readonly lane?: string };

export const meterOf = ({ meter }: Pick<PriceTerms, "meter">): MeterTerms => {
  const found = METERS.find(({ id }) => id === meter);
  if (found === undefined) throw new RangeError(`a price of no meter: ${meter}`);
  return found;
};

/** Whether a price charges for this usage: prices of one meter share its lanes. */
export function isChargedBy({ prices }: PlanTerms, price: PriceTerms, usage: Usage): boolean {
  if (meterOf(price).type !== usage.type) return false;
  const lane = usage.lane ?? laneOf(usage.amount);
  if (price.lane !== OTHER_LANES) return price.lane === undefined || price.lane === lane;
  return !prices.some((other) => other.meter === price.meter && other.lane === lane);
}

/** What a price makes of a tenant's usage of a billing period, which is in the ledger's order, in cents. */
export function centsFor(plan: PlanTerms, price: PriceTerms, ofPeriod: readonly SentEvent[]): number {
  const charged = ofPeriod.filter((event) => isChargedBy(plan, price, event));
  return centsOf(costOf(price, quantityOf(meterOf(price), charged)));
}

/** What all of it costs: the sum of the lines. */
export const costOfUsage = (plan: PlanTerms, ofPeriod: readonly SentEvent[]): number =>
  plan.prices.reduce((sum, price) => sum + centsFor(plan, price, ofPeriod), 0);
