import { Decimal as DecimalJs } from "decimal.js";

/**
 * The number type for quantities and money: exact decimal arithmetic, never a float. Division keeps 60 significant digits;
 * addition and multiplication of in-range values (see `parseDecimal`) are exact.
 */
export const Decimal = DecimalJs.clone({
  precision: 60,
  rounding: DecimalJs.ROUND_HALF_UP,
  toExpNeg: -100,
  toExpPos: 100,
});
export type Decimal = DecimalJs;

export const ZERO: Decimal = new Decimal(0);

const PLAIN_DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;
export const MAX_INTEGER_DIGITS = 18;
export const MAX_FRACTION_DIGITS = 12;

/**
 * Parses a decimal in plain notation with at most 18 integer and 12 fractional digits. Undefined for anything else (exponents,
 * a leading plus, NaN, too many digits).
 */
export function parseDecimal(text: string): Decimal | undefined {
  if (text.length > MAX_INTEGER_DIGITS + MAX_FRACTION_DIGITS + 2 || !PLAIN_DECIMAL.test(text)) return undefined;
  const [integer = "", fraction = ""] = text.replace("-", "").split(".");
  if (integer.length > MAX_INTEGER_DIGITS || fraction.replace(/0+$/, "").length > MAX_FRACTION_DIGITS) return undefined;
  return new Decimal(text);
}

/** Canonical text of a decimal: plain notation, no trailing zeros, no negative zero. Equal values have equal text. */
export function formatDecimal(value: Decimal): string {
  return value.isZero() ? "0" : value.toFixed();
}

/** A decimal's text for people: a comma before every third integer digit, e.g. "-1,234.5". */
export function grouped(text: string): string {
  const [integer = "", ...fraction] = text.split(".");
  return [integer.replaceAll(/\B(?=(\d{3})+$)/g, ","), ...fraction].join(".");
}

export function sumDecimals(values: Iterable<Decimal>): Decimal {
  let total = ZERO;
  for (const value of values) total = total.plus(value);
  return total;
}
