import { Decimal } from "#kernel/decimal.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, countingMeters, type MetersOfType, metersAtRecording } from "#schema/meters/counting-meters.js";
import { dataFor, readMeter } from "#schema/meters/meter-reading.js";
import { usageChange } from "#schema/meters/usage-change.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { isAdditive } from "#schema/vocabulary.js";
import type { LimitsInForce } from "./limits.js";
import type { UsageReading } from "./usage-reading.js";
import {
  ALWAYS_TOTALLED,
  bucketStart,
  COUNTED_FOR_MS,
  countsInDay,
  GRAIN_MS,
  type Grain,
  isSlice,
  periodOf,
  type SlidingGrain,
  TOTALLED_WHERE_LIMITED,
  type WindowsOf,
} from "./windows.js";

/**
 * The readings of an entry by the COUNT and SUM meters that were active at its tenancy version. A void retracts from the meters
 * that counted its event, at recording or through one of the `backfills` since.
 */
export function usageReadings(
  entry: LedgerEntry,
  metersOfType: MetersOfType,
  tenant: Pick<TenantState, "testClock">,
  backfills: readonly Backfill[] = [],
): readonly UsageReading[] {
  const change = usageChange(entry);
  if (change === undefined) return [];
  const { event, sign } = change;
  const readings: UsageReading[] = [];
  const counting =
    sign === 1 ? metersAtRecording(event, metersOfType) : countingMeters(event, entry.seq, metersOfType, backfills);
  const meters = counting.filter(({ aggregation }) => isAdditive(aggregation));
  const data = dataFor(meters, event.data);
  for (const meter of meters) {
    const reading = readMeter(meter, data);
    if (reading.kind === "invalid") continue;
    const value = new Decimal(reading.value);
    const read = {
      seq: entry.seq,
      meter: meter.id,
      eventId: sign === 1 && !event.imported ? event.id : undefined,
      value: sign === -1 ? value.negated() : value,
      time: event.time,
      arrivedAt: tenantNow(tenant, entry.recordedAt),
      recordedAt: entry.recordedAt,
      tenancyVersion: entry.tenancyVersion,
    };
    readings.push(event.imported ? { ...read, imported: event.imported } : read);
  }
  return readings;
}

export interface GrainBucket {
  readonly grain: Grain;
  readonly bucketStart: number;
}

/** When usage counts in sliding windows: at its own time, or on arrival if its clock was ahead. */
export const countsAt = ({ time, arrivedAt }: Pick<UsageReading, "time" | "arrivedAt">): number =>
  Math.min(time, arrivedAt);

/**
 * The stored totals that a reading is added to, by its own time; `inForce`: the limits of that time. What arrives when a window
 * has passed only counts in its billing period, and so do imports. Voids and backfills, which only correct, count in no window that slides.
 */
export function grainsOf(
  reading: UsageReading,
  tenant: WindowsOf,
  inForce: LimitsInForce | undefined,
): readonly GrainBucket[] {
  const { time, arrivedAt, backfilled } = reading;
  const buckets: GrainBucket[] = [];
  if (backfilled?.period !== false)
    buckets.push({ grain: "BILLING_PERIOD", bucketStart: periodOf("BILLING_PERIOD", time, tenant).start });
  const day = periodOf("CALENDAR_DAY", time, tenant);
  if (!reading.imported && backfilled?.calendar !== false && countsInDay(day, arrivedAt, tenant))
    buckets.push({ grain: "CALENDAR_DAY", bucketStart: day.start });
  if (reading.eventId === undefined) return buckets;
  const add = (grain: SlidingGrain): void => {
    const start = bucketStart(isSlice(grain) ? countsAt(reading) : time, GRAIN_MS[grain]);
    if (start + COUNTED_FOR_MS[grain] >= arrivedAt) buckets.push({ grain, bucketStart: start });
  };
  for (const grain of TOTALLED_WHERE_LIMITED) {
    if (inForce?.limits.some(({ meter, window }) => meter === reading.meter && window === grain)) add(grain);
  }
  ALWAYS_TOTALLED.forEach(add);
  return buckets;
}
