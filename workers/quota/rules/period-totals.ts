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

/** What the totals of a tenant's windows are made of. */
export interface TotalsOfTenant {
  readonly totals: TotalsBySeries;
  /** Of the claimed series: what was recorded before anybody knew of them, in billing periods. It is stored under none of them. */
  readonly claimed: TotalsBySeries;
}

/** A meter's or series' totals of windows with a start and an end, by their start, from the stored totals that they are made of. */
export function totalsOfPeriods(
  series: string,
  window: PeriodWindow,
  { totals, claimed }: TotalsOfTenant,
  tenant: WindowsOf,
): ReadonlyMap<number, Decimal> {
  const sums = new Map<number, Decimal>();
  for (const { grain, bucketStart, total } of [...(totals.get(series) ?? []), ...(claimed.get(series) ?? [])]) {
    if (grain !== SUMMED_FROM[window]) continue;
    const { start } = periodOf(window, bucketStart, tenant);
    sums.set(start, (sums.get(start) ?? ZERO).plus(total));
  }
  return sums;
}
