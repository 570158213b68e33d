import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { PeriodWindow } from "#schema/vocabulary.js";
import { periodOf, SUMMED_FROM, type WindowsOf } from "./windows.js";

/** A stored total. */
export interface StoredTotal {
  /** Or the series of a scope of it. */
  readonly meter: string;
  /** Its grain, by its name in the database. */
  readonly grain: string;
  readonly bucketStart: number;
  readonly total: Decimal;
}

/** A meter's totals of windows with a start and an end, by their start, from the stored totals that they are made of. */
export function totalsOfPeriods(
  meter: string,
  window: PeriodWindow,
  totals: readonly StoredTotal[],
  tenant: WindowsOf,
): ReadonlyMap<number, Decimal> {
  const sums = new Map<number, Decimal>();
  for (const { bucketStart, total, ...of } of totals) {
    if (of.meter !== meter || of.grain !== SUMMED_FROM[window]) continue;
    const { start } = periodOf(window, bucketStart, tenant);
    sums.set(start, (sums.get(start) ?? ZERO).plus(total));
  }
  return sums;
}
