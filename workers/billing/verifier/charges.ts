import { minorDigits } from "#kernel/money.js";
import type { PlanVersionState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { InvoicedKind } from "#schema/vocabulary.js";
import type { Days } from "./days.js";
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

/** A text as the versions 1 and 2 of the document have it. */
export type Texts = readonly [v1: string, v2: string];
const both = (text: string): Texts => [text, text];

export interface Step {
  readonly quantity: Rational;
  readonly unitAmount: Rational;
  readonly flatAmount: Rational;
  readonly amount: Rational;
  readonly note: Texts | null;
  /** A sum, which version 1 has as the flat amount of nothing and version 2 as one unit. */
  readonly isLump: boolean;
}

/** A line before it is numbered, dated or adjusted. */
export interface Charge {
  readonly kind: InvoicedKind;
  /** Of credits. */
  readonly grantId?: string;
  /** Position of the price; undefined for lines without one. */
  readonly price: number | undefined;
  readonly description: Texts;
  readonly quantity: Rational;
  readonly amount: Rational;
  readonly steps: readonly Step[];
}

const ONE: Rational = { n: 1n, d: 1n };
const HUNDRED: Rational = { n: 100n, d: 1n };
const whole = (count: number): Rational => ({ n: BigInt(count), d: 1n });

/** A plan's charges for quantities, one per price in the plan's order, and for the days that fee and commit are due. */
export function charges(plan: PlanVersionState, quantities: readonly Rational[], days: Days): Charge[] {
  const digits = minorDigits(plan.currency);
  const result: Charge[] = [];
  const fee = rational(plan.recurringFee);
  if (!isNothing(fee) && days.fee === days.all) {
    const steps = [lump(fee, both("recurring fee"))];
    result.push(chargeOf("RECURRING", undefined, both("Recurring fee"), ONE, nearest(fee, digits), steps));
  } else if (!isNothing(fee) && days.fee > 0) {
    const part = `${days.fee} of ${days.all} days`;
    const step = row(whole(days.fee), over(fee, whole(days.all)), NOTHING, both(`recurring fee for ${part}`));
    const text = both(`Recurring fee (${part})`);
    result.push(chargeOf("RECURRING", undefined, text, ONE, nearest(step.amount, digits), [step]));
  }
  let used = NOTHING;
  for (const [index, price] of plan.prices.entries()) {
    const quantity = quantities[index] ?? NOTHING;
    const steps = priceSteps(price, quantity);
    const amount = nearest(total(steps.map((step) => step.amount)), digits);
    result.push(chargeOf("USAGE", index, usageTexts(price), quantity, amount, steps));
    used = plus(used, amount);
  }
  const commitStep =
    days.commit === days.all
      ? lump(rational(plan.minimumCommit), ["minimum commit", "minimum commitment"])
      : row(
          whole(days.commit),
          over(rational(plan.minimumCommit), whole(days.all)),
          NOTHING,
          both(`minimum commitment for ${days.commit} of ${days.all} days`),
        );
  const commit = commitStep.amount;
  if (isLess(used, commit)) {
    const sum = fixed(commit, digits);
    const description: Texts = [
      `Minimum commit of ${sum}, less usage`,
      `Minimum commitment of ${sum}, less usage charges`,
    ];
    const steps = [commitStep, lump(negated(used), ["less usage", "less usage charges"])];
    result.push(chargeOf("MINIMUM_COMMIT", undefined, description, ONE, nearest(minus(commit, used), digits), steps));
  }
  return result;
}

/** The rounded line of a price. */
export const usageAmount = (price: PriceState, quantity: Rational, digits: number): Rational =>
  nearest(total(priceSteps(price, quantity).map((step) => step.amount)), digits);

/** What a grant pays of a period's usage: nothing, if it paid once. */
export function creditCharge(grantId: string, paid: Rational): Charge {
  const amount = negated(paid);
  return {
    kind: "CREDIT",
    grantId,
    price: undefined,
    description: both(`Prepaid credits (${grantId})`),
    quantity: isNothing(paid) ? NOTHING : ONE,
    amount,
    steps: [lump(amount, both("paid from prepaid credits"))],
  };
}

function usageTexts({ meter, where }: PriceState): Texts {
  const matches = where.map((match) => `${match.dimension} ${match.value}`).join(", ");
  if (matches === "") return both(`Usage of ${meter}`);
  return [`Usage of ${meter}, ${matches}`, `Usage of ${meter} (${matches})`];
}

function chargeOf(
  kind: Charge["kind"],
  price: number | undefined,
  description: Texts,
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
    const how = `divided by ${price.divideBy}${price.roundUp ? ", rounded up" : ""}`;
    steps.push(row(quantity, NOTHING, NOTHING, both(how)));
  }
  const above = isLess(quantity, NOTHING) ? NOTHING : quantity;
  const allowance = rational(price.included);
  const free = isLess(above, allowance) ? above : allowance;
  if (!isNothing(free)) steps.push(row(free, NOTHING, NOTHING, both("included")));
  steps.push(...modelSteps(price, minus(above, free)));

  const soFar = (): Rational => total(steps.map((step) => step.amount));
  const discount = rational(price.discountPercent);
  if (!isNothing(discount)) {
    const { discountPercent } = price;
    const note: Texts = [`discount of ${discountPercent} %`, `${discountPercent} % discount`];
    steps.push(lump(negated(over(times(soFar(), discount), HUNDRED)), note));
  }
  if (price.minimumAmount !== null && isLess(soFar(), rational(price.minimumAmount))) {
    steps.push(
      lump(minus(rational(price.minimumAmount), soFar()), both(`raised to the minimum of ${price.minimumAmount}`)),
    );
  }
  if (price.maximumAmount !== null && isLess(rational(price.maximumAmount), soFar())) {
    steps.push(lump(minus(rational(price.maximumAmount), soFar()), both(`capped at ${price.maximumAmount}`)));
  }
  return steps;
}

function modelSteps(price: PriceState, quantity: Rational): Step[] {
  switch (price.model) {
    case "FLAT":
      return [lump(given(price.unitAmount), ["flat amount", "flat fee"])];
    case "PER_UNIT":
      return [row(quantity, given(price.unitAmount), NOTHING, null)];
    case "PACKAGE": {
      const packages = ceiling(over(quantity, given(price.packageSize)));
      return [row(packages, given(price.unitAmount), NOTHING, both(`packages of ${price.packageSize}`))];
    }
    case "PERCENTAGE":
      return [row(quantity, over(given(price.ratePercent), HUNDRED), NOTHING, both(`${price.ratePercent} %`))];
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
  if (tier === undefined) throw new RangeError("no tier contains the quantity");
  const name = `tier ${index + 1}`;
  const floor = thousands(price.tiers[index - 1]?.upTo ?? "0");
  const note: Texts =
    tier.upTo === null
      ? [`${name}, without end`, `above ${floor}`]
      : [`${name}, up to ${tier.upTo}`, `${floor} to ${thousands(tier.upTo)}`];
  return [row(quantity, rational(tier.unitAmount), rational(tier.flatAmount), note)];
}

/** A comma before every third digit left of the point. */
function thousands(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const groups: string[] = [];
  for (let end = whole.length; end > 0; end -= 3) groups.unshift(whole.slice(Math.max(0, end - 3), end));
  return fraction === undefined ? groups.join(",") : `${groups.join(",")}.${fraction}`;
}

export const lump = (amount: Rational, note: Texts): Step => ({ ...row(ONE, amount, NOTHING, note), isLump: true });

function row(quantity: Rational, unitAmount: Rational, flatAmount: Rational, note: Texts | null): Step {
  const amount = plus(times(quantity, unitAmount), flatAmount);
  return { quantity, unitAmount, flatAmount, amount, note, isLump: false };
}

function given(text: string | null): Rational {
  if (text === null) throw new RangeError("the price model misses a number");
  return rational(text);
}
