import { minorDigits } from "#kernel/money.js";
import type { PlanVersionState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { ChargeKind } from "#schema/vocabulary.js";
import {
  ceiling,
  fixed,
  isLess,
  isNothing,
  isSame,
  minus,
  NOTHING,
  nearest,
  negated,
  over,
  plus,
  type Rational,
  rational,
  times,
  total,
} from "./rational.js";

export interface Step {
  readonly quantity: Rational;
  readonly unitAmount: Rational;
  readonly flatAmount: Rational;
  readonly amount: Rational;
  readonly note: string | null;
}

/** A line before it is numbered, dated or adjusted. */
export interface Charge {
  readonly kind: ChargeKind;
  /** Position of the price; undefined for lines without one. */
  readonly price: number | undefined;
  readonly description: string;
  readonly quantity: Rational;
  readonly amount: Rational;
  readonly steps: readonly Step[];
}

const ONE: Rational = { n: 1n, d: 1n };
const HUNDRED: Rational = { n: 100n, d: 1n };

/** What a plan charges for quantities, one per price in the plan's order. */
export function charges(plan: PlanVersionState, quantities: readonly Rational[]): Charge[] {
  const digits = minorDigits(plan.currency);
  const result: Charge[] = [];
  const fee = rational(plan.recurringFee);
  if (!isNothing(fee)) {
    const steps = [lump(fee, "recurring fee")];
    result.push(chargeOf("RECURRING", undefined, "Recurring fee", ONE, nearest(fee, digits), steps));
  }
  let used = NOTHING;
  for (const [index, price] of plan.prices.entries()) {
    const quantity = quantities[index] ?? NOTHING;
    const steps = priceSteps(price, quantity);
    const amount = nearest(total(steps.map((step) => step.amount)), digits);
    const where = price.where.map((match) => `, ${match.dimension} ${match.value}`).join("");
    result.push(chargeOf("USAGE", index, `Usage of ${price.meter}${where}`, quantity, amount, steps));
    used = plus(used, amount);
  }
  const commit = rational(plan.minimumCommit);
  if (isLess(used, commit)) {
    const description = `Minimum commit of ${fixed(commit, digits)}, less usage`;
    const steps = [lump(commit, "minimum commit"), lump(negated(used), "less usage")];
    result.push(chargeOf("MINIMUM_COMMIT", undefined, description, ONE, nearest(minus(commit, used), digits), steps));
  }
  return result;
}

function chargeOf(
  kind: Charge["kind"],
  price: number | undefined,
  description: string,
  quantity: Rational,
  amount: Rational,
  steps: readonly Step[],
): Charge {
  return { kind, price, description, quantity, amount, steps };
}

function priceSteps(price: PriceState, raw: Rational): Step[] {
  const steps: Step[] = [];
  const quotient = over(raw, rational(price.divideBy));
  const quantity = price.roundUp ? ceiling(quotient) : quotient;
  if (!isSame(quantity, raw)) {
    steps.push(row(quantity, NOTHING, NOTHING, `divided by ${price.divideBy}${price.roundUp ? ", rounded up" : ""}`));
  }
  const above = isLess(quantity, NOTHING) ? NOTHING : quantity;
  const allowance = rational(price.included);
  const free = isLess(above, allowance) ? above : allowance;
  if (!isNothing(free)) steps.push(row(free, NOTHING, NOTHING, "included"));
  steps.push(...modelSteps(price, minus(above, free)));

  const soFar = (): Rational => total(steps.map((step) => step.amount));
  const discount = rational(price.discountPercent);
  if (!isNothing(discount)) {
    steps.push(lump(negated(over(times(soFar(), discount), HUNDRED)), `discount of ${price.discountPercent} %`));
  }
  if (price.minimumAmount !== null && isLess(soFar(), rational(price.minimumAmount))) {
    steps.push(lump(minus(rational(price.minimumAmount), soFar()), `raised to the minimum of ${price.minimumAmount}`));
  }
  if (price.maximumAmount !== null && isLess(rational(price.maximumAmount), soFar())) {
    steps.push(lump(minus(rational(price.maximumAmount), soFar()), `capped at ${price.maximumAmount}`));
  }
  return steps;
}

function modelSteps(price: PriceState, quantity: Rational): Step[] {
  switch (price.model) {
    case "FLAT":
      return [lump(given(price.unitAmount), "flat amount")];
    case "PER_UNIT":
      return [row(quantity, given(price.unitAmount), NOTHING, null)];
    case "PACKAGE": {
      const packages = ceiling(over(quantity, given(price.packageSize)));
      return [row(packages, given(price.unitAmount), NOTHING, `packages of ${price.packageSize}`)];
    }
    case "PERCENTAGE":
      return [row(quantity, over(given(price.ratePercent), HUNDRED), NOTHING, `${price.ratePercent} %`)];
    case "VOLUME": {
      const index = price.tiers.findIndex((tier) => tier.upTo === null || !isLess(rational(tier.upTo), quantity));
      return tierStep(price, index, quantity);
    }
    case "GRADUATED":
      return price.tiers.flatMap((tier, index) => {
        const floor = rational(price.tiers[index - 1]?.upTo ?? "0");
        if (index > 0 && !isLess(floor, quantity)) return [];
        const within = tier.upTo !== null && isLess(rational(tier.upTo), quantity) ? rational(tier.upTo) : quantity;
        return tierStep(price, index, minus(within, floor));
      });
  }
}

function tierStep(price: PriceState, index: number, quantity: Rational): Step[] {
  const tier = price.tiers[index];
  if (tier === undefined) throw new RangeError("no tier holds the quantity");
  const end = tier.upTo === null ? "without end" : `up to ${tier.upTo}`;
  return [row(quantity, rational(tier.unitAmount), rational(tier.flatAmount), `tier ${index + 1}, ${end}`)];
}

export const lump = (amount: Rational, note: string): Step => row(NOTHING, NOTHING, amount, note);

function row(quantity: Rational, unitAmount: Rational, flatAmount: Rational, note: string | null): Step {
  return { quantity, unitAmount, flatAmount, amount: plus(times(quantity, unitAmount), flatAmount), note };
}

function given(text: string | null): Rational {
  if (text === null) throw new RangeError("the price model misses a number");
  return rational(text);
}
