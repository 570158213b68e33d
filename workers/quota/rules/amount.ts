import { Decimal, formatDecimal } from "#kernel/decimal.js";

/** Amounts in counters: whole numbers of 10^-12, the finest that quantities have, so that sums and comparisons are exact. */

const DIGITS = 12;
const UNIT = 10n ** BigInt(DIGITS);

/** One of whatever is counted. */
export const ONE_UNIT: bigint = UNIT;

/** The amount of a quantity; digits beyond the twelfth, which only a product can have, are rounded up. */
export function amountOf(quantity: Decimal): bigint {
  const number = quantity.isInteger() ? quantity.toNumber() : Number.NaN;
  if (Number.isSafeInteger(number)) return BigInt(number) * UNIT;
  return BigInt(quantity.times(SCALE).ceil().toFixed());
}
const SCALE = Decimal.pow(10, DIGITS);

export function decimalOf(amount: bigint): Decimal {
  return new Decimal(amountText(amount));
}

/** Canonical decimal text, as `formatDecimal` writes it. */
export function amountText(amount: bigint): string {
  if (amount % UNIT === 0n) return String(amount / UNIT);
  const digits = String(amount < 0n ? -amount : amount).padStart(DIGITS + 1, "0");
  const whole = digits.slice(0, -DIGITS);
  const fraction = digits.slice(-DIGITS);
  return formatDecimal(new Decimal(`${amount < 0n ? "-" : ""}${whole}.${fraction}`));
}

/** Whole units, rounded down. */
export function wholeOf(amount: bigint): bigint {
  const whole = amount / UNIT;
  return amount < 0n && amount % UNIT !== 0n ? whole - 1n : whole;
}
