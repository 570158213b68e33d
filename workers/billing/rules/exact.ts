import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { roundToMinor } from "#kernel/money.js";

/**
 * Decimals for pricing. Sums and products of in-range values are exact; a quotient that does not terminate (a quantity
 * divided by 3) carries 400 digits, and `settle` takes that error back before anything is rounded, so that 1/3 x 0.015 is
 * 0.005 and rounds up as it must.
 */
const Exact = Decimal.clone({ precision: 400 });

export const exact = (value: Decimal | string): Decimal => new Exact(value);

/**
 * Digits that any terminating result of pricing fits in: quantity, unit conversion, rate and discount have at most 12
 * fractional digits each, and a quotient is off by less than 1e-350.
 */
const SETTLED_DIGITS = 120;
const settle = (value: Decimal): Decimal => exact(value).toDecimalPlaces(SETTLED_DIGITS, Decimal.ROUND_HALF_UP);

/** Digits that an invoice's arithmetic prints; only quotients that do not terminate have more. */
const PRINTED_DIGITS = 40;

/** The one rounding of a line: half up, away from zero, to the currency's minor unit. */
export function roundLine(amount: Decimal, currency: string): Decimal {
  return new Decimal(roundToMinor(settle(amount), currency));
}

/** Text of an unrounded number for the invoice's arithmetic. */
export function printExact(value: Decimal): string {
  return formatDecimal(settle(value).toDecimalPlaces(PRINTED_DIGITS, Decimal.ROUND_HALF_UP));
}
