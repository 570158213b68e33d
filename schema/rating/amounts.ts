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
  const amount = amounts(price, currency);
  const ends = price.model === "VOLUME" ? lastQuantities(price) : [];
  return {
    amount,
    /** More never costs less, but for the next tier of a VOLUME price, which prices all of it: each tier costs most at its end. */
    highest(from, to) {
      let highest = amount(to);
      for (const end of ends) {
        if (end < from) continue;
        if (end >= to) break;
        const atEnd = amount(end);
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
  const byModel = modelOf(price);
  const minorUnits = 10n ** BigInt(minorDigits(currency));
  const inOneMinor = ONE / minorUnits;
  return (quantity) => {
    const [n, d] = roundUp ? [ceiling(quantity, divideBy), 1n] : [quantity, divideBy];
    const left = n * ONE - included * d;
    let [amount, of] = byModel(left < 0n ? 0n : left, d);
    amount *= kept;
    of *= HUNDRED * ONE;
    if (least !== undefined && amount * ONE < least * of) [amount, of] = [least, ONE];
    if (most !== undefined && amount * ONE > most * of) [amount, of] = [most, ONE];
    // Half up; nothing costs less than nothing.
    return ((2n * amount * minorUnits + of) / (2n * of)) * inOneMinor;
  };
}

/** What is left to price after conversion and allowance, `n / (d * ONE)`, becomes an amount. */
function modelOf(price: PriceState): (n: bigint, d: bigint) => Fraction {
  switch (price.model) {
    case "FLAT": {
      const once = scaled(price.unitAmount);
      return () => [once, ONE];
    }
    case "PER_UNIT": {
      const unit = scaled(price.unitAmount);
      return (n, d) => [n * unit, d * ONE * ONE];
    }
    case "PERCENTAGE": {
      const percent = scaled(price.ratePercent);
      return (n, d) => [n * percent, d * ONE * ONE * HUNDRED];
    }
    case "PACKAGE": {
      const [unit, size] = [scaled(price.unitAmount), scaled(price.packageSize)];
      return (n, d) => [ceiling(n, d * size) * unit, ONE];
    }
    case "GRADUATED": {
      const tiers = tiersOf(price);
      return (n, d) => {
        let [sum, lower] = [0n, 0n];
        for (const { upTo, unit, flat } of tiers) {
          const upper = upTo === null || n <= upTo * d ? n : upTo * d;
          sum += (upper - lower) * unit + flat * d * ONE;
          lower = upper;
          if (upper === n) break;
        }
        return [sum, d * ONE * ONE];
      };
    }
    case "VOLUME": {
      const tiers = tiersOf(price);
      return (n, d) => {
        const tier = tiers.find(({ upTo }) => upTo === null || n <= upTo * d);
        if (tier === undefined) throw new RangeError("the last tier of a price must be unbounded");
        return [n * tier.unit + tier.flat * d * ONE, d * ONE * ONE];
      };
    }
  }
}

const tiersOf = ({ tiers }: PriceState) =>
  tiers.map(({ upTo, unitAmount, flatAmount }) => ({
    upTo: upTo === null ? null : scaled(upTo),
    unit: scaled(unitAmount),
    flat: scaled(flatAmount),
  }));

/** The largest quantity in each tier but the last, ascending. */
function lastQuantities(price: PriceState): readonly bigint[] {
  const [divideBy, included] = [scaled(price.divideBy), scaled(price.included)];
  return tiersOf(price).flatMap(({ upTo }) => {
    if (upTo === null) return [];
    const converted = upTo + included;
    return [price.roundUp ? (converted / ONE) * divideBy : (converted * divideBy) / ONE];
  });
}

/** Published plans always have what their model needs, and no price below zero: tenancy refuses the others. */
function scaled(text: string | null): bigint {
  if (text === null) throw new RangeError("a price lacks a field of its model");
  return BigInt(new Decimal(text).times(ONE.toString()).toFixed());
}

const ceiling = (n: bigint, d: bigint): bigint => (n > 0n ? (n + d - 1n) / d : n / d);
