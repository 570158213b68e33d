import { Decimal } from "#kernel/decimal.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, countingMeters, type MetersOfType, metersAtRecording } from "#schema/meters/counting-meters.js";
import { dataFor, readMeter } from "#schema/meters/meter-reading.js";
import { usageChange } from "#schema/meters/usage-change.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { CALENDAR_WINDOWS, isAdditive, SLIDING_WINDOWS } from "#schema/vocabulary.js";
import type { LimitsInForce } from "./limits.js";
import { combinationId, combinationOf, isWithin, seriesOf } from "./scopes.js";
import {
  type CountedScope,
  type CountedScopes,
  type ScopedReading,
  type UsageReading,
  unplannedReading,
} from "./usage-reading.js";
import {
  ALWAYS_TOTALLED,
  bucketStart,
  COUNTED_FOR_MS,
  countsInDay,
  GRAIN_MS,
  type Grain,
  isJudged,
  isSlice,
  periodOf,
  REBUILT_FROM,
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
  { scopesAt = NO_SCOPES, backfills = [] }: ReadingOptions = {},
): readonly UsageReading[] {
  const change = usageChange(entry);
  if (change === undefined) return [];
  const { event, sign } = change;
  const readings: UsageReading[] = [];
  const counting =
    sign === 1 ? metersAtRecording(event, metersOfType) : countingMeters(event, entry.seq, metersOfType, backfills);
  const isBackfilled = sign === -1 && metersAtRecording(event, metersOfType).length === 0;
  const meters = counting.filter(({ aggregation }) => isAdditive(aggregation));
  const data = dataFor(meters, event.data);
  for (const meter of meters) {
    const reading = readMeter(meter, data);
    if (reading.kind === "invalid") continue;
    const value = new Decimal(reading.value);
    // By the stamp of the event, so that a void takes back what was counted.
    const scopes = isBackfilled ? "no plan" : scopesAt(event.time, event.tenancyVersion);
    const scoped = scopedReadings(meter, reading.dimensions, scopes);
    const read = {
      seq: entry.seq,
      meter: meter.id,
      eventId: sign === 1 && !event.imported ? event.id : undefined,
      value: sign === -1 ? value.negated() : value,
      time: event.time,
      arrivedAt: tenantNow(tenant, entry.recordedAt),
      recordedAt: entry.recordedAt,
      tenancyVersion: entry.tenancyVersion,
      scoped: scoped.length > 0 ? scoped : undefined,
    };
    readings.push(event.imported ? { ...read, imported: event.imported } : read);
  }
  return readings;
}

export interface ReadingOptions {
  /** The scopes that usage of a moment, stamped with a tenancy version, counts in. */
  readonly scopesAt?: (atMs: number, version: number) => CountedScopes;
  readonly backfills?: readonly Backfill[];
}

const NO_SCOPES = (): CountedScopes => [];

function scopedReadings(
  meter: Pick<MeterState, "id" | "dimensions">,
  values: readonly string[],
  scopes: CountedScopes,
): readonly ScopedReading[] {
  if (scopes === "no plan") return meter.dimensions.length === 0 ? [] : [unplannedReading(meter, values)];
  const own = scopes.filter((counted) => counted.meter === meter.id);
  if (own.length === 0) return [];
  const dimensions = new Map(meter.dimensions.map((name, index) => [name, values[index] ?? ""]));
  return own.flatMap((counted) => {
    const { scope } = counted;
    if (isWithin(scope, dimensions) !== true) return [];
    const combined = combinationOf(scope, dimensions);
    const combination = combinationId(combined);
    return [{ counted, values: combined, combination, series: seriesOf(meter.id, scope, combination) }];
  });
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

/** The stored totals of a scope that a reading is added to: those that its limits need, while they are judged. */
export function scopedGrains(
  { time, arrivedAt, eventId, imported, backfilled }: UsageReading,
  { windows }: CountedScope,
  tenant: WindowsOf,
): readonly GrainBucket[] {
  const buckets: GrainBucket[] = [];
  const period = periodOf("BILLING_PERIOD", time, tenant);
  if (windows.has("BILLING_PERIOD") && backfilled?.period !== false && isJudged(period, arrivedAt))
    buckets.push({ grain: "BILLING_PERIOD", bucketStart: period.start });
  if (CALENDAR_WINDOWS.some((window) => windows.has(window)) && !imported) {
    const day = periodOf("CALENDAR_DAY", time, tenant);
    if (countsInDay(day, arrivedAt, tenant)) buckets.push({ grain: "CALENDAR_DAY", bucketStart: day.start });
  }
  if (eventId === undefined) return buckets;
  for (const window of SLIDING_WINDOWS) {
    if (!windows.has(window)) continue;
    for (const grain of new Set<SlidingGrain>([window, REBUILT_FROM[window]])) {
      const start = bucketStart(isSlice(grain) ? countsAt({ time, arrivedAt }) : time, GRAIN_MS[grain]);
      if (start + COUNTED_FOR_MS[grain] >= arrivedAt) buckets.push({ grain, bucketStart: start });
    }
  }
  return buckets;
}
