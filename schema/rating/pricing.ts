import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { PriceState } from "../events/tenancy-changed.v1.js";
import { exact } from "./exact.js";
import { type InvoiceText, STEP_NOTES } from "./step-notes.js";

/** One step of a line's arithmetic: quantity x unitAmount + flatAmount = amount, unrounded. */
export interface LineStep {
  readonly quantity: Decimal;
  readonly unitAmount: Decimal;
  readonly flatAmount: Decimal;
  readonly amount: Decimal;
  readonly note: InvoiceText | null;
  /** A sum that no quantity was multiplied for: one unit of it. */
  readonly isLump?: true;
}

export interface PricedSteps {
  readonly steps: readonly LineStep[];
  /** Exact: the line's rounding comes after. */
  readonly amount: Decimal;
}

/**
 * Prices a quantity in the order of the public contract: converted by `divideBy`, less `included`, priced by the model, less
 * the discount, raised to the minimum, capped at the maximum. What is left to price is never below zero.
 */
export function priceUsage(price: PriceState, quantity: Decimal): PricedSteps {
  const converted = convertQuantity(price, quantity);
  const included = takeIncluded(exact(price.included), converted.quantity);
  const priced = [...converted.steps, ...included.steps, ...priceByModel(price, included.billable)];
  const discounted = [...priced, ...discountSteps(price, total(priced))];
  const raised = [...discounted, ...minimumSteps(price, total(discounted))];
  const steps = [...raised, ...capSteps(price, total(raised))];
  return { steps, amount: total(steps) };
}

const total = (steps: readonly LineStep[]): Decimal => exact(sumExact(steps.map((step) => step.amount)));

function sumExact(amounts: readonly Decimal[]): Decimal {
  return amounts.reduce((sum, amount) => sum.plus(amount), exact(ZERO));
}

function convertQuantity(price: PriceState, raw: Decimal): { quantity: Decimal; steps: LineStep[] } {
  const divided = exact(raw).div(exact(price.divideBy));
  const quantity = price.roundUp ? divided.ceil() : divided;
  if (quantity.eq(raw)) return { quantity, steps: [] };
  return { quantity, steps: [freeStep(quantity, STEP_NOTES.converted(price.divideBy, price.roundUp))] };
}

function takeIncluded(included: Decimal, quantity: Decimal): { billable: Decimal; steps: LineStep[] } {
  const positive = quantity.isNegative() ? exact(ZERO) : quantity;
  const covered = positive.lt(included) ? positive : included;
  return { billable: positive.minus(covered), steps: covered.isZero() ? [] : [freeStep(covered, STEP_NOTES.included)] };
}

function priceByModel(price: PriceState, billable: Decimal): LineStep[] {
  switch (price.model) {
    case "FLAT":
      return [lumpStep(amountOf(price.unitAmount, "unitAmount"), STEP_NOTES.flatFee)];
    case "PER_UNIT":
      return [step(billable, amountOf(price.unitAmount, "unitAmount"), exact(ZERO), null)];
    case "GRADUATED":
      return priceGraduated(billable, price.tiers);
    case "VOLUME":
      return priceVolume(billable, price.tiers);
    case "PACKAGE":
      return [
        pricePackages(billable, textOf(price.packageSize, "packageSize"), amountOf(price.unitAmount, "unitAmount")),
      ];
    case "PERCENTAGE": {
      const percent = textOf(price.ratePercent, "ratePercent");
      return [step(billable, exact(percent).div(100), exact(ZERO), STEP_NOTES.rate(percent))];
    }
  }
}

type PriceTier = PriceState["tiers"][number];

/** Each tier prices only the part that falls into it; a tier's flat amount is due once it is reached (the first always). */
export function priceGraduated(quantity: Decimal, tiers: readonly PriceTier[]): LineStep[] {
  const steps: LineStep[] = [];
  let lower = exact(ZERO);
  for (const [index, tier] of tiers.entries()) {
    const upper = tier.upTo === null || quantity.lte(tier.upTo) ? quantity : exact(tier.upTo);
    steps.push(tierStep(upper.minus(lower), tiers, tier, index));
    lower = upper;
    if (tier.upTo !== null && quantity.lte(tier.upTo)) break;
  }
  return steps;
}

/** The tier that holds the whole quantity prices all of it. `upTo` is inclusive. */
export function priceVolume(quantity: Decimal, tiers: readonly PriceTier[]): LineStep[] {
  const index = tiers.findIndex((tier) => tier.upTo === null || quantity.lte(tier.upTo));
  const tier = tiers[index];
  if (tier === undefined) throw new RangeError("the last tier of a price must be unbounded");
  return [tierStep(quantity, tiers, tier, index)];
}

/** Every started package costs the unit amount. */
export function pricePackages(quantity: Decimal, packageSize: string, unitAmount: Decimal): LineStep {
  return step(exact(quantity).div(packageSize).ceil(), unitAmount, exact(ZERO), STEP_NOTES.packages(packageSize));
}

function tierStep(quantity: Decimal, tiers: readonly PriceTier[], tier: PriceTier, index: number): LineStep {
  const note = STEP_NOTES.tier(index + 1, tiers[index - 1]?.upTo ?? "0", tier.upTo);
  return step(quantity, exact(tier.unitAmount), exact(tier.flatAmount), note);
}

function discountSteps(price: PriceState, amount: Decimal): LineStep[] {
  const percent = exact(price.discountPercent);
  if (percent.isZero()) return [];
  return [lumpStep(amount.times(percent).div(100).neg(), STEP_NOTES.discount(price.discountPercent))];
}

function minimumSteps(price: PriceState, amount: Decimal): LineStep[] {
  if (price.minimumAmount === null || amount.gte(price.minimumAmount)) return [];
  return [lumpStep(exact(price.minimumAmount).minus(amount), STEP_NOTES.minimum(price.minimumAmount))];
}

function capSteps(price: PriceState, amount: Decimal): LineStep[] {
  if (price.maximumAmount === null || amount.lte(price.maximumAmount)) return [];
  return [lumpStep(exact(price.maximumAmount).minus(amount), STEP_NOTES.cap(price.maximumAmount))];
}

const freeStep = (quantity: Decimal, note: InvoiceText): LineStep => step(quantity, exact(ZERO), exact(ZERO), note);
export const lumpStep = (amount: Decimal, note: InvoiceText): LineStep => ({
  ...step(exact("1"), exact(amount), exact(ZERO), note),
  isLump: true,
});

/** The part of an amount for `total` days that falls on `days` of them. */
export const dayStep = (amount: Decimal, days: number, total: number, note: InvoiceText): LineStep => ({
  ...step(exact(`${days}`), exact(amount).div(total), exact(ZERO), note),
  amount: exact(amount).times(days).div(total),
});

function step(quantity: Decimal, unitAmount: Decimal, flatAmount: Decimal, note: InvoiceText | null): LineStep {
  return { quantity, unitAmount, flatAmount, amount: exact(quantity).times(unitAmount).plus(flatAmount), note };
}

const amountOf = (text: string | null, field: string): Decimal => exact(textOf(text, field));

/** Published plans always have what their model needs: tenancy refuses the others. */
function textOf(text: string | null, field: string): string {
  if (text === null) throw new RangeError(`a price of this model needs ${field}`);
  return text;
}
