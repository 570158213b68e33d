import {
  openBounds,
  openChunk,
  openCounter,
  openIdentity,
  openLost,
  openReservation,
  openScope,
  openTimes,
  packBounds,
  packChunk,
  packCounter,
  packIdentity,
  packLost,
  packReservation,
  packScope,
  packTimes,
} from "./packing.js";
import { clearJournal, type Journal, type State } from "./state.js";
import { type Counter, replaceChunk } from "./window.js";

/** Names and values, flat, that a store sets, and names that it removes. */
export interface Fields {
  readonly set: readonly string[];
  readonly removed: readonly string[];
}

interface NewFields {
  readonly set: string[];
  readonly removed: string[];
}

/** What a store keeps of a change: fields of the head, and packed reservations by key. */
export interface TenantChanges {
  readonly head: Fields;
  readonly countersAfter: number;
  readonly reservations: Fields;
  /** How many reservations there were before. */
  readonly reservationsBefore: number;
  readonly reservationsAfter: number;
}

/**
 * Fields of the head: "i" what identifies it, "m" what moves with it, "b" bounds, "l" what was lost, "k:<key>" a scope, "c:<id>" a counter, and of
 * one with entries "e:<chunk>:<id>" each chunk of them.
 */
const counterField = (id: string): string => `c:${id}`;
const scopeField = (key: string): string => `k:${key}`;
const chunkField = (id: string, chunk: number): string => `e:${chunk}:${id}`;

/** What changed since all was stored; undefined: nothing. */
export function changesOf(state: State, journal: Journal): TenantChanges | undefined {
  const { meta, bounds, lost, counters, rebuilt, dropped, scopes } = journal;
  if (!meta && !bounds && !lost && counters.length + rebuilt.size + scopes.size + journal.keys.length === 0)
    return undefined;
  const head: NewFields = { set: ["m", packTimes(state)], removed: [] };
  if (bounds) head.set.push("b", packBounds(state.bounds));
  if (lost) head.set.push("l", packLost(state.lost));
  if (scopes.size > 0) putScopes(head, state, scopes);
  for (const id of rebuilt) putCounter(head, id, state.counters.get(id));
  for (const counter of counters) {
    if (counter.kind !== "period") putChunks(head, counter, counter.changedChunks ?? []);
    else if (!rebuilt.has(counter.id)) putCounter(head, counter.id, counter);
  }
  for (const [id, chunks] of dropped) {
    const again = state.counters.get(id);
    for (const chunk of chunks) {
      if (again?.kind !== "period" && again?.changedChunks?.includes(chunk)) continue;
      head.removed.push(chunkField(id, chunk));
    }
  }
  const [before, after] = [journal.storedReservations, state.reservations.size()];
  return {
    head,
    countersAfter: state.counters.size(),
    reservations: reservationChanges(state, journal),
    reservationsBefore: before,
    reservationsAfter: after,
  };
}

function putScopes(head: NewFields, state: State, keys: Iterable<string>): void {
  // A state that ever had one stays closed to processes that do not know them: counters of combinations may be left.
  head.set.push("i", packIdentity(state, true));
  for (const key of keys) {
    const scope = state.scopes.get(key);
    if (scope === undefined) head.removed.push(scopeField(key));
    else head.set.push(scopeField(key), packScope(scope));
  }
}

function putCounter(head: NewFields, id: string, counter: Counter | undefined): void {
  if (counter === undefined) head.removed.push(counterField(id));
  else head.set.push(counterField(id), packCounter(counter));
}

function putChunks(
  head: NewFields,
  { id, entries }: Extract<Counter, { entries: unknown }>,
  chunks: Iterable<number>,
): void {
  for (const chunk of chunks) {
    const packed = packChunk(entries, chunk);
    if (packed === undefined) head.removed.push(chunkField(id, chunk));
    else head.set.push(chunkField(id, chunk), packed);
  }
}

function reservationChanges({ reservations }: State, journal: Journal): Fields {
  const [first] = journal.keys;
  const only = journal.keys.length === 1 && first !== undefined ? reservations.get(first) : undefined;
  if (only !== undefined) return { set: [only.key, packReservation(only)], removed: [] };
  const changed: NewFields = { set: [], removed: [] };
  for (const key of journal.keys) {
    const held = reservations.get(key);
    if (held === undefined) changed.removed.push(key);
    else changed.set.push(key, packReservation(held));
  }
  return changed;
}

/** Takes back the reservations of all changes that are not stored; the head follows with `applyHead`. */
export function rollback(state: State, journal: Journal): void {
  for (let index = journal.keys.length - 1; index >= 0; index -= 1) {
    const before = journal.reservationsBefore[index];
    if (before === undefined) state.reservations.remove(journal.keys[index] ?? "");
    else state.reservations.set(before);
  }
  clearJournal(state, journal);
}

/** A head in slices that `applyHead` may be given one after the other: first scopes, then counters, then their entries. */
export function* slicedHead(
  head: ReadonlyMap<string, string>,
  most: number,
): Generator<readonly (readonly [string, string])[]> {
  const rankOf = ([name]: readonly [string, string]): number =>
    name.startsWith("e:") ? 2 : name.startsWith("c:") ? 1 : 0;
  const fields = [...head].sort((a, b) => rankOf(a) - rankOf(b));
  for (let from = 0; from < fields.length; from += most) yield fields.slice(from, from + most);
}

/** Overlays fields of the head that changed elsewhere; null: removed. */
export function applyHead(state: State, head: Iterable<readonly [string, string | null]>): void {
  const chunks: (readonly [string, string | null])[] = [];
  const changed: (readonly [string, string | null])[] = [];
  for (const [name, packed] of head) {
    if (name.startsWith("e:")) chunks.push([name, packed]);
    else if (name.startsWith("c:")) changed.push([name, packed]);
    else if (name.startsWith("k:")) applyScope(state, name.slice(2), packed);
    else if (packed !== null) applyField(state, name, packed);
  }
  // After the scopes, whose periods say what recorded means.
  for (const [name, packed] of changed) applyCounter(state, name.slice(2), packed);
  // After the counters that they belong to.
  for (const [name, packed] of chunks) {
    const end = name.indexOf(":", 2);
    const counter = state.counters.get(name.slice(end + 1));
    if (counter === undefined || counter.kind === "period") continue;
    const chunk = Number(name.slice(2, end));
    replaceChunk(counter, chunk, packed === null ? [] : openChunk(packed, chunk));
  }
}

function applyCounter(state: State, id: string, packed: string | null): void {
  const { counters, reservations, journal } = state;
  const known = counters.get(id);
  if (known?.recorded) reservations.forgetRecorded(known.series);
  if (packed === null) {
    counters.delete(id);
    return;
  }
  const opened = openCounter(id, packed, journal !== undefined);
  // The entries of a window are fields of their own.
  if (known !== undefined && known.kind !== "period" && isSameWindow(known, opened)) {
    if (opened.recorded) reservations.setRecorded(known.series);
    known.recorded = opened.recorded;
    return;
  }
  opened.usedAt = known?.usedAt ?? state.now;
  counters.set(opened);
  if (opened.recorded) reservations.setRecorded(opened.series);
}

const isSameWindow = (known: Counter, { kind, sinceSerial, blockedUntil }: Counter): boolean =>
  known.kind === kind && known.sinceSerial === sinceSerial && known.blockedUntil === blockedUntil;

function applyScope({ scopes, reservations }: State, key: string, packed: string | null): void {
  if (packed === null) {
    if (scopes.delete(key)) reservations.removeScope(key);
    return;
  }
  const opened = openScope(key, packed);
  const known = scopes.get(key);
  scopes.set(key, opened);
  if (known === undefined) reservations.addScope(opened);
  else if (known.period !== opened.period) reservations.renewScope(key);
}

function applyField(state: State, name: string, packed: string): void {
  if (name === "i") Object.assign(state, openIdentity(packed));
  else if (name === "m") Object.assign(state, openTimes(packed));
  else if (name === "l") state.lost = openLost(packed);
  else if (name === "b") {
    state.bounds.clear();
    for (const [id, bound] of openBounds(packed)) state.bounds.set(id, bound);
  }
}

/** Overlays a reservation that changed elsewhere; null: removed. */
export function applyReservation({ reservations, bounds }: State, key: string, packed: string | null): void {
  if (packed === null) {
    reservations.remove(key);
    return;
  }
  const opened = openReservation(key, packed);
  reservations.set(opened);
  if (!opened.open || opened.meter === null) return;
  for (const bound of bounds.values())
    if (bound.covers.kind === "meter" && bound.covers.meter === opened.meter) bound.recent += opened.amount;
}

/** The whole state, as changes of an empty one. */
export function wholeOf(state: State): TenantChanges {
  const set: string[] = [];
  for (const one of state.reservations.values()) set.push(one.key, packReservation(one));
  const after = state.reservations.size();
  return {
    head: { set: wholeHead(state), removed: [] },
    countersAfter: state.counters.size(),
    reservations: { set, removed: [] },
    reservationsBefore: 0,
    reservationsAfter: after,
  };
}

/** Names and values, flat. */
export function wholeHead(state: State): readonly string[] {
  const head: NewFields = {
    set: ["m", packTimes(state), "i", packIdentity(state, state.scopes.size > 0)],
    removed: [],
  };
  for (const [key, scope] of state.scopes) head.set.push(scopeField(key), packScope(scope));
  head.set.push("b", packBounds(state.bounds), "l", packLost(state.lost));
  for (const counter of state.counters.all()) {
    putCounter(head, counter.id, counter);
    if (counter.kind !== "period") putChunks(head, counter, new Set(counter.entries.map(({ chunk }) => chunk)));
  }
  return head.set;
}
