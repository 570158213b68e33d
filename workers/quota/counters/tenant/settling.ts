import { meterOfSeries, scopeKeyOf, seriesOfCounter } from "../../rules/scopes.js";
import type {
  LoadedCounter,
  LoadedScope,
  PeriodTotal,
  SettledEvent,
  SettleOutcome,
  SettleRequest,
  TenantExtension,
  TenantLoad,
} from "../counters.js";
import { free, isOlder, partsOf } from "./admitting.js";
import { countRecorded, forgetScope, learnScope, sweep } from "./combinations.js";
import { holdReservations } from "./later.js";
import { addCounter, dropCounter, noteCounter, type State, setReservation } from "./state.js";
import { add, createCounter, meterOf, replaceUsed, setPeriod } from "./window.js";

/** Usage that the ledger has recorded, at the state's time. */
export function settle(state: State, request: SettleRequest): SettleOutcome {
  if (state.seq >= request.seq) return "applied";
  // A part of it, settled by another process: repeating all of it would count that part twice.
  if (state.seq !== request.previousSeq) return "behind";
  moveTo(state, request.seq);
  dropAllBut(state, request.counted);
  for (const event of request.events) settleEvent(state, event);
  setTotals(state, request.totals);
  for (const recorded of request.recorded ?? []) countRecorded(state, recorded);
  sweep(state);
  return "applied";
}

/**
 * Usage that follows does not reach the others. What is known of requests is nowhere else, and no usage concerns it. `ids`: of
 * counters, and of families of them.
 */
function dropAllBut(state: State, ids: readonly string[]): void {
  for (const counter of state.counters.single())
    if (counter.meter !== null && !ids.includes(counter.id)) dropCounter(state, counter);
  for (const { id, meter, members } of state.counters.families().values())
    if (meter !== null && !ids.includes(id)) for (const counter of members.values()) dropCounter(state, counter);
  if (state.scopes.size === 0) return;
  const left = new Set(ids.map(seriesOfCounter));
  for (const key of state.scopes.keys()) if (meterOfSeries(key) !== "" && !left.has(key)) forgetScope(state, key);
}

function moveTo(state: State, seq: number): void {
  state.seq = seq;
  if (state.journal !== undefined) state.journal.meta = true;
}

/** What is reserved of a meter is settled by usage of that meter; other usage counts by its own time. */
function settleEvent(state: State, event: SettledEvent): void {
  const { counters, now } = state;
  const held = event.key === undefined ? undefined : state.reservations.get(event.key);
  const parts = held === undefined ? NONE : partsOf(state, held);
  const settled = parts.filter(({ open, meter }) => open && meter !== null && event.meters.includes(meter));
  for (const one of settled) {
    free(state, one);
    setReservation(state, one.key, { ...one, open: false });
  }
  for (const { counter: id, amount, at } of event.charges) {
    const counter = counters.get(id);
    if (counter === undefined || counter.kind === "period") continue;
    const own = counter.kind === "admission" ? settled.find(({ meter }) => meter === counter.meter) : undefined;
    const isHeld = own !== undefined && state.reservations.isIn(counter.series)(own) && !isOlder(own, counter);
    add(counter, isHeld ? own.admittedAt : at, amount, 0n, now);
    noteCounter(state, counter);
  }
}
const NONE: readonly never[] = [];

export function setTotals(state: State, totals: readonly PeriodTotal[]): void {
  for (const { counter: id, periodStart, total } of totals) {
    const counter = state.counters.get(id);
    if (counter?.kind !== "period") continue;
    setPeriod(counter, periodStart, total);
    noteCounter(state, counter);
  }
}

/** Adds the counters that are missing; nothing where the load is of another position, since its usage would not fit. */
export function addMissing(state: State, load: TenantLoad): void {
  if (load.seq !== state.seq) return;
  // Without scopes it is not stored.
  state.lostBefore = Math.max(state.lostBefore, load.lostBefore ?? 0);
  for (const scope of load.scopes ?? []) learnScope(state, scope);
  for (const one of load.counters) if (state.counters.get(one.counter) === undefined) loadCounter(state, one);
}

/** The same for counters of single combinations. */
export function extend(state: State, { seq, scopes, counters }: TenantExtension): void {
  if (seq !== state.seq) return;
  for (const scope of scopes) learnScope(state, scope);
  const isOfNow = ({ key, period }: LoadedScope): boolean => state.scopes.get(key)?.period === period;
  const current = new Set(scopes.filter(isOfNow).map(({ key }) => key));
  for (const one of counters) {
    if (state.counters.get(one.counter) !== undefined) continue;
    const { window } = one;
    const recorded = one.recorded === true && current.has(scopeKeyOf(seriesOfCounter(one.counter)) ?? "");
    // What was admitted before a loss is known to nobody.
    const isShort = window.kind === "admission" && state.lostBefore > 0;
    loadCounter(state, { ...one, recorded, blockedUntil: isShort ? state.lostBefore + window.windowMs : 0 });
  }
  sweep(state);
}

function loadCounter(state: State, loaded: LoadedCounter): void {
  const { counter: id, window, blockedUntil, usage, recorded = false } = loaded;
  const { now, serial, journal } = state;
  const holds = window.kind === "admission" && meterOf(id) !== null;
  const sinceSerial = holds ? 0 : serial + 1;
  const counter = createCounter({ id, window, blockedUntil, sinceSerial, isStored: journal !== undefined, recorded });
  counter.usedAt = now;
  for (const { at, used } of usage) {
    if (counter.kind === "period") setPeriod(counter, at, (counter.periods.get(at) ?? 0n) + used);
    else add(counter, at, used, 0n, now);
  }
  if (holds && counter.kind !== "period") holdReservations(state, counter);
  addCounter(state, counter);
}

/**
 * Takes over used amounts of a later position, and what is reserved stays reserved. Counters of single combinations are loaded
 * again when somebody asks.
 */
export function repair(state: State, load: TenantLoad): void {
  if (load.seq <= state.seq) return;
  moveTo(state, load.seq);
  dropAllBut(
    state,
    load.counters.map(({ counter }) => counter),
  );
  for (const scope of load.scopes ?? []) learnScope(state, scope);
  for (const { counter: id, usage } of load.counters) {
    const counter = state.counters.get(id);
    if (counter === undefined || counter.meter === null) continue;
    if (counter.kind === "period") for (const { at, used } of usage) setPeriod(counter, at, used);
    else replaceUsed(counter, usage, state.now);
    noteCounter(state, counter);
  }
}
