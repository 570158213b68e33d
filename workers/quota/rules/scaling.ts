import { Decimal } from "#kernel/decimal.js";

/** Limits keep this many significant digits, so that counters stay exact in doubles (Lua has nothing else). */
export const SIGNIFICANT_DIGITS = 15;
const SATURATED = 9_000_000_000_000_000;

/** Fractional digits that a limit's counter keeps; negative when the limit has more integer digits than counters do. */
export function scaleOf(limit: Decimal): number {
  const integerDigits = limit.lt(1) ? 0 : limit.e + 1;
  return Math.min(limit.decimalPlaces(), SIGNIFICANT_DIGITS - integerDigits);
}

/** An amount in units of 10^-scale, rounded up: what is charged is never less than the amount. Saturates at 9 * 10^15. */
export function unitsUp(amount: Decimal, scale: number): number {
  const units = amount.times(Decimal.pow(10, scale)).ceil();
  return Math.max(-SATURATED, Math.min(SATURATED, units.toNumber())) || 0;
}

/** A limit in units of 10^-scale, rounded down: what is admitted is never more than the limit. */
export function unitsDown(limit: Decimal, scale: number): number {
  return Math.min(SATURATED, limit.times(Decimal.pow(10, scale)).floor().toNumber());
}

export function fromUnits(units: number, scale: number): Decimal {
  return new Decimal(units).times(Decimal.pow(10, -scale));
}
