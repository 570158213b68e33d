import { Decimal, formatDecimal } from "#kernel/decimal.js";

/** Limits keep this many significant digits, so that counters stay exact in doubles (Lua's only number type). */
export const SIGNIFICANT_DIGITS = 15;
const SATURATED = 9_000_000_000_000_000;

/** Fractional digits of a limit's counter; negative when the limit has more integer digits than counters do. */
export function scaleOf(limit: Decimal): number {
  const integerDigits = limit.lt(1) ? 0 : limit.e + 1;
  return Math.min(limit.decimalPlaces(), SIGNIFICANT_DIGITS - integerDigits);
}

const POWERS = Array.from({ length: 64 }, (_, index) => Decimal.pow(10, index - 32));
const power = (exponent: number): Decimal => POWERS[exponent + 32] ?? Decimal.pow(10, exponent);

/** An amount in units of 10^-scale, rounded up: a charge is never less than the amount. Saturates at 9 * 10^15. */
export function unitsUp(amount: Decimal, scale: number): number {
  const units = scale === 0 ? amount.ceil() : amount.times(power(scale)).ceil();
  return Math.max(-SATURATED, Math.min(SATURATED, units.toNumber())) || 0;
}

/** A limit in units of 10^-scale, rounded down: admission never exceeds the limit. */
export function unitsDown(limit: Decimal, scale: number): number {
  return Math.min(SATURATED, limit.times(power(scale)).floor().toNumber());
}

export function fromUnits(units: number, scale: number): Decimal {
  return new Decimal(units).times(power(-scale));
}

/** Canonical decimal text of units, as `formatDecimal` writes it. */
export function unitsText(units: number, scale: number): string {
  if (units === 0) return "0";
  if (scale === 0 && Math.abs(units) < 1e21) return String(units);
  return formatDecimal(fromUnits(units, scale));
}
