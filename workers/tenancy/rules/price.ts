import type { MeterState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { PriceModel } from "#schema/vocabulary.js";
import { amountReasons, isLess } from "./amount.js";
import { MAX_WHERE, whereReasons } from "./dimensions.js";
import type { Reason } from "./reasons.js";

export const MAX_TIERS = 50;

type ModelField = "unitAmount" | "packageSize" | "ratePercent" | "tiers";

/** The fields that each model requires; the others of these four must be absent. FLAT charges `unitAmount` once. */
export const FIELDS_OF_MODEL: Readonly<Record<PriceModel, readonly ModelField[]>> = {
  FLAT: ["unitAmount"],
  PER_UNIT: ["unitAmount"],
  GRADUATED: ["tiers"],
  VOLUME: ["tiers"],
  PACKAGE: ["unitAmount", "packageSize"],
  PERCENTAGE: ["ratePercent"],
};
const MODEL_FIELDS: readonly ModelField[] = ["unitAmount", "packageSize", "ratePercent", "tiers"];

/** All errors of one price. `meter` undefined: there is no such active meter. */
export function priceReasons(path: string, price: PriceState, meter: MeterState | undefined): Reason[] {
  return [
    ...(meter === undefined ? [{ path: `${path}.meter`, detail: `there is no meter "${price.meter}"` }] : []),
    ...modelReasons(path, price),
    ...amountReasons(`${path}.unitAmount`, price.unitAmount),
    ...amountReasons(`${path}.packageSize`, price.packageSize, { positive: true }),
    ...amountReasons(`${path}.ratePercent`, price.ratePercent),
    ...amountReasons(`${path}.included`, price.included),
    ...amountReasons(`${path}.divideBy`, price.divideBy, { positive: true }),
    ...amountReasons(`${path}.discountPercent`, price.discountPercent, { max: "100" }),
    ...amountReasons(`${path}.minimumAmount`, price.minimumAmount),
    ...amountReasons(`${path}.maximumAmount`, price.maximumAmount),
    ...capReasons(path, price),
    ...tierReasons(`${path}.tiers`, price.tiers),
    ...(price.catchAll === true && price.where.length > 0
      ? [
          {
            path: `${path}.where`,
            detail: "must be empty in a catch-all price, which claims what no other price claims",
          },
        ]
      : []),
    ...(meter === undefined ? [] : whereReasons(`${path}.where`, price.where.slice(0, MAX_WHERE), meter)),
  ];
}

function modelReasons(path: string, price: PriceState): Reason[] {
  const needed = FIELDS_OF_MODEL[price.model];
  return MODEL_FIELDS.flatMap((field) => {
    const present = field === "tiers" ? price.tiers.length > 0 : price[field] !== null;
    if (needed.includes(field) && !present)
      return [{ path: `${path}.${field}`, detail: `${price.model} needs this field` }];
    if (!needed.includes(field) && present)
      return [{ path: `${path}.${field}`, detail: `${price.model} does not use this field` }];
    return [];
  });
}

function capReasons(path: string, price: PriceState): Reason[] {
  const { minimumAmount, maximumAmount } = price;
  if (minimumAmount === null || maximumAmount === null || isLess(maximumAmount, minimumAmount) !== true) return [];
  return [{ path: `${path}.maximumAmount`, detail: "must not be below minimumAmount" }];
}

/**
 * Tiers have only inclusive upper ends, so gaps and overlaps are impossible as long as the ends ascend; the last one must have
 * none, or usage above it would have no price.
 */
function tierReasons(path: string, tiers: PriceState["tiers"]): Reason[] {
  const reasons: Reason[] = [];
  if (tiers.length > MAX_TIERS) reasons.push({ path, detail: `has at most ${MAX_TIERS} tiers` });
  let below: string | null = null;
  for (const [index, tier] of tiers.slice(0, MAX_TIERS).entries()) {
    const at = `${path}[${index}]`;
    const isLast = index === tiers.length - 1;
    reasons.push(...amountReasons(`${at}.unitAmount`, tier.unitAmount));
    reasons.push(...amountReasons(`${at}.flatAmount`, tier.flatAmount));
    reasons.push(...amountReasons(`${at}.upTo`, tier.upTo, { positive: true }));
    if (isLast && tier.upTo !== null)
      reasons.push({ path: `${at}.upTo`, detail: "must be null in the last tier: usage above it would have no price" });
    if (!isLast && tier.upTo === null)
      reasons.push({ path: `${at}.upTo`, detail: "may be null in the last tier only: the tiers after it overlap it" });
    if (below !== null && tier.upTo !== null && isLess(below, tier.upTo) === false)
      reasons.push({ path: `${at}.upTo`, detail: `must be greater than ${below}, where the tier before it ends` });
    below = tier.upTo;
  }
  return reasons;
}

/**
 * Whether some usage would match both: same meter, and no dimension with different required values. A catch-all price leaves
 * what others claim, except to another one.
 */
export function claimSameUsage(a: PriceState, b: PriceState): boolean {
  if (a.meter !== b.meter || (a.catchAll === true) !== (b.catchAll === true)) return false;
  return !a.where.some((left) =>
    b.where.some((right) => left.dimension === right.dimension && left.value !== right.value),
  );
}
