import { contains } from "#kernel/period.js";
import { appended } from "../appended.js";
import type { Amount, Decided, Outcome } from "../counters.js";
import { coveringId } from "./bounds.js";
import { boundNeeds, type Involved, judge, type Request, read } from "./decide.js";
import { retryAtOf } from "./later.js";
import type { Reservation } from "./reservations.js";
import { noteCounter, type State, setReservation } from "./state.js";
import { add, type Counter, prune, setPeriod, takeBack } from "./window.js";

const ONE_REQUEST: Amount = 10n ** 12n;

/** Whether the reservation was admitted before the counter existed. */
export const isOlder = ({ serial }: Reservation, { sinceSerial }: Counter): boolean => serial < sinceSerial;

/** Decides a request at the state's time, and admits it where it may. */
export function decide(state: State, request: Request, maxKeys: number): Outcome {
  const involved = involve(state, request);
  if (involved === undefined) return { kind: "unknown" };
  const { now, reservations } = state;
  const consumes = request.kind === "consume";
  const held = consumes ? reservations.get(request.key) : undefined;
  if (held !== undefined) {
    if (held.content !== request.content) return { kind: "conflict", held: held.content };
    return admitted(state, involved, held.expiresAt, true);
  }
  const { allowed, deniedByLoss, readings } = judge(involved, state);
  if (!allowed || !consumes) {
    const retryAt = allowed ? null : retryAtOf(state, request, involved);
    if (retryAt === "unknown") return { kind: "unknown" };
    return { kind: "decided", allowed, repeated: false, now, expiresAt: null, retryAt, deniedByLoss, readings };
  }
  if (reservations.size() >= maxKeys) return { kind: "full", most: maxKeys };
  const expiresAt = now + request.ttlMs;
  const needs = boundNeeds(involved, readings, state, expiresAt);
  if (needs.length > 0) return { kind: "bounds", epoch: state.epoch, needs };
  admit(state, request, involved, expiresAt);
  return admitted(state, involved, expiresAt, false);
}

function admitted(state: State, involved: readonly Involved[], expiresAt: number, repeated: boolean): Decided {
  const readings = involved.map((one) => read(one, state, true));
  const { now } = state;
  return { kind: "decided", allowed: true, repeated, now, expiresAt, retryAt: null, deniedByLoss: false, readings };
}

function involve({ counters, now }: State, { charges }: Request): readonly Involved[] | undefined {
  let involved: Involved[] = [];
  for (const charge of charges) {
    const counter = counters.get(charge.counter);
    if (counter === undefined) return undefined;
    if (counter.kind !== "period") prune(counter, now);
    involved = appended(involved, { charge, counter });
  }
  return involved;
}

function admit(state: State, { key, content, meter }: Request, involved: readonly Involved[], expiresAt: number): void {
  const { now, bounds, journal } = state;
  state.serial += 1;
  if (journal !== undefined) journal.meta = true;
  let reserved: Amount | undefined;
  for (const { charge, counter } of involved) {
    const isRequest = charge.meter === null;
    if (!isRequest) reserved ??= charge.amount;
    if (counter.kind === "period") {
      if (isRequest && charge.window.kind === "period")
        setPeriod(counter, charge.window.start, (counter.periods.get(charge.window.start) ?? 0n) + charge.amount);
    } else if (isRequest) add(counter, now, charge.amount, 0n, now);
    else if (counter.kind === "admission") add(counter, now, 0n, charge.amount, now);
    if (isRequest || counter.kind === "admission") noteCounter(state, counter);
  }
  if (bounds.size > 0) noteAdmission(state, involved);
  const { serial } = state;
  const amount = reserved ?? 0n;
  const counted = { admittedAt: now, ...countedAt(involved, now) };
  setReservation(state, key, { key, expiresAt, ...counted, serial, open: true, content, meter, amount });
}

/** Where the requests' windows do not contain `now`: the start that is in all of them, as they contain one moment of the gate's. */
function countedAt(involved: readonly Involved[], now: number): { readonly countedAt?: number } {
  const windows = involved.flatMap(({ charge: { meter, window } }) =>
    meter === null && window.kind === "period" ? window : [],
  );
  if (windows.every((window) => contains(window, now))) return {};
  return { countedAt: Math.max(...windows.map(({ start }) => start)) };
}

/** Bounds under which something is admitted are lowered later. */
function noteAdmission({ bounds, now }: State, involved: readonly Involved[]): void {
  const noted = new Set<string>();
  for (const { charge } of involved) {
    const id = coveringId(charge, now);
    const bound = bounds.get(id);
    if (bound !== undefined && !noted.has(id)) bound.recent += charge.amount;
    noted.add(id);
  }
}

/** Ends at most `most` due reservations; true: none is due any more. */
export function endDue(state: State, most: number): boolean {
  const { reservations, now } = state;
  if (reservations.nextExpiry() > now) return true;
  for (let ended = 0; ended < most; ended += 1) {
    const due = reservations.nextDue(now);
    if (due === undefined) return true;
    const found = reservations.get(due.key);
    if (found === undefined || found.expiresAt > now) continue;
    if (found.open) free(state, found);
    setReservation(state, due.key, undefined);
  }
  return reservations.nextExpiry() > now;
}

/** Takes an open reservation out of the short windows that hold it. */
export function free(state: State, reservation: Reservation): void {
  if (reservation.meter === null) return;
  for (const counter of state.counters.values()) {
    if (counter.kind !== "admission" || counter.meter !== reservation.meter || isOlder(reservation, counter)) continue;
    takeBack(counter, reservation.admittedAt, 0n, reservation.amount);
    noteCounter(state, counter);
  }
}

/** Gives back an open reservation and the requests that it consumed, and forgets its key. */
export function release(state: State, key: string): boolean {
  const found = state.reservations.get(key);
  if (found?.open !== true) return false;
  free(state, found);
  for (const counter of state.counters.values()) {
    if (counter.meter !== null || isOlder(found, counter)) continue;
    if (counter.kind === "period") giveBackInPeriod(counter.periods, found.countedAt ?? found.admittedAt);
    else takeBack(counter, found.admittedAt, ONE_REQUEST, 0n);
    noteCounter(state, counter);
  }
  setReservation(state, key, undefined);
  return true;
}

function giveBackInPeriod(periods: Map<number, Amount>, countedAt: number): void {
  const start = Math.max(...[...periods.keys()].filter((one) => one <= countedAt));
  const used = periods.get(start);
  if (used !== undefined) periods.set(start, used - ONE_REQUEST);
}
