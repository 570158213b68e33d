import { Decimal } from "#kernel/decimal.js";
import { periodAt } from "#kernel/period.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, countingMeters, type MetersOfType, metersAtRecording } from "#schema/meters/counting-meters.js";
import { readMeter } from "#schema/meters/meter-reading.js";
import { usageChange } from "#schema/meters/usage-change.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { isAdditive } from "#schema/vocabulary.js";
import type { LimitsInForce } from "./limits.js";
import type { UsageReading } from "./usage-reading.js";
import { ALWAYS_TOTALLED, bucketStart, GRAIN_MS, type Grain, TOTALLED_WHERE_LIMITED } from "./windows.js";

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
  const data: unknown = meters.length === 0 ? undefined : JSON.parse(event.data);
  for (const meter of meters) {
    const reading = readMeter(meter, data);
    if (reading.kind === "invalid") continue;
    const value = new Decimal(reading.value);
    readings.push({
      seq: entry.seq,
      meter: meter.id,
      eventId: sign === 1 ? event.id : undefined,
      value: sign === -1 ? value.negated() : value,
      time: event.time,
      arrivedAt: tenantNow(tenant, entry.recordedAt),
      recordedAt: entry.recordedAt,
      tenancyVersion: entry.tenancyVersion,
    });
  }
  return readings;
}

export interface GrainBucket {
  readonly grain: Grain;
  readonly bucketStart: number;
}

/**
 * The totals that a reading is added to. A void or a backfill only corrects its billing period: sliding windows have passed.
 */
export function grainsOf(
  reading: UsageReading,
  anchorDay: number,
  arrivalLimits: LimitsInForce | undefined,
): readonly GrainBucket[] {
  const period: GrainBucket = { grain: "BILLING_PERIOD", bucketStart: periodAt(reading.time, anchorDay).start };
  if (reading.eventId === undefined) return [period];
  const limited = (window: Grain): boolean =>
    arrivalLimits?.limits.some((limit) => limit.meter === reading.meter && limit.window === window) ?? false;
  const short = TOTALLED_WHERE_LIMITED.filter(limited);
  const sliding = [...short, ...ALWAYS_TOTALLED].map((grain) => ({
    grain,
    bucketStart: bucketStart(reading.arrivedAt, GRAIN_MS[grain]),
  }));
  return [period, ...sliding];
}
