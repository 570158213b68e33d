import { seriesOfCounter } from "../../rules/scopes.js";
import { appended } from "../appended.js";
import type { Amount, CounterWindow } from "../counters.js";

/**
 * What counts in one counter. In windows of time: exact entries by time, merged into buckets of one hundredth of the window
 * once they are many, each at its latest moment, so that usage counts at most 1 % too long and never too short. In billing
 * periods: one sum per period.
 */
export interface Entry {
  /** The times of what was merged here lie in [from, at]. */
  from: number;
  at: number;
  used: Amount;
  /** Reserved in this counter at its admission; only in windows of the kind `admission`. */
  reserved: Amount;
  /** Entries are stored in chunks: a decision changes the last one. Ascends with time. */
  chunk: number;
  /** Its packed form, while nothing has changed. */
  packed?: string | undefined;
}

/** Exact up to this many entries. */
const MOST_EXACT = 128;
const BUCKETS = 100;
/** Of appended entries; those that come late enlarge their chunk until the entries are merged. */
const ENTRIES_PER_CHUNK = 8;
/** The current period and those around it, for late and early usage. */
const PERIODS_KEPT = 3;

export type Counter = SlidingCounter | PeriodCounter;

export interface SlidingCounter extends Common {
  readonly kind: "admission" | "sliding";
  readonly windowMs: number;
  /** Oldest first. */
  entries: Entry[];
  used: Amount;
  reserved: Amount;
  nextChunk: number;
  /** Chunks that are not stored as they are, also those that have no entries any more; undefined: nothing stores them. */
  changedChunks: number[] | undefined;
}

export interface PeriodCounter extends Common {
  readonly kind: "period";
  readonly periods: Map<number, Amount>;
}

interface Common {
  readonly id: string;
  /** Null: it counts requests. */
  readonly meter: string | null;
  /** The meter, or what counts of it. */
  readonly series: string;
  /** Of one combination: whether usage of it was recorded in the billing period. */
  recorded: boolean;
  /** When somebody asked about it last, as far as this process knows. */
  usedAt: number;
  blockedUntil: number;
  /** Reservations with a lower serial number were admitted before this counter existed. */
  readonly sinceSerial: number;
}

export interface NewCounter {
  readonly id: string;
  readonly window: CounterWindow;
  readonly blockedUntil: number;
  readonly sinceSerial: number;
  /** Whether chunks that change are noted. */
  readonly isStored: boolean;
  readonly recorded?: boolean;
}

export function createCounter(created: NewCounter): Counter {
  const { id, window, blockedUntil, sinceSerial, isStored, recorded = false } = created;
  const meter = meterOf(id);
  const series = seriesOfCounter(id);
  const usedAt = 0;
  if (window.kind === "period") {
    const periods = new Map<number, Amount>();
    return { id, meter, series, recorded, usedAt, blockedUntil, sinceSerial, kind: "period", periods };
  }
  const { kind, windowMs } = window;
  return {
    id,
    meter,
    series,
    recorded,
    usedAt,
    blockedUntil,
    sinceSerial,
    kind,
    windowMs,
    entries: [],
    used: 0n,
    reserved: 0n,
    nextChunk: 0,
    changedChunks: isStored ? [] : undefined,
  };
}

/** The meter of a counter's id; null: it counts requests. */
export function meterOf(counterId: string): string | null {
  const meter = counterId.slice(0, counterId.indexOf("|"));
  return meter === "" ? null : meter;
}

/** Drops what has left the window. */
export function prune(counter: SlidingCounter, now: number): void {
  const { entries, windowMs } = counter;
  const [oldest] = entries;
  if (oldest === undefined || oldest.at + windowMs > now) return;
  let gone = 0;
  for (let entry = entries[0]; entry !== undefined && entry.at + windowMs <= now; entry = entries[gone]) {
    counter.used -= entry.used;
    counter.reserved -= entry.reserved;
    if (entries[gone + 1]?.chunk !== entry.chunk) noteChunk(counter, entry.chunk);
    gone += 1;
  }
  entries.splice(0, gone);
}

/** Adds what happened at a moment; before the window it does not count. */
export function add(counter: SlidingCounter, at: number, used: Amount, reserved: Amount, now: number): void {
  if (at + counter.windowMs <= now || (used === 0n && reserved === 0n)) return;
  const { entries } = counter;
  counter.used += used;
  counter.reserved += reserved;
  let index = entries.length;
  for (let before = entries[index - 1]; before !== undefined && before.at >= at; before = entries[index - 1])
    index -= 1;
  const next = entries[index];
  if (next !== undefined && next.from <= at) {
    next.used += used;
    next.reserved += reserved;
    changed(counter, next);
  } else {
    const chunk = chunkAt(counter, index);
    entries.splice(index, 0, { from: at, at, used, reserved, chunk, packed: undefined });
    noteChunk(counter, chunk);
    // While it is built its time is not known yet.
    if (now === 0) return;
    if (entries.length > MOST_EXACT) prune(counter, now);
    if (entries.length > MOST_EXACT) merge(counter, now);
  }
}

/** The chunk of an entry that is inserted there. */
function chunkAt(counter: SlidingCounter, index: number): number {
  const { entries } = counter;
  const neighbour = entries[index - 1] ?? entries[0];
  const isFull = index === entries.length && entries[index - ENTRIES_PER_CHUNK]?.chunk === neighbour?.chunk;
  if (neighbour !== undefined && !isFull) return neighbour.chunk;
  // Decisions change the last chunk only.
  for (let last = Math.max(0, index - ENTRIES_PER_CHUNK); last < index; last += 1) forgetPacked(entries[last]);
  counter.nextChunk += 1;
  return counter.nextChunk - 1;
}

function forgetPacked(entry: Entry | undefined): void {
  if (entry !== undefined) entry.packed = undefined;
}

function changed(counter: SlidingCounter, entry: Entry): void {
  entry.packed = undefined;
  noteChunk(counter, entry.chunk);
}

function noteChunk(counter: SlidingCounter, chunk: number): void {
  const { changedChunks } = counter;
  if (changedChunks !== undefined && !changedChunks.includes(chunk))
    counter.changedChunks = appended(changedChunks, chunk);
}

/** Takes back a part of what was added at a moment, if it has not left the window. */
export function takeBack(counter: SlidingCounter, at: number, used: Amount, reserved: Amount): void {
  const entry = counter.entries.find((one) => one.at >= at);
  if (entry === undefined || entry.from > at) return;
  entry.used -= used;
  entry.reserved -= reserved;
  changed(counter, entry);
  counter.used -= used;
  counter.reserved -= reserved;
}

function merge(counter: SlidingCounter, now: number): void {
  const { windowMs } = counter;
  const bucketMs = windowMs / BUCKETS;
  const bucketOf = ({ at }: Entry) => (at > now + windowMs ? Number.POSITIVE_INFINITY : Math.floor(at / bucketMs));
  const merged: Entry[] = [];
  const first = counter.nextChunk;
  for (const entry of counter.entries) {
    noteChunk(counter, entry.chunk);
    const last = merged.at(-1);
    if (last === undefined || bucketOf(last) !== bucketOf(entry)) {
      entry.chunk = first + Math.floor(merged.length / ENTRIES_PER_CHUNK);
      merged.push(entry);
    } else {
      last.at = entry.at;
      last.used += entry.used;
      last.reserved += entry.reserved;
      last.packed = undefined;
    }
  }
  counter.entries = merged;
  counter.nextChunk = first + Math.ceil(merged.length / ENTRIES_PER_CHUNK);
  for (let chunk = first; chunk < counter.nextChunk; chunk += 1) noteChunk(counter, chunk);
}

/** Puts entries in the place of those of a chunk. */
export function replaceChunk(counter: SlidingCounter, chunk: number, entries: readonly Entry[]): void {
  const { length } = counter.entries;
  const found = counter.entries.findIndex((one) => one.chunk >= chunk);
  const from = found === -1 ? length : found;
  let to = from;
  while (counter.entries[to]?.chunk === chunk) to += 1;
  for (const { used, reserved } of counter.entries.splice(from, to - from, ...entries)) {
    counter.used -= used;
    counter.reserved -= reserved;
  }
  for (const { used, reserved } of entries) {
    counter.used += used;
    counter.reserved += reserved;
  }
  counter.nextChunk = Math.max(counter.nextChunk, chunk + 1);
}

/** Puts usage in the place of all that was used; what is reserved stays. */
export function replaceUsed(
  counter: SlidingCounter,
  usage: readonly { readonly at: number; readonly used: Amount }[],
  now: number,
): void {
  for (const entry of counter.entries) {
    entry.used = 0n;
    changed(counter, entry);
  }
  counter.used = 0n;
  for (const { at, used } of usage) add(counter, at, used, 0n, now);
}

/** Sets a period's sum; the oldest periods are forgotten. */
export function setPeriod({ periods }: PeriodCounter, start: number, total: Amount): void {
  periods.set(start, total);
  while (periods.size > PERIODS_KEPT) periods.delete(Math.min(...periods.keys()));
}

/** What was used in [from, to), and in what was merged with it. */
export function usedBetween({ entries }: SlidingCounter, from: number, to: number): Amount {
  return entries.reduce((sum, entry) => (entry.at >= from && entry.from < to ? sum + entry.used : sum), 0n);
}

/** What was used in requests admitted since a moment, at least. */
export function usedSince({ entries }: SlidingCounter, since: number): Amount {
  let sum = 0n;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries[index];
    if (entry === undefined || entry.at < since) break;
    sum += entry.used;
  }
  return sum;
}
