import type { Decimal } from "#kernel/decimal.js";
import { isPeriodWindow, type PeriodWindow } from "#schema/vocabulary.js";
import type { PeriodTotal, RecordedCombinations, SettledEvent, SettleRequest } from "./counters/counters.js";
import { amountOf } from "./rules/amount.js";
import { type CounterKey, counterId, memberId } from "./rules/limits.js";
import { seriesOf } from "./rules/scopes.js";
import { countsAt } from "./rules/usage.js";
import { isClaimed, type TenantUsage, type UsageReading, unplannedOf } from "./rules/usage-reading.js";
import { periodOf } from "./rules/windows.js";

/** In one atomic settlement at most, so that decisions do not wait long for it: each meter of an event may settle a reservation. */
const METERS_PER_REQUEST = 500;

/**
 * A tenant's recorded usage after `previousSeq` up to `seq` as settlements for the counters, each of which moves the tenant's
 * position: usage just recorded, or repeated from the ledger. The first carries the period's totals and the recorded combinations: a
 * reservation must not be released before its usage is counted.
 */
export function settleRequests(
  { tenant, readings, previousSeq, seq }: TenantUsage,
  counted: readonly CounterKey[],
  totals: readonly PeriodTotal[],
  recorded: readonly RecordedCombinations[] = [],
): readonly SettleRequest[] {
  const countedIds = counted.map(counterId);
  const events = eventsOf(readings, counted);
  const requests: SettleRequest[] = [];
  let position = previousSeq;
  for (let at = 0; at === 0 || at < events.length; ) {
    const some = sliceOf(events, at);
    const isLast = at + some.length >= events.length;
    const reached = isLast ? seq : (some.at(-1)?.seq ?? seq);
    requests.push({
      tenantId: tenant.id,
      previousSeq: position,
      seq: reached,
      now: tenant.testClock ?? undefined,
      counted: countedIds,
      events: some.map(({ event }) => event),
      totals: at === 0 ? totals : [],
      ...(at === 0 && recorded.length > 0 && { recorded }),
    });
    position = reached;
    at += Math.max(1, some.length);
  }
  return requests;
}

/** Those of one settlement: one event at least, if there are any left. */
function sliceOf<T extends { readonly event: SettledEvent }>(events: readonly T[], from: number): readonly T[] {
  let to = from;
  let meters = 0;
  for (let next = events[to]; next !== undefined; next = events[to]) {
    meters += next.event.meters.length;
    if (meters > METERS_PER_REQUEST && to > from) break;
    to += 1;
  }
  return events.slice(from, to);
}

/** The totals of the periods that the readings changed, for the counters that count them. */
export function changedTotals(
  { tenant, readings }: Pick<TenantUsage, "tenant" | "readings">,
  counted: readonly CounterKey[],
  /** Of a meter, or of a series of it. */
  periodTotal: (series: string, window: PeriodWindow, periodStart: number) => Decimal | undefined,
): readonly PeriodTotal[] {
  const changed = new Map<string, PeriodTotal>();
  const limited = counted.flatMap((key) => (isPeriodWindow(key.window) ? [{ ...key, window: key.window }] : []));
  if (limited.length === 0) return [];
  for (const reading of readings) {
    for (const key of limited) {
      const counted = countedAs(key, reading);
      if (counted === undefined) continue;
      const { counter, series } = counted;
      const periodStart = periodOf(key.window, reading.time, tenant).start;
      const id = `${counter} ${periodStart}`;
      const total = changed.has(id) ? undefined : periodTotal(series, key.window, periodStart);
      if (total !== undefined) changed.set(id, { counter, periodStart, total: amountOf(total) });
    }
  }
  return [...changed.values()];
}

/** The counter of a key, or in its family, that a reading counts in, and what is counted there; undefined: none. */
function countedAs(
  key: CounterKey,
  reading: UsageReading,
): { readonly counter: string; readonly series: string } | undefined {
  const { meter, scoped = [] } = reading;
  if (key.meter !== meter) return undefined;
  const { scope } = key;
  if (scope === undefined) return { counter: counterId(key), series: meter };
  const found = scoped.find(({ counted }) => counted.scope.id === scope.id && counted.windows.has(key.window));
  if (found === undefined && isPeriodOfBilling(key) && scope.by.length === 0) {
    const dimensions = unplannedOf(reading);
    if (dimensions === undefined || !isClaimed({ meter, scope }, dimensions)) return undefined;
    return { counter: counterId(key), series: seriesOf(meter, scope) };
  }
  return found && { counter: memberId(counterId(key), found.combination), series: found.series };
}

const isPeriodOfBilling = ({ window }: CounterKey): boolean => window === "BILLING_PERIOD";

/** Readings of one entry are one event: its id settles one reservation, whichever of its meters that is on. */
function eventsOf(readings: readonly UsageReading[], keys: readonly CounterKey[]) {
  const meters = new Set(keys.map(({ meter }) => meter));
  const sliding = keys.filter(({ window }) => !isPeriodWindow(window));
  const events = new Map<number, { readonly seq: number; readonly event: GrowingEvent }>();
  for (const reading of readings) {
    const { seq, meter, eventId, value } = reading;
    if (eventId === undefined || !meters.has(meter)) continue;
    const known = events.get(seq) ?? { seq, event: { key: eventId, meters: [], charges: [] } };
    known.event.meters.push(meter);
    for (const key of sliding) {
      const counted = countedAs(key, reading);
      if (counted === undefined) continue;
      known.event.charges.push({ counter: counted.counter, amount: amountOf(value), at: countsAt(reading) });
    }
    events.set(seq, known);
  }
  return [...events.values()];
}

interface GrowingEvent extends SettledEvent {
  readonly meters: string[];
  readonly charges: SettledEvent["charges"][number][];
}
