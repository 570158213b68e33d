import type { PriceTerms, Tier } from "../terms/terms.js";

/** What a quantity costs, in millionths of the currency's unit; the product's prices are not looked at. */
export function costOf(
  { by, included = 0, discountPercent = 0, minimum, maximum }: PriceTerms,
  quantity: number,
): number {
  const billable = Math.max(0, Math.max(0, quantity) - included);
  const full = fullCost(by, billable);
  const raised = Math.max((full * (100 - discountPercent)) / 100, minimum ?? 0);
  return Math.min(raised, maximum ?? Number.POSITIVE_INFINITY);
}

function fullCost(by: PriceTerms["by"], billable: number): number {
  switch (by.model) {
    case "FLAT":
      return by.unit;
    case "PER_UNIT":
      return billable * by.unit;
    case "PACKAGE":
      return Math.ceil(billable / by.size) * by.unit;
    case "PERCENTAGE":
      return billable * by.permille * 1_000;
    case "VOLUME": {
      const tier = by.tiers.find(({ upTo }) => upTo === null || billable <= upTo);
      return tier === undefined ? 0 : billable * tier.unit + tier.flat;
    }
    case "GRADUATED":
      return graduated(by.tiers, billable);
  }
}

/** Each tier prices what lies in it; its flat part is due once it is reached, the first tier's always. */
function graduated(tiers: readonly Tier[], billable: number): number {
  let cost = 0;
  let from = 0;
  for (const [index, { upTo, unit, flat }] of tiers.entries()) {
    if (index === 0 || billable > from) cost += flat + Math.max(0, Math.min(billable, upTo ?? billable) - from) * unit;
    from = upTo ?? billable;
  }
  return cost;
}

/** One rounding, half up. */
export const centsOf = (millionths: number): number => Math.floor((millionths + 5_000) / 10_000);
