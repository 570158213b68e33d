import { familyOf } from "../../rules/scopes.js";
import { appended } from "../appended.js";
import type { LoadedScope, LostBound } from "../counters.js";
import type { Bound } from "./bounds.js";
import type { Counters } from "./counters.js";
import type { Reservation, Reservations } from "./reservations.js";
import type { Counter } from "./window.js";

/** What identifies a state and moves with it. */
export interface Meta {
  /** Names the state that was built after a loss, or at first. */
  epoch: string;
  /** Whether its time moves with its operations only. */
  hasOwnClock: boolean;
  /** The ledger position up to which usage is settled here. */
  seq: number;
  /** Never goes backwards. */
  now: number;
  /** Of the last reservation. */
  serial: number;
  /** When earlier counters were lost at the latest; 0: none were. */
  lostBefore: number;
}

/**
 * One tenant's state. The files beside this one say what may happen to it; each step does nothing or all of its work. Objects
 * of which each tenant has its own are written out, without spreads and accessors: V8 may give each of those a shape of its own,
 * and code that meets a thousand shapes costs several times as much.
 */
export interface State extends Meta {
  readonly counters: Counters;
  /** By their keys. */
  readonly scopes: Map<string, LoadedScope>;
  readonly reservations: Reservations;
  readonly bounds: Map<string, Bound>;
  lost: readonly LostBound[];
  /** What has changed; undefined: nothing stores this state. */
  readonly journal: Journal | undefined;
}

/** What changed since all of it was stored. */
export interface Journal {
  meta: boolean;
  bounds: boolean;
  lost: boolean;
  /** Counters whose entries or sums changed. */
  counters: Counter[];
  /** Keys of scopes that were learned or forgotten. */
  readonly scopes: Set<string>;
  /** Ids of counters that were added or dropped. */
  readonly rebuilt: Set<string>;
  /** Chunks of counters that were dropped, by the counter's id. */
  readonly dropped: Map<string, Set<number>>;
  /** Keys whose reservations changed, in that order, and what was under them before. */
  keys: string[];
  reservationsBefore: (Reservation | undefined)[];
  /** How many reservations there were when all was stored. */
  storedReservations: number;
}

export const createJournal = (storedReservations: number): Journal => ({
  meta: false,
  bounds: false,
  lost: false,
  counters: [],
  scopes: new Set(),
  rebuilt: new Set(),
  dropped: new Map(),
  keys: [],
  reservationsBefore: [],
  storedReservations,
});

/** Everything is stored, or of no interest. */
export function clearJournal({ reservations }: State, journal: Journal): void {
  journal.meta = false;
  journal.bounds = false;
  journal.lost = false;
  for (const counter of journal.counters)
    if (counter.kind !== "period" && counter.changedChunks !== undefined) counter.changedChunks = [];
  journal.counters = [];
  if (journal.scopes.size > 0) journal.scopes.clear();
  if (journal.rebuilt.size > 0) journal.rebuilt.clear();
  if (journal.dropped.size > 0) journal.dropped.clear();
  journal.keys = [];
  journal.reservationsBefore = [];
  journal.storedReservations = reservations.size();
}

/** A counter's entries or sums change. */
export function noteCounter({ journal }: State, counter: Counter): void {
  if (journal !== undefined && !journal.counters.includes(counter))
    journal.counters = appended(journal.counters, counter);
}

/** Puts a reservation in the place of what was under the key; undefined: removes it. */
export function setReservation({ reservations, journal }: State, key: string, next: Reservation | undefined): void {
  const before = next === undefined ? reservations.remove(key) : reservations.set(next);
  if (journal === undefined) return;
  journal.keys = appended(journal.keys, key);
  journal.reservationsBefore = appended(journal.reservationsBefore, before);
}

export function addCounter(state: State, counter: Counter): void {
  state.counters.set(counter);
  if (counter.recorded) state.reservations.setRecorded(counter.series);
  noteCounter(state, counter);
  state.journal?.rebuilt.add(counter.id);
}

/** Usage of the counter's combination is recorded. */
export function noteRecorded({ journal, reservations }: State, counter: Counter): void {
  if (counter.recorded || familyOf(counter.id) === undefined) return;
  counter.recorded = true;
  reservations.setRecorded(counter.series);
  journal?.rebuilt.add(counter.id);
}

export function dropCounter({ counters, reservations, journal }: State, counter: Counter): void {
  counters.delete(counter.id);
  if (counter.recorded) reservations.forgetRecorded(counter.series);
  if (journal === undefined) return;
  const noted = journal.counters.indexOf(counter);
  if (noted !== -1) journal.counters.splice(noted, 1);
  journal.rebuilt.add(counter.id);
  if (counter.kind === "period") return;
  const chunks = journal.dropped.get(counter.id) ?? new Set();
  for (const chunk of counter.changedChunks ?? []) chunks.add(chunk);
  for (const { chunk } of counter.entries) chunks.add(chunk);
  journal.dropped.set(counter.id, chunks);
}
