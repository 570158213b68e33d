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
  /** Its packed form, while nothing has changed. */
  packed?: string | undefined;
}

/** Exact up to this many entries. */
const MOST_EXACT = 128;
const BUCKETS = 100;
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
}

export interface PeriodCounter extends Common {
  readonly kind: "period";
  readonly periods: Map<number, Amount>;
}

interface Common {
  blockedUntil: number;
  /** Reservations with a lower serial number were admitted before this counter existed. */
  readonly sinceSerial: number;
}

export function createCounter(window: CounterWindow, blockedUntil: number, sinceSerial: number): Counter {
  if (window.kind === "period") return { kind: "period", blockedUntil, sinceSerial, periods: new Map() };
  const { kind, windowMs } = window;
  return { kind, windowMs, blockedUntil, sinceSerial, entries: [], used: 0n, reserved: 0n };
}

/** Drops what has left the window. True: something was dropped. */
export function prune(counter: SlidingCounter, now: number): boolean {
  const { entries, windowMs } = counter;
  let gone = 0;
  for (let entry = entries[0]; entry !== undefined && entry.at + windowMs <= now; entry = entries[gone]) {
    counter.used -= entry.used;
    counter.reserved -= entry.reserved;
    gone += 1;
  }
  if (gone > 0) entries.splice(0, gone);
  return gone > 0;
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
    next.packed = undefined;
  } else {
    entries.splice(index, 0, { from: at, at, used, reserved });
    if (entries.length > MOST_EXACT) prune(counter, now);
    if (entries.length > MOST_EXACT) merge(counter, now);
  }
}

/** Takes back a part of what was added at a moment, if it has not left the window. */
export function takeBack(counter: SlidingCounter, at: number, used: Amount, reserved: Amount): void {
  const entry = counter.entries.find((one) => one.at >= at);
  if (entry === undefined || entry.from > at) return;
  entry.used -= used;
  entry.reserved -= reserved;
  entry.packed = undefined;
  counter.used -= used;
  counter.reserved -= reserved;
}

function merge(counter: SlidingCounter, now: number): void {
  const { windowMs } = counter;
  const bucketMs = windowMs / BUCKETS;
  const bucketOf = ({ at }: Entry) => (at > now + windowMs ? Number.POSITIVE_INFINITY : Math.floor(at / bucketMs));
  const merged: Entry[] = [];
  for (const entry of counter.entries) {
    const last = merged.at(-1);
    if (last === undefined || bucketOf(last) !== bucketOf(entry)) merged.push(entry);
    else {
      last.at = entry.at;
      last.used += entry.used;
      last.reserved += entry.reserved;
      last.packed = undefined;
    }
  }
  counter.entries = merged;
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
