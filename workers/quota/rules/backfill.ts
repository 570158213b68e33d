import { Decimal, ZERO } from "#kernel/decimal.js";
import { periodAt } from "#kernel/period.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type Backfill, type MetersOfType, metersAtRecording } from "#schema/meters/counting-meters.js";
import { readMeter } from "#schema/meters/meter-reading.js";
import { type UsageChange, usageChange } from "#schema/meters/usage-change.js";
import { tenantNow } from "#schema/tenancy-history.js";
import type { UsageReading } from "./usage-reading.js";

/** The contribution of one backfill, entry by entry, in memory proportional to its sums. */
export interface BackfillFold {
  /** Takes entries before the backfill, in order within a tenant. */
  add(entry: LedgerEntry): void;
  /** One reading per tenant and billing period. Like a void's they settle nothing and affect no sliding window. */
  readings(): ReadonlyMap<string, readonly UsageReading[]>;
}

/**
 * Sums a backfill's usage in the periods current at it: limits apply to the current period, which is open for billing too, so
 * both count the same.
 */
export function foldBackfill(
  { meter, seq }: Backfill,
  { recordedAt, tenancyVersion }: Pick<LedgerEntry, "recordedAt" | "tenancyVersion">,
  metersOfType: MetersOfType,
  tenantOf: (id: string) => TenantState | undefined,
): BackfillFold {
  const sums = new Map<string, Map<number, Decimal>>();

  function take({ event, sign }: UsageChange): void {
    const tenant = tenantOf(event.tenantId);
    if (event.type !== meter.eventType || tenant === undefined) return;
    if (metersAtRecording(event, metersOfType).length > 0) return;
    const reading = readMeter(meter, JSON.parse(event.data));
    if (reading.kind === "invalid") return;
    const { start, end } = periodAt(event.time, tenant.billingAnchorDay);
    if (end <= tenantNow(tenant, recordedAt)) return;
    const periods = sums.get(event.tenantId) ?? new Map<number, Decimal>();
    periods.set(start, (periods.get(start) ?? ZERO).plus(new Decimal(reading.value).times(sign)));
    sums.set(event.tenantId, periods);
  }

  return {
    add(entry) {
      if (entry.seq >= seq) return;
      const change = usageChange(entry);
      if (change !== undefined) take(change);
    },
    readings: () =>
      new Map(
        [...sums].map(([tenantId, periods]) => {
          const tenant = tenantOf(tenantId);
          const arrivedAt = tenant === undefined ? recordedAt : tenantNow(tenant, recordedAt);
          const readings = [...periods].map(([start, value]) => ({
            ...{ seq, meter: meter.id, eventId: undefined, value, time: start },
            ...{ arrivedAt, recordedAt, tenancyVersion },
          }));
          return [tenantId, readings];
        }),
      ),
  };
}
