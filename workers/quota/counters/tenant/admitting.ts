import { contains } from "#kernel/period.js";
import { type AskedAmount, contentOf, partKey, severalIn } from "../../rules/asked.js";
import { askedText, familyOf, NO_DIMENSIONS, seriesOf } from "../../rules/scopes.js";
import { appended } from "../appended.js";
import type { Amount, CounterCharge, Decided, Outcome } from "../counters.js";
import { coveringId } from "./bounds.js";
import { isOutdated, isTooMany, keepRequests, requestsOf, scopedHolders, sweep, touch } from "./combinations.js";
import { boundNeeds, type Involved, judge, type Request, read } from "./decide.js";
import { retryAtOf } from "./later.js";
import { isLoaded, moneyFitsButForLoss, readMoney } from "./money.js";
import type { Reservation } from "./reservations.js";
import { noteCounter, type State, setReservation } from "./state.js";
import { add, type Counter, prune, setPeriod, takeBack } from "./window.js";

const ONE_REQUEST: Amount = 10n ** 12n;

/** Whether the reservation was admitted before the counter existed. */
export const isOlder = ({ serial }: Reservation, { sinceSerial }: Counter): boolean => serial < sinceSerial;

/** How many a tenant may have. */
export interface Most {
  /** Keys alive. */
  readonly keys: number;
  /** Combinations of one limit. */
  readonly combinations: number;
}

/** Decides a request at the state's time, and admits it where it may. */
export function decide(state: State, request: Request, most: Most): Outcome {
  const { money } = request;
  const { involved, missing } = involve(state, request, most.combinations);
  if (missing.length > 0) return unknown(state, missing, request.charges);
  if (money !== undefined && !isLoaded(money, state)) return { kind: "unknown" };
  const { now, reservations } = state;
  const consumes = request.kind === "consume";
  const held = consumes ? reservations.get(request.key) : undefined;
  if (held !== undefined) {
    if (!isSame(held, request)) return { kind: "conflict", held: askedText(held) };
    return admitted(state, request, involved, held.expiresAt, true);
  }
  const { allowed, deniedByLoss, readings, ...inMoney } = judgeAll(state, request, involved);
  if (!allowed || !consumes) {
    const retryAt = allowed ? null : retryAtOf(state, request, involved);
    if (typeof retryAt === "object" && retryAt !== null) return unknown(state, retryAt, request.laterCharges ?? []);
    return {
      kind: "decided",
      allowed,
      repeated: false,
      now,
      expiresAt: null,
      retryAt,
      deniedByLoss,
      readings,
      ...inMoney,
    };
  }
  const asked = reservedOf(involved);
  if (reservations.size() + Math.max(1, asked.length) > most.keys) return { kind: "full", most: most.keys };
  const expiresAt = now + request.ttlMs;
  const needs = boundNeeds(involved, readings, state, expiresAt);
  if (needs.length > 0) return { kind: "bounds", epoch: state.epoch, needs };
  admit(state, request, { involved, asked, expiresAt });
  return admitted(state, request, involved, expiresAt, false);
}

function judgeAll(
  state: State,
  { money }: Request,
  involved: readonly Involved[],
): Pick<Decided, "allowed" | "deniedByLoss" | "readings" | "money"> {
  const judged = judge(involved, state);
  if (money === undefined) return judged;
  const reading = readMoney(money, state);
  const allowed = judged.allowed && !reading.denies;
  const deniedByLoss =
    !allowed && (judged.allowed || judged.deniedByLoss) && (!reading.denies || moneyFitsButForLoss(money, state));
  return { allowed, deniedByLoss, readings: judged.readings, money: reading };
}

/** Limits that count by other dimensions may have come or gone since. */
function isSame(held: Reservation, { content, dimensions = NO_DIMENSIONS }: Request): boolean {
  if (held.content !== content) return false;
  for (const [name, value] of held.dimensions) if ((dimensions.get(name) ?? value) !== value) return false;
  return true;
}

function admitted(
  state: State,
  { money }: Request,
  involved: readonly Involved[],
  expiresAt: number,
  repeated: boolean,
): Decided {
  const readings = involved.map((one) => read(one, state, true));
  const { now } = state;
  const decided = {
    kind: "decided",
    allowed: true,
    repeated,
    now,
    expiresAt,
    retryAt: null,
    deniedByLoss: false,
  } as const;
  if (money === undefined) return { ...decided, readings };
  return { ...decided, readings, money: readMoney(money, state, true) };
}

/** Single combinations come by themselves, all else with the tenant: also scopes, and with them when it was lost. */
function unknown({ scopes }: State, missing: readonly string[], charges: readonly CounterCharge[]): Outcome {
  if (!missing.every((id) => familyOf(id) !== undefined)) return { kind: "unknown" };
  const isOfNewScope = charges.some(
    ({ meter, scope, counter }) =>
      scope !== undefined && missing.includes(counter) && !scopes.has(seriesOf(meter ?? "", scope)),
  );
  return isOfNewScope ? { kind: "unknown", missing, isOfNewScope } : { kind: "unknown", missing };
}

function involve(
  state: State,
  { charges }: Request,
  mostCombinations: number,
): { readonly involved: readonly Involved[]; readonly missing: readonly string[] } {
  const { counters, now } = state;
  let involved: Involved[] = [];
  let missing: string[] = [];
  for (const charge of charges) {
    const counter = counters.get(charge.counter) ?? requestsFor(state, charge);
    if (counter === undefined || isOutdated(state, charge)) {
      missing = appended(missing, charge.counter);
      continue;
    }
    if (counter.kind !== "period") prune(counter, now);
    const familyId = charge.scope === undefined ? undefined : familyOf(charge.counter);
    if (familyId === undefined) involved = appended(involved, { charge, counter });
    else {
      touch(state, counter, familyId);
      const isOver = isTooMany(state, charge, counter, familyId, mostCombinations);
      if (!isOver) involved = appended(involved, { charge, counter });
      else if (charge.hardLimit === null) involved = appended(involved, { charge, counter, isUncounted: true });
      else involved = appended(involved, { charge, counter, isTooMany: true });
    }
  }
  return { involved, missing };
}

/** Nobody but the counters knows of requests: a combination without a counter has none. */
function requestsFor(state: State, charge: CounterCharge): Counter | undefined {
  const { meter, scope, counter } = charge;
  if (meter !== null || scope === undefined || familyOf(counter) === undefined) return undefined;
  return state.scopes.has(seriesOf("", scope)) ? requestsOf(state, charge) : undefined;
}

/** What is reserved of each meter that something counts. */
function reservedOf(involved: readonly Involved[]): readonly AskedAmount[] {
  let asked: AskedAmount[] = [];
  for (const { charge } of involved) {
    const { meter, amount } = charge;
    if (meter !== null && !asked.some((one) => one.meter === meter)) asked = appended(asked, { meter, amount });
  }
  return asked;
}

interface Admission {
  readonly involved: readonly Involved[];
  readonly asked: readonly AskedAmount[];
  readonly expiresAt: number;
}

function admit(state: State, request: Request, { involved, asked, expiresAt }: Admission): void {
  const { key, content, dimensions = NO_DIMENSIONS } = request;
  const { now, bounds, journal } = state;
  state.serial += 1;
  if (journal !== undefined) journal.meta = true;
  let isKept = false;
  for (const { charge, counter, isUncounted } of involved) {
    if (isUncounted === true) continue;
    const isRequest = charge.meter === null;
    if (isRequest && charge.scope !== undefined && familyOf(counter.id) !== undefined) {
      keepRequests(state, counter);
      isKept = true;
    }
    if (counter.kind === "period") {
      if (isRequest && charge.window.kind === "period")
        setPeriod(counter, charge.window.start, (counter.periods.get(charge.window.start) ?? 0n) + charge.amount);
    } else if (isRequest) add(counter, now, charge.amount, 0n, now);
    else if (counter.kind === "admission") add(counter, now, 0n, charge.amount, now);
    if (isRequest || counter.kind === "admission") noteCounter(state, counter);
  }
  // Others of which the window has passed make room for those that come.
  if (isKept) sweep(state);
  if (bounds.size > 0) noteAdmission(state, involved);
  const { serial } = state;
  const counted = { admittedAt: now, ...countedAt(involved, now) };
  const reserve = (of: string, text: string, meter: string | null, amount: Amount): void => {
    const reservation = {
      key: of,
      expiresAt,
      ...counted,
      serial,
      open: true,
      content: text,
      meter,
      dimensions,
      amount,
    };
    if (meter !== null) holdElsewhere(state, reservation, involved);
    setReservation(state, of, reservation);
  };
  const [first] = asked;
  reserve(key, content, first?.meter ?? null, first?.amount ?? 0n);
  // The whole text in each would be twenty times as long with twenty meters.
  for (const one of asked) if (one !== first) reserve(partKey(key, one.meter), contentOf([one]), one.meter, one.amount);
}

/** All that a request reserved, of which the first has its key. */
export function partsOf({ reservations }: State, first: Reservation): readonly Reservation[] {
  const meters = severalIn(first.content);
  if (meters.length === 0) return [first];
  return [first, ...meters.flatMap((meter) => reservations.get(partKey(first.key, meter)) ?? [])];
}

/** In short windows of limits that this request was not asked to be charged in: those of another plan. */
function holdElsewhere(state: State, reservation: Reservation, involved: readonly Involved[]): void {
  const { now } = state;
  for (const counter of scopedHolders(state, reservation)) {
    if (counter.kind !== "admission" || involved.some((one) => one.counter === counter)) continue;
    add(counter, now, 0n, reservation.amount, now);
    noteCounter(state, counter);
  }
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
  const { meter } = reservation;
  if (meter === null) return;
  const takeFrom = (counter: Counter): void => {
    if (counter.kind !== "admission" || isOlder(reservation, counter)) return;
    takeBack(counter, reservation.admittedAt, 0n, reservation.amount);
    noteCounter(state, counter);
  };
  for (const counter of state.counters.single()) if (counter.series === meter) takeFrom(counter);
  for (const counter of scopedHolders(state, reservation)) takeFrom(counter);
}

/**
 * Gives back what is open of a key and the requests that it consumed, and forgets the key. If some of it is settled, the work was
 * done: then the requests stay consumed, and the key is not charged again.
 */
export function release(state: State, key: string): boolean {
  const found = state.reservations.get(key);
  if (found === undefined) return false;
  const parts = partsOf(state, found);
  const open = parts.filter((one) => one.open);
  if (open.length === 0) return false;
  for (const one of open) free(state, one);
  if (open.length < parts.length) {
    for (const one of open) setReservation(state, one.key, { ...one, open: false });
    return true;
  }
  const giveBack = (counter: Counter): void => {
    if (isOlder(found, counter)) return;
    if (counter.kind === "period") giveBackInPeriod(counter.periods, found.countedAt ?? found.admittedAt);
    else takeBack(counter, found.admittedAt, ONE_REQUEST, 0n);
    noteCounter(state, counter);
  };
  for (const counter of state.counters.single()) if (counter.series === "") giveBack(counter);
  for (const counter of scopedHolders(state, found, (meter) => meter === null)) giveBack(counter);
  for (const one of parts) setReservation(state, one.key, undefined);
  return true;
}

function giveBackInPeriod(periods: Map<number, Amount>, countedAt: number): void {
  const start = Math.max(...[...periods.keys()].filter((one) => one <= countedAt));
  const used = periods.get(start);
  if (used !== undefined) periods.set(start, used - ONE_REQUEST);
}
