import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { roundToMinor } from "#kernel/money.js";

/**
 * Decimals for pricing. Sums and products of in-range values are exact; a non-terminating quotient (a quantity divided by 3)
 * keeps 400 digits, and `settle` removes its error before anything is rounded, so that 1/3 x 0.015 is 0.005 and rounds up
 * correctly.
 */
const Exact = Decimal.clone({ precision: 400 });

export const exact = (value: Decimal | string): Decimal => new Exact(value);

/**
 * Digits that fit any terminating result of pricing: quantity, unit conversion, rate and discount have at most 12 fractional
 * digits each, and a quotient's error is below 1e-350.
 */
const SETTLED_DIGITS = 120;
const settle = (value: Decimal): Decimal => exact(value).toDecimalPlaces(SETTLED_DIGITS, Decimal.ROUND_HALF_UP);

/** Digits printed in an invoice's arithmetic; only non-terminating quotients have more. */
const PRINTED_DIGITS = 40;

/** The only rounding of a line: half up, away from zero, to the currency's minor unit. */
export function roundLine(amount: Decimal, currency: string): Decimal {
  return new Decimal(roundToMinor(settle(amount), currency));
}

/** Text of an unrounded number for the invoice's arithmetic. */
export function printExact(value: Decimal): string {
  return formatDecimal(settle(value).toDecimalPlaces(PRINTED_DIGITS, Decimal.ROUND_HALF_UP));
}
