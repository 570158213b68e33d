import type { Decimal } from "#kernel/decimal.js";
import { periodAt } from "#kernel/period.js";
import type { SettledCharge, SettledEvent, SettleRequest } from "./counters/counters.js";
import { type CounterKey, counterId, countersOf, type LimitsInForce, reservationOf } from "./rules/limits.js";
import { unitsUp } from "./rules/scaling.js";
import type { TenantUsage, UsageReading } from "./rules/usage-reading.js";
import { bucketStart, SLIDING } from "./rules/windows.js";

/** Maximum events per atomic settlement, so that decisions do not wait long for it. */
const EVENTS_PER_REQUEST = 500;

/**
 * A tenant's part of a batch as settlements for the counters, each of which moves the tenant's position. The first carries the
 * period's totals: a reservation must not be released before its usage is counted.
 */
export function settleRequests(
  { tenant, readings, previousSeq, seq }: TenantUsage,
  inForce: LimitsInForce | undefined,
  periodTotal: (meter: string, periodStart: number) => Decimal | undefined,
): readonly SettleRequest[] {
  const keys = countersOf(inForce?.limits ?? []);
  const inForceIds = keys.map(counterId);
  const periods = new Map<string, { counter: string; bucketStart: number; total: number }>();
  for (const reading of readings) {
    const { start } = periodAt(reading.time, tenant.billingAnchorDay);
    const total = periodTotal(reading.meter, start);
    if (total === undefined) continue;
    for (const key of keysOf(keys, reading.meter, true)) {
      const counter = counterId(key);
      periods.set(`${counter} ${start}`, { counter, bucketStart: start, total: unitsUp(total, key.scale) });
    }
  }
  const events = eventsOf(readings, keys);
  const requests: SettleRequest[] = [];
  let position = previousSeq;
  for (let at = 0; at === 0 || at < events.length; at += EVENTS_PER_REQUEST) {
    const some = events.slice(at, at + EVENTS_PER_REQUEST);
    const isLast = at + EVENTS_PER_REQUEST >= events.length;
    const reached = isLast ? seq : (some.at(-1)?.seq ?? seq);
    requests.push({
      tenantId: tenant.id,
      previousSeq: position,
      seq: reached,
      inForce: inForceIds,
      events: some.map(({ meters }) => ({ meters })),
      totals: at === 0 ? [...periods.values()] : [],
    });
    position = reached;
  }
  return requests;
}

/** Readings of one entry stay together: its id settles one reservation per meter. */
function eventsOf(readings: readonly UsageReading[], keys: readonly CounterKey[]) {
  const events = new Map<number, { readonly seq: number; readonly meters: SettledEvent["meters"][number][] }>();
  for (const { seq, meter, eventId, value, arrivedAt } of readings) {
    if (eventId === undefined || !keys.some((key) => key.meter === meter)) continue;
    const charges = keysOf(keys, meter, false).map(
      (key): SettledCharge => ({
        counter: counterId(key),
        amount: unitsUp(value, key.scale),
        bucketStart: key.window === "BILLING_PERIOD" ? 0 : bucketStart(arrivedAt, SLIDING[key.window].bucketMs),
      }),
    );
    const event = events.get(seq) ?? { seq, meters: [] };
    event.meters.push({ reservation: reservationOf(meter, eventId), charges });
    events.set(seq, event);
  }
  return [...events.values()];
}

function keysOf(keys: readonly CounterKey[], meter: string, ofPeriod: boolean): readonly CounterKey[] {
  return keys.filter((key) => key.meter === meter && (key.window === "BILLING_PERIOD") === ofPeriod);
}
