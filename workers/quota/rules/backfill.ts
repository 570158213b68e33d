import { Decimal, ZERO } from "#kernel/decimal.js";
import { periodAt } from "#kernel/period.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { readMeter } from "#schema/meters/meter-reading.js";
import { type UsageChange, usageChange } from "#schema/meters/usage-change.js";
import { isMeterActive, tenantNow } from "#schema/tenancy-history.js";
import type { UsageReading } from "./usage-reading.js";

/** A meter that from `seq` on also counts what no meter counted when it was recorded. */
export interface Backfill {
  readonly meter: string;
  readonly seq: number;
}

export type MetersOfType = (eventType: string) => readonly MeterState[];

const wasUnmetered = (event: RecordedEvent, meters: readonly MeterState[]): boolean =>
  !meters.some((meter) => isMeterActive(meter, event.tenancyVersion));

/**
 * The meters of its type that count an event only because of a backfill between it and the entry at `beforeSeq`. A period that
 * had ended at the backfill may fall below what it holds: no limit reads it any more.
 */
export function metersByBackfill(
  event: RecordedEvent,
  beforeSeq: number,
  backfills: readonly Backfill[],
  metersOfType: MetersOfType,
): MeterState[] {
  if (backfills.length === 0) return [];
  const meters = metersOfType(event.type);
  if (!wasUnmetered(event, meters)) return [];
  return meters.filter(({ id }) =>
    backfills.some(({ meter, seq }) => meter === id && seq > event.seq && seq < beforeSeq),
  );
}

/** What one backfill adds, entry by entry, in the memory of its sums. */
export interface BackfillFold {
  /** Takes entries before the backfill; of one tenant in their order. */
  add(entry: LedgerEntry): void;
  /** One reading per tenant and billing period. Like a void's they settle nothing and touch no window of the moment. */
  readings(): ReadonlyMap<string, readonly UsageReading[]>;
}

/**
 * Sums what a backfill makes its meter count, in the periods that run at it: limits are of the running period, which has not
 * ended for billing either, so that both count the same.
 */
export function foldBackfill(
  { id: meterId, eventType }: MeterState,
  record: Pick<LedgerEntry, "seq" | "recordedAt" | "tenancyVersion">,
  metersOfType: MetersOfType,
  tenantOf: (id: string) => TenantState | undefined,
): BackfillFold {
  const sums = new Map<string, Map<number, Decimal>>();

  function take({ event, sign }: UsageChange): void {
    if (event.type !== eventType) return;
    const tenant = tenantOf(event.tenantId);
    const meters = metersOfType(eventType);
    const meter = meters.find(({ id }) => id === meterId);
    if (tenant === undefined || meter === undefined || !wasUnmetered(event, meters)) return;
    const reading = readMeter(meter, JSON.parse(event.data));
    if (reading.kind === "invalid") return;
    const { start, end } = periodAt(event.time, tenant.billingAnchorDay);
    if (end <= tenantNow(tenant, record.recordedAt)) return;
    const periods = sums.get(event.tenantId) ?? new Map<number, Decimal>();
    periods.set(start, (periods.get(start) ?? ZERO).plus(new Decimal(reading.value).times(sign)));
    sums.set(event.tenantId, periods);
  }

  return {
    add(entry) {
      if (entry.seq >= record.seq) return;
      const change = usageChange(entry);
      if (change !== undefined) take(change);
    },
    readings: () =>
      new Map(
        [...sums].map(([tenantId, periods]) => [
          tenantId,
          [...periods].map(([start, value]) => ({
            ...{ seq: record.seq, meter: meterId, eventId: undefined, value, time: start },
            ...{ arrivedAt: record.recordedAt, recordedAt: record.recordedAt, tenancyVersion: record.tenancyVersion },
          })),
        ]),
      ),
  };
}
