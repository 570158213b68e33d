import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { PeriodWindow } from "#schema/vocabulary.js";
import { periodOf, SUMMED_FROM, type WindowsOf } from "./windows.js";

/** A stored total of a meter, or of a series of it. */
export interface StoredTotal {
  /** Its grain, by its name in the database. */
  readonly grain: string;
  readonly bucketStart: number;
  readonly total: Decimal;
}

/** Stored totals by meter or series: a tenant may have very many of these. */
export type TotalsBySeries = ReadonlyMap<string, readonly StoredTotal[]>;

/** A meter's or series' totals of windows with a start and an end, by their start, from the stored totals that they are made of. */
export function totalsOfPeriods(
  series: string,
  window: PeriodWindow,
  totals: TotalsBySeries,
  tenant: WindowsOf,
): ReadonlyMap<number, Decimal> {
  const sums = new Map<number, Decimal>();
  for (const { grain, bucketStart, total } of totals.get(series) ?? []) {
    if (grain !== SUMMED_FROM[window]) continue;
    const { start } = periodOf(window, bucketStart, tenant);
    sums.set(start, (sums.get(start) ?? ZERO).plus(total));
  }
  return sums;
}
