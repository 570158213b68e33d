import { isCurrencyCode } from "#kernel/money.js";
import type { MeterState, PlanVersionState } from "#schema/events/tenancy-changed.v1.js";
import { isInMoney, limitKey, scopeText } from "#schema/limit-scope.js";
import { amountReasons } from "./amount.js";
import { MAX_WHERE } from "./dimensions.js";
import { claimSameUsage, priceReasons } from "./price.js";
import { limitReasons, moneyPriceReasons } from "./quota-limit.js";
import type { Reason } from "./reasons.js";

export const MAX_PRICES = 100;
export const MAX_LIMITS = 20;

/** The terms of a plan version before publication. */
export type PlanDraft = Omit<PlanVersionState, "version" | "publishedAt" | "publishedInVersion">;

/** All errors of a plan version; empty: valid. `meters`: those that are active today. */
export function validatePlanVersion(terms: PlanDraft, meters: ReadonlyMap<string, MeterState>): Reason[] {
  return [
    ...(isCurrencyCode(terms.currency)
      ? []
      : [{ path: "currency", detail: "must be an ISO 4217 code in capitals, e.g. EUR" }]),
    ...amountReasons("recurringFee", terms.recurringFee),
    ...amountReasons("minimumCommit", terms.minimumCommit),
    ...(terms.prices.length > MAX_PRICES ? [{ path: "prices", detail: `has at most ${MAX_PRICES} prices` }] : []),
    ...(terms.limits.length > MAX_LIMITS ? [{ path: "limits", detail: `has at most ${MAX_LIMITS} limits` }] : []),
    ...terms.prices
      .slice(0, MAX_PRICES)
      .flatMap((price, index) => [
        ...(price.where.length > MAX_WHERE
          ? [{ path: `prices[${index}].where`, detail: `has at most ${MAX_WHERE} conditions` }]
          : []),
        ...priceReasons(`prices[${index}]`, price, meters.get(price.meter)),
      ]),
    ...rivalReasons(terms.prices.slice(0, MAX_PRICES)),
    ...terms.limits.slice(0, MAX_LIMITS).flatMap((limit, index) => limitReasons(`limits[${index}]`, limit, meters)),
    ...moneyPriceReasons(terms.prices.slice(0, MAX_PRICES), terms.limits.slice(0, MAX_LIMITS), meters),
    ...repeatedLimits(terms.limits.slice(0, MAX_LIMITS)),
  ];
}

/** Usage matched by two prices would be charged twice. */
function rivalReasons(prices: PlanDraft["prices"]): Reason[] {
  return prices.flatMap((price, index) => {
    const rival = prices.slice(0, index).findIndex((other) => claimSameUsage(price, other));
    if (rival < 0) return [];
    return [
      { path: `prices[${index}].where`, detail: `claims usage of ${price.meter} that prices[${rival}] claims too` },
    ];
  });
}

function repeatedLimits(limits: PlanDraft["limits"]): Reason[] {
  return limits.flatMap((limit, index) => {
    const first = limits.findIndex((other) => limitKey(other) === limitKey(limit));
    if (first === index) return [];
    return [
      {
        path: `limits[${index}]`,
        detail: isInMoney(limit)
          ? `limits[${first}] is in money, too: a plan has one such limit`
          : `limits[${first}] is for the same meter and window${hasScope(limit) ? ", `by` and `where`" : ""}`,
      },
    ];
  });
}

const hasScope = (limit: PlanDraft["limits"][number]): boolean => scopeText(limit) !== "";
