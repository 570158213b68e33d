import { Decimal, MAX_FRACTION_DIGITS } from "#kernel/decimal.js";
import { minorDigits } from "#kernel/money.js";
import type { PriceState } from "../events/tenancy-changed.v1.js";

/** What quantities cost under one price, rounded as its line on an invoice. Quantities and amounts are whole numbers of 10^-12. */
export interface Rating {
  amount(quantity: bigint): bigint;
  /** The highest amount that any quantity from one to another costs. */
  highest(from: bigint, to: bigint): bigint;
}

const ONE = 10n ** BigInt(MAX_FRACTION_DIGITS);
const HUNDRED = 100n;

/** A number as numerator and denominator, which is positive. */
type Fraction = readonly [n: bigint, d: bigint];

/**
 * The amounts of `priceUsage`, without its steps: whoever decides while a client waits asks for several, and a price is read
 * once for all of them. Exact, in fractions of whole numbers; for every model a property test compares the two.
 */
export function createRating(price: PriceState, currency: string): Rating {
  const rated = amounts(price, currency);
  const ofNothing = rated(0n);
  /** Of many prices, most have no usage. */
  const amount = (quantity: bigint): bigint => (quantity === 0n ? ofNothing : rated(quantity));
  const last = price.model === "VOLUME" ? lastQuantities(price) : [];
  const ends = last.map((end) => ({ end, atEnd: amount(end) }));
  return {
    amount,
    /** More never costs less, but for the next tier of a VOLUME price, which prices all of it: each tier costs most at its end. */
    highest(from, to) {
      let highest = amount(to);
      for (const { end, atEnd } of ends) {
        if (end < from) continue;
        if (end >= to) break;
        if (atEnd > highest) highest = atEnd;
      }
      return highest;
    },
  };
}

function amounts(price: PriceState, currency: string): (quantity: bigint) => bigint {
  const { roundUp, minimumAmount, maximumAmount } = price;
  const divideBy = scaled(price.divideBy);
  const included = scaled(price.included);
  const kept = HUNDRED * ONE - scaled(price.discountPercent);
  const [least, most] = [
    minimumAmount === null ? undefined : scaled(minimumAmount),
    maximumAmount === null ? undefined : scaled(maximumAmount),
  ];
  const d = roundUp ? 1n : divideBy;
  const allowance = included * d;
  const byModel = modelOf(price, d);
  const minorUnits = 10n ** BigInt(minorDigits(currency));
  const inOneMinor = ONE / minorUnits;
  return (quantity) => {
    const left = (roundUp ? ceiling(quantity, divideBy) : quantity) * ONE - allowance;
    let [amount, of] = byModel(left < 0n ? 0n : left);
    amount *= kept;
    of *= HUNDRED * ONE;
    if (least !== undefined && amount * ONE < least * of) [amount, of] = [least, ONE];
    if (most !== undefined && amount * ONE > most * of) [amount, of] = [most, ONE];
    // Half up; nothing costs less than nothing.
    return ((2n * amount * minorUnits + of) / (2n * of)) * inOneMinor;
  };
}

/** What is left to price after conversion and allowance, `n / (d * ONE)`, becomes an amount. */
function modelOf(price: PriceState, d: bigint): (n: bigint) => Fraction {
  switch (price.model) {
    case "FLAT": {
      const once = scaled(price.unitAmount);
      return () => [once, ONE];
    }
    case "PER_UNIT": {
      const unit = scaled(price.unitAmount);
      return (n) => [n * unit, d * ONE * ONE];
    }
    case "PERCENTAGE": {
      const percent = scaled(price.ratePercent);
      return (n) => [n * percent, d * ONE * ONE * HUNDRED];
    }
    case "PACKAGE": {
      const [unit, size] = [scaled(price.unitAmount), scaled(price.packageSize)];
      return (n) => [ceiling(n, d * size) * unit, ONE];
    }
    case "GRADUATED": {
      const tiers = tiersOf(price, d);
      return (n) => {
        const { lower, unit, flat, below } = tierOf(tiers, n);
        return [below + (n - lower) * unit + flat, d * ONE * ONE];
      };
    }
    case "VOLUME": {
      const tiers = tiersOf(price, d);
      return (n) => {
        const { unit, flat } = tierOf(tiers, n);
        return [n * unit + flat, d * ONE * ONE];
      };
    }
  }
}

/** Quantities as multiples of `1 / (d * ONE)`, amounts of `1 / (d * ONE * ONE)`. */
interface Tier {
  readonly lower: bigint;
  readonly upper: bigint | null;
  readonly unit: bigint;
  readonly flat: bigint;
  /** What all tiers below it cost together. */
  readonly below: bigint;
}

function tiersOf(price: PriceState, d: bigint): readonly Tier[] {
  let [lower, below] = [0n, 0n];
  return price.tiers.map(({ upTo, unitAmount, flatAmount }) => {
    const upper = upTo === null ? null : scaled(upTo) * d;
    const tier = { lower, upper, unit: scaled(unitAmount), flat: scaled(flatAmount) * d * ONE, below };
    if (upper !== null) {
      below += (upper - lower) * tier.unit + tier.flat;
      lower = upper;
    }
    return tier;
  });
}

/** `upTo` is inclusive. */
function tierOf(tiers: readonly Tier[], n: bigint): Tier {
  const tier = tiers.find(({ upper }) => upper === null || n <= upper);
  if (tier === undefined) throw new RangeError("the last tier of a price must be unbounded");
  return tier;
}

/** The largest quantity in each tier but the last, ascending. */
function lastQuantities(price: PriceState): readonly bigint[] {
  const [divideBy, included] = [scaled(price.divideBy), scaled(price.included)];
  return price.tiers.flatMap(({ upTo }) => {
    if (upTo === null) return [];
    const converted = scaled(upTo) + included;
    return [price.roundUp ? (converted / ONE) * divideBy : (converted * divideBy) / ONE];
  });
}

/** Published plans always have what their model needs, and no price below zero: tenancy refuses the others. */
function scaled(text: string | null): bigint {
  if (text === null) throw new RangeError("a price lacks a field of its model");
  return BigInt(new Decimal(text).times(ONE.toString()).toFixed());
}

const ceiling = (n: bigint, d: bigint): bigint => (n > 0n ? (n + d - 1n) / d : n / d);
