import { type Decimal, parseDecimal } from "#kernel/decimal.js";
import type { Reason } from "./reasons.js";

/** Constraints on a decimal input. */
export interface AmountBounds {
  /** Canonical decimal text. */
  readonly max?: string;
  readonly positive?: boolean;
}

/** Errors of one decimal, which must not be negative; null is not checked. */
export function amountReasons(path: string, text: string | null, bounds: AmountBounds = {}): Reason[] {
  if (text === null) return [];
  const value = parseDecimal(text);
  if (value === undefined)
    return [{ path, detail: "must be a decimal with at most 18 integer and 12 fractional digits" }];
  if (bounds.positive === true && !value.greaterThan(0)) return [{ path, detail: "must be greater than 0" }];
  if (value.lessThan(0)) return [{ path, detail: "must not be negative" }];
  if (bounds.max !== undefined && value.greaterThan(bounds.max))
    return [{ path, detail: `must be at most ${bounds.max}` }];
  return [];
}

/** Whether `a` < `b`, for two decimal texts; undefined when one is not a decimal (which `amountReasons` reports). */
export function isLess(a: string, b: string): boolean | undefined {
  const left: Decimal | undefined = parseDecimal(a);
  const right: Decimal | undefined = parseDecimal(b);
  return left === undefined || right === undefined ? undefined : left.lessThan(right);
}
