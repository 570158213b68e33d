import { MINUTE_MS } from "#kernel/duration.js";
import { combinationId, combinationOf, isWithin, scopeKeyOf, seriesOf } from "../../rules/scopes.js";
import type { CounterCharge, LoadedScope, RecordedCombinations } from "../counters.js";
import type { Family } from "./counters.js";
import type { Reservation } from "./reservations.js";
import { addCounter, dropCounter, noteRecorded, type State } from "./state.js";
import { type Counter, createCounter, prune } from "./window.js";

/** A combination that nobody asked about for so long is forgotten, unless only its counter knows what counts. */
const IDLE_MS = 10 * MINUTE_MS;
/** Combinations of meters that are held; beyond it those that nobody asked about for longest go: the database has them. */
const MOST_METERED = 4_096;
/** Of each family, whenever something is done. */
const LOOKED_AT = 8;

/** A scope is known from now on, and its reservations are told apart. Facts of a later billing period replace earlier ones. */
export function learnScope(state: State, scope: LoadedScope): void {
  const { scopes, reservations, journal } = state;
  const { key, by, where, except, period, recorded } = scope;
  const held = scopes.get(key);
  if (held !== undefined && (held.period > period || (held.period === period && held.recorded === recorded))) return;
  scopes.set(key, { key, by, where, ...(except && { except }), period, recorded });
  journal?.scopes.add(key);
  if (held === undefined) reservations.addScope(scope);
  else if (held.period < period) renew(state, key);
}

/** What was recorded in another billing period says nothing: counters are loaded again when somebody asks. */
function renew(state: State, key: string): void {
  for (const { scope, meter, members } of state.counters.families().values())
    if (scope === key && meter !== null) for (const counter of members.values()) dropCounter(state, counter);
  state.reservations.renewScope(key);
}

/** Usage of these combinations is recorded; of other billing periods than the scope's nothing is counted here. */
export function countRecorded(state: State, { key, period, recorded, series }: RecordedCombinations): void {
  const { scopes, counters, reservations, journal } = state;
  const held = scopes.get(key);
  if (held?.period !== period) return;
  if (recorded !== undefined && recorded !== held.recorded) {
    scopes.set(key, { ...held, recorded });
    journal?.scopes.add(key);
  }
  const families = [...counters.families().values()].filter(({ scope }) => scope === key);
  for (const one of series) {
    reservations.ageOpen(one);
    for (const { id, members } of families) {
      const counter = members.get(id + one.slice(key.length));
      if (counter !== undefined) noteRecorded(state, counter);
    }
  }
}

/** Whether the counters of a combination may be of an earlier billing period than a request. */
export const isOutdated = ({ scopes }: State, { meter, scope, period }: CounterCharge): boolean =>
  meter !== null &&
  scope !== undefined &&
  period !== undefined &&
  (scopes.get(seriesOf(meter, scope))?.period ?? 0) < period;

export function forgetScope({ scopes, reservations, journal }: State, key: string): void {
  if (!scopes.delete(key)) return;
  reservations.removeScope(key);
  journal?.scopes.add(key);
}

/** A counter of requests of one combination, which is not stored before something counts in it. */
export function requestsOf({ now, serial, lostBefore, journal }: State, charge: CounterCharge): Counter {
  const { counter: id, window } = charge;
  const blockedUntil = lostBefore === 0 || window.kind === "period" ? 0 : lostBefore + window.windowMs;
  const isStored = journal !== undefined;
  const created = createCounter({ id, window, blockedUntil, sinceSerial: serial + 1, isStored, recorded: false });
  created.usedAt = now;
  return created;
}

/** Keeps a counter of requests that something counts in from now on. */
export function keepRequests(state: State, counter: Counter): void {
  if (state.counters.get(counter.id) === undefined) addCounter(state, counter);
}

/** Forgets at most `most` combinations of a tenant that nobody, in no process, has asked about for long; true: there may be more. */
export function forgetIdle(state: State, now: number, most: number): boolean {
  if (state.hasOwnClock || state.now + IDLE_MS > now) return false;
  let left = most;
  for (const { members } of [...state.counters.families().values()])
    for (const counter of members.values()) {
      if (left === 0) return true;
      if (!isElsewhere(counter, now)) continue;
      dropCounter(state, counter);
      left -= 1;
    }
  return false;
}

/** Forgets some combinations that are idle. */
export function sweep(state: State): void {
  for (const family of [...state.counters.families().values()]) {
    let left = LOOKED_AT;
    for (const counter of family.members.values()) {
      if (left === 0) break;
      left -= 1;
      const isIdle = counter.meter === null || counter.usedAt + IDLE_MS <= state.now;
      if (isIdle && isElsewhere(counter, state.now)) dropCounter(state, counter);
      // Those asked about later are behind it.
      else if (!isIdle) break;
      else state.counters.requeue(family, counter);
    }
  }
  while (state.counters.metered() > MOST_METERED && dropOldest(state));
}

function dropOldest(state: State): boolean {
  let oldest: Counter | undefined;
  for (const family of state.counters.families().values()) {
    if (family.meter === null) continue;
    const [first] = family.members.values();
    if (first !== undefined && (oldest === undefined || first.usedAt < oldest.usedAt)) oldest = first;
  }
  if (oldest === undefined) return false;
  dropCounter(state, oldest);
  return true;
}

/** Whether nothing is lost with the counter: the database has usage, reservations are kept by themselves. */
function isElsewhere(counter: Counter, now: number): boolean {
  if (counter.blockedUntil > now) return false;
  if (counter.meter !== null) return true;
  if (counter.kind === "period") return false;
  prune(counter, now);
  return counter.entries.length === 0;
}

/** Somebody asks about it: others go first. */
export function touch(state: State, counter: Counter, familyId: string): void {
  counter.usedAt = state.now;
  const family = state.counters.families().get(familyId);
  if (family?.members.has(counter.id) === true) state.counters.requeue(family, counter);
}

/** Of a short window, the counters with a scope that a reservation counts in, as far as they are loaded. */
export function* scopedHolders(
  state: State,
  { meter, dimensions }: Pick<Reservation, "meter" | "dimensions">,
  isOfMeter: (meter: string | null) => boolean = (of) => of === meter,
): Iterable<Counter> {
  const { counters, scopes } = state;
  if (scopes.size === 0) return;
  for (const counter of counters.single()) {
    const key = isOfMeter(counter.meter) ? scopeKeyOf(counter.series) : undefined;
    const scope = key === undefined ? undefined : scopes.get(key);
    if (scope !== undefined && isWithin(scope, dimensions) !== false) yield counter;
  }
  for (const family of counters.families().values())
    if (isOfMeter(family.meter)) yield* membersHolding(state, family, dimensions);
}

function* membersHolding(
  { scopes }: State,
  { id, scope: key, members }: Family,
  dimensions: Reservation["dimensions"],
): Iterable<Counter> {
  const scope = scopes.get(key);
  if (scope === undefined || isWithin(scope, dimensions) === false) return;
  if (scope.by.some((name) => !dimensions.has(name))) {
    yield* members.values();
    return;
  }
  const held = members.get(`${id}|${combinationId(combinationOf(scope, dimensions))}`);
  if (held !== undefined) yield held;
}

/** Whether one more combination would be too many: a hard limit denies it, and a soft one on requests does not count it. */
export function isTooMany(
  state: State,
  { meter, hardLimit }: CounterCharge,
  counter: Counter,
  familyId: string,
  most: number,
): boolean {
  if (meter === null) {
    const isFull = (): boolean => {
      const members = state.counters.families().get(familyId)?.members;
      return members !== undefined && !members.has(counter.id) && members.size >= most;
    };
    if (!isFull()) return false;
    // Those whose window has passed make room.
    sweep(state);
    return isFull();
  }
  if (hardLimit === null || counter.recorded || state.reservations.isOpen(counter.series)) return false;
  const key = scopeKeyOf(counter.series) ?? "";
  return (state.scopes.get(key)?.recorded ?? 0) + state.reservations.openCombinations(key) >= most;
}
