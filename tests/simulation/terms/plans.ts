import { LANES, OTHER_LANES, PLAN_ID, PRICES, type PriceTerms, STARTS_AT } from "./terms.js";

/** What a tenant is charged for a billing period. Limits of quantities are those of every plan. */
export interface PlanTerms {
  readonly id: string;
  readonly prices: readonly PriceTerms[];
  /** In cents. */
  readonly fee: number;
  readonly commit: number;
  /** A hard limit, in cents, on what usage of a billing period costs. */
  readonly spend?: { readonly limit: number; readonly warnAt: readonly string[] };
}

export const PRO: PlanTerms = { id: PLAN_ID, prices: PRICES, fee: 0, commit: 0 };

/** Prices of COUNT and SUM meters, of which one gets cheaper with more usage, and of one meter by lane. */
export const SPEND: PlanTerms = {
  id: "spend",
  fee: 100,
  commit: 150,
  spend: { limit: 160, warnAt: ["0.5", "0.8"] },
  prices: [
    {
      meter: "calls",
      included: 1,
      by: {
        model: "GRADUATED",
        tiers: [
          { upTo: 3, unit: 100_000, flat: 0 },
          { upTo: null, unit: 50_000, flat: 300_000 },
        ],
      },
    },
    {
      meter: LANES.meter,
      lane: LANES.named,
      by: {
        model: "VOLUME",
        tiers: [
          { upTo: 20, unit: 50_000, flat: 0 },
          { upTo: null, unit: 20_000, flat: 105_000 },
        ],
      },
    },
    { meter: LANES.meter, lane: "1", by: { model: "PACKAGE", unit: 250_000, size: 8 } },
    { meter: LANES.meter, lane: OTHER_LANES, maximum: 1_000_000, by: { model: "PER_UNIT", unit: 30_000 } },
    { meter: "sales", discountPercent: 10, minimum: 333_333, by: { model: "PERCENTAGE", permille: 29 } },
  ],
};

/** In runs with money: one tenant has a limit in money, one gets it with the second billing period. */
export const SPENDS_FROM: Readonly<Record<string, number>> = { bolt: STARTS_AT, cargo: Date.UTC(2026, 1) };

/** The plan of a tenant's billing period. */
export type PlanOf = (tenantId: string, period: number) => PlanTerms;

export function plansOf(withMoney: boolean): PlanOf {
  return (tenantId, period) => {
    const from = withMoney ? SPENDS_FROM[tenantId] : undefined;
    return from !== undefined && from <= period ? SPEND : PRO;
  };
}
