import type {
  BoundGrant,
  Operation,
  Outcome,
  PeriodTotal,
  SettleOutcome,
  SettleRequest,
  TenantExtension,
  TenantLoad,
} from "../counters.js";
import { decide, endDue, type Most, release } from "./admitting.js";
import { forgetIdle } from "./combinations.js";
import { createCounters } from "./counters.js";
import { grant, lower, lowered, lowersAgainAt, lowersLater, pruneBounds } from "./granting.js";
import { openReservation, packReservation } from "./packing.js";
import { createReservations, type Reservation } from "./reservations.js";
import { addMissing, extend, repair, setTotals, settle } from "./settling.js";
import { clearJournal, createJournal, type Meta, type State } from "./state.js";
import { applyHead, applyReservation, changesOf, rollback, type TenantChanges, wholeHead, wholeOf } from "./storing.js";
import { prune } from "./window.js";

export type TenantState = ReturnType<typeof assemble>;

/** `isStored`: whether something stores the state, which asks for changes; otherwise they are not noted. */
export function createTenant(load: TenantLoad, now: number, isStored = true): TenantState {
  const { epoch, seq, hasOwnClock } = load;
  const lost = load.lost.filter(({ until }) => until > now);
  const start = { epoch, seq, hasOwnClock, now, serial: 0, lostBefore: load.lostBefore ?? 0, lost };
  const state = assemble(start, createReservations(), isStored);
  state.load(load);
  return state;
}

/** A state from what `takeChanges` or `head` and `reservations` returned. Throws on another format. */
export function openTenant(
  head: Iterable<readonly [string, string]>,
  reservations: Iterable<readonly [string, string]>,
  isStored = true,
): TenantState {
  const empty = { epoch: "", hasOwnClock: false, seq: 0, now: 0, serial: 0, lostBefore: 0, lost: [] };
  const state = assemble(empty, createReservations(opened(reservations)), isStored);
  state.applyHead(head);
  return state;
}

function* opened(reservations: Iterable<readonly [string, string]>): Iterable<Reservation> {
  for (const [key, packed] of reservations) yield openReservation(key, packed);
}

/**
 * One tenant's counters, reservations and bounds, and all that may happen to them. Synchronous; each call is bounded, and does
 * nothing or all of its work.
 */
function assemble(start: Meta & Pick<State, "lost">, reservations: State["reservations"], isStored: boolean) {
  const journal = isStored ? createJournal(reservations.size()) : undefined;
  const state: State = {
    epoch: start.epoch,
    hasOwnClock: start.hasOwnClock,
    seq: start.seq,
    now: start.now,
    serial: start.serial,
    lostBefore: start.lostBefore,
    lost: start.lost,
    counters: createCounters(),
    scopes: new Map(),
    reservations,
    bounds: new Map(),
    journal,
  };

  function moveTo(to: number): void {
    if (to <= state.now) return;
    state.now = to;
    if (state.lost.length > 0) pruneBounds(state);
  }

  return {
    epoch: (): string => state.epoch,
    /** Whether its time moves with its operations only. */
    hasOwnClock: (): boolean => state.hasOwnClock,
    /** The ledger position up to which usage is settled here. */
    seq: (): number => state.seq,
    /** Ends at most `most` due reservations; true: none is due any more. Before `execute` and `settle`. */
    advance(to: number, most: number): boolean {
      moveTo(to);
      return endDue(state, most);
    },
    execute(operation: Operation, at: number, most: Most): Outcome {
      moveTo(at);
      if (operation.kind !== "release") return decide(state, operation, most);
      return { kind: "released", released: release(state, operation.key) };
    },
    hasCombinations: (): boolean => state.counters.families().size > 0,
    /** Forgets at most `most` combinations, if nobody did anything for long, in no process; true: there may be more. */
    forgetIdle: (at: number, most: number): boolean => forgetIdle(state, at, most),
    /** Whether everything that counts is in the database: nothing reserved, no requests, nothing lost, no bound. */
    isIdle: (): boolean => isIdle(state),
    /** Adds the counters that are missing; nothing where the load is of another position, since its usage would not fit. */
    load: (load: TenantLoad): void => addMissing(state, load),
    /** Adds counters of single combinations, at this position. */
    extend: (extension: TenantExtension): void => extend(state, extension),
    settle(request: SettleRequest, at: number): SettleOutcome {
      moveTo(at);
      return settle(state, request);
    },
    /** Takes over used amounts of a later position, and what is reserved stays reserved. */
    repair: (load: TenantLoad): void => repair(state, load),
    correct(at: number, totals: readonly PeriodTotal[]): boolean {
      if (state.seq !== at) return false;
      setTotals(state, totals);
      return true;
    },
    grant: (epoch: string, grants: readonly BoundGrant[]): void => grant(state, epoch, grants),
    /** From now on admissions need no more than these bounds, whatever was granted before. */
    lower(at: number): readonly BoundGrant[] {
      moveTo(at);
      return lower(state);
    },
    /** When `lower` may find more, if nothing else comes; Infinity: never. */
    lowersAgainAt: (): number => lowersAgainAt(state),
    /** As `lowersAgainAt`, if `lower` would do nothing at `now`; undefined: it may do something. */
    lowersLater: (now: number): number | undefined => lowersLater(state, now),
    hasBounds: (): boolean => state.bounds.size > 0,
    /** The database followed, and its rows have later versions. */
    lowered: (done: readonly (BoundGrant & { readonly nextVersion: number })[]): void => lowered(state, done),
    /** What changed since all was stored; undefined: nothing. */
    changes: (): TenantChanges | undefined => (journal === undefined ? undefined : changesOf(state, journal)),
    /** The whole state, as changes of an empty one. */
    everything: (): TenantChanges => wholeOf(state),
    /** All changes are stored. */
    stored(): void {
      if (journal !== undefined) clearJournal(state, journal);
    },
    /** Takes back the reservations of all changes that are not stored; the head follows with `applyHead`. */
    rollback(): void {
      if (journal !== undefined) rollback(state, journal);
    },
    /** Overlays fields of the head that changed elsewhere; null: removed. */
    applyHead: (head: Iterable<readonly [string, string | null]>): void => applyHead(state, head),
    /** Overlays a reservation that changed elsewhere; null: removed. */
    applyReservation: (key: string, packed: string | null): void => applyReservation(state, key, packed),
    /** Adds reservations as they are stored. */
    addReservations(packed: Iterable<readonly [string, string]>): void {
      for (const one of opened(packed)) state.reservations.set(one);
    },
    /** The head as it is stored: names and values, flat. */
    head: (): readonly string[] => wholeHead(state),
    /** Reservations as they are stored, by their key. */
    *reservations(): Iterable<readonly [string, string]> {
      for (const one of state.reservations.values()) yield [one.key, packReservation(one)];
    },
  };
}

function isIdle({ reservations, lost, bounds, counters, now }: State): boolean {
  if (reservations.size() > 0 || lost.length > 0) return false;
  for (const { durable, durableUntil } of bounds.values()) if (durable > 0n && durableUntil > now) return false;
  for (const counter of counters.all()) {
    if (counter.kind !== "period") {
      prune(counter, now);
      if (counter.entries.length > 0) return false;
    } else if (counter.meter === null && counter.periods.size > 0) return false;
  }
  return true;
}
