import type { Period } from "#kernel/period.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { Folded, UsageDelta } from "./fold.js";
import type { PlanRef, PlanTerms } from "./invoice-lines.js";
import type { UnpricedUsage } from "./unpriced.js";
import { claimedByPlan } from "./usage.js";

/** Usage that nobody pays for, in the grain in which operators are told of it: once per tenant and type, or meter and period. */
export type Unbilled = UnmeteredEvents | UnpricedMeter;

export interface UnmeteredEvents {
  readonly kind: "unmetered";
  readonly tenantId: string;
  readonly eventType: string;
}

export interface UnpricedMeter extends Pick<UnpricedUsage, "meter" | "dimensions" | "reason"> {
  readonly kind: "unpriced";
  readonly tenantId: string;
  readonly period: Period;
  readonly plan: PlanRef;
}

/** A billing period and the plan that prices it. */
export interface PricedPeriod {
  readonly period: Period;
  readonly plan: PlanTerms;
}

/** The period of a tenant that contains a moment; undefined: it is before the first one, or has no plan. */
export type PricedPeriodAt = (tenantId: string, at: number) => PricedPeriod | undefined;

/** The unbilled usage among what is folded, by the plans as they are known when it is. */
export function unbilledIn(
  { deltas, unmetered }: Folded,
  pricedPeriodAt: PricedPeriodAt,
  meterOf: (key: string) => MeterState | undefined,
): Unbilled[] {
  const unpriced = findUnpriced(pricedPeriodAt, meterOf);
  for (const delta of deltas) unpriced.add(delta);
  const types = unmetered.map(
    ({ tenantId, eventType }): UnmeteredEvents => ({ kind: "unmetered", tenantId, eventType }),
  );
  return [...types, ...unpriced.found()];
}

/** Finds the unpriced usage among deltas, each meter and period with the first combination that no price claims. */
export function findUnpriced(pricedAt: PricedPeriodAt, meterOf: (key: string) => MeterState | undefined) {
  const pricedPeriodAt = remembering(pricedAt);
  const found = new Map<string, UnpricedMeter>();
  const claims = new Map<string, ReturnType<typeof claimedByPlan>>();
  return {
    add({ tenantId, hour, meter: key, dimensions: text, eventCount }: UsageDelta): void {
      const [priced, meter] = [pricedPeriodAt(tenantId, hour), meterOf(key)];
      if (eventCount <= 0 || priced === undefined || meter === undefined) return;
      const { period, plan } = priced;
      const { prices } = plan.terms;
      const once = `${tenantId}\n${period.start}\n${key}`;
      if (found.has(once)) return;
      const isClaimed = claims.get(once) ?? claimedByPlan(prices, meter);
      claims.set(once, isClaimed);
      const values: readonly string[] = JSON.parse(text);
      if (isClaimed({ dimensions: values })) return;
      const isPriced = prices.some((price) => price.meter === key);
      const named = meter.dimensions.map((dimension, at) => ({ dimension, value: values[at] ?? "" }));
      found.set(once, {
        ...{ kind: "unpriced", tenantId, meter: key, period, plan: plan.ref },
        reason: isPriced ? "NO_PRICE_FOR_DIMENSIONS" : "NO_PRICE_FOR_METER",
        dimensions: isPriced ? named : [],
      });
    },
    found: (): UnpricedMeter[] => [...found.values()],
  };
}

/** Consecutive deltas usually share tenant and hour. */
function remembering(pricedPeriodAt: PricedPeriodAt): PricedPeriodAt {
  let last: { readonly tenantId: string; readonly at: number; readonly is: PricedPeriod | undefined } | undefined;
  return (tenantId, at) => {
    if (last?.tenantId !== tenantId || last.at !== at) last = { tenantId, at, is: pricedPeriodAt(tenantId, at) };
    return last.is;
  };
}

/** The unpriced usage of one period. */
export interface UnpricedOfPeriod {
  readonly period: Period;
  readonly plan: PlanRef;
  readonly unpriced: readonly UnpricedUsage[];
}

/** Its meters, each with the first of its combinations. */
export function unpricedMeters(tenantId: string, { period, plan, unpriced }: UnpricedOfPeriod): UnpricedMeter[] {
  return unpriced
    .filter(({ meter }, at) => unpriced.findIndex((other) => other.meter === meter) === at)
    .map(({ meter, dimensions, reason }) => ({ kind: "unpriced", tenantId, period, plan, meter, dimensions, reason }));
}
