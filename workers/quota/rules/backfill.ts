import { Decimal, ZERO } from "#kernel/decimal.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, type MetersOfType, metersAtRecording } from "#schema/meters/counting-meters.js";
import { parsedData, readMeter } from "#schema/meters/meter-reading.js";
import { type UsageChange, usageChange } from "#schema/meters/usage-change.js";
import { tenantNow } from "#schema/tenancy-history.js";
import { type ScopedReading, type UsageReading, unplannedReading } from "./usage-reading.js";
import { calendarSince, periodOf } from "./windows.js";

/** The contribution of one backfill, entry by entry, in memory proportional to its sums. */
export interface BackfillFold {
  /** Takes entries before the backfill, in order within a tenant. */
  add(entry: LedgerEntry): void;
  /**
   * One reading per tenant, day of its calendar, two where a billing period begins within it, and combination of dimensions, by
   * time. Like a void's they settle nothing and affect no sliding window.
   */
  readings(): ReadonlyMap<string, readonly UsageReading[]>;
}

/**
 * Sums a backfill's usage in the windows current at it: limits apply to the current billing period, which is open for billing
 * too, so both count the same, and to the current windows of the calendar.
 */
export function foldBackfill(
  { meter, seq }: Backfill,
  { recordedAt, tenancyVersion }: Pick<LedgerEntry, "recordedAt" | "tenancyVersion">,
  metersOfType: MetersOfType,
  tenantOf: (id: string) => TenantState | undefined,
): BackfillFold {
  const sums = new Map<string, Map<string, Sum>>();

  function take({ event, sign }: UsageChange): void {
    const tenant = tenantOf(event.tenantId);
    if (event.type !== meter.eventType || tenant === undefined) return;
    if (metersAtRecording(event, metersOfType).length > 0) return;
    const reading = readMeter(meter, parsedData(event.data));
    if (reading.kind === "invalid") return;
    const now = tenantNow(tenant, recordedAt);
    const period = periodOf("BILLING_PERIOD", event.time, tenant);
    const day = periodOf("CALENDAR_DAY", event.time, tenant);
    const backfilled = {
      period: period.end > now,
      calendar: !event.imported && day.start >= calendarSince(now, tenant),
    };
    if (!backfilled.period && !backfilled.calendar) return;
    const start = Math.max(period.start, day.start);
    const scoped = meter.dimensions.length === 0 ? undefined : [unplannedReading(meter, reading.dimensions)];
    const key = `${start} ${scoped?.[0]?.combination}`;
    const ofTenant = sums.get(event.tenantId) ?? new Map<string, Sum>();
    const before = ofTenant.get(key)?.value ?? ZERO;
    ofTenant.set(key, { start, value: before.plus(new Decimal(reading.value).times(sign)), scoped, backfilled });
    sums.set(event.tenantId, ofTenant);
  }

  return {
    add(entry) {
      if (entry.seq >= seq) return;
      const change = usageChange(entry);
      if (change !== undefined) take(change);
    },
    readings: () =>
      new Map(
        [...sums].map(([tenantId, ofTenant]) => {
          const tenant = tenantOf(tenantId);
          const arrivedAt = tenant === undefined ? recordedAt : tenantNow(tenant, recordedAt);
          const readings = [...ofTenant.values()].map(({ start, value, scoped, backfilled }) => ({
            ...{ seq, meter: meter.id, eventId: undefined, value, scoped, time: start, backfilled },
            ...{ arrivedAt, recordedAt, tenancyVersion },
          }));
          readings.sort((a, b) => a.time - b.time);
          return [tenantId, readings];
        }),
      ),
  };
}

interface Sum {
  readonly start: number;
  readonly scoped: readonly ScopedReading[] | undefined;
  readonly value: Decimal;
  readonly backfilled: NonNullable<UsageReading["backfilled"]>;
}
