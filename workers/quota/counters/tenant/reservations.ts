import { MINUTE_MS } from "#kernel/duration.js";
import type { Amount } from "../counters.js";

export interface Reservation {
  readonly expiresAt: number;
  readonly admittedAt: number;
  /** Grows by one with each reservation of the tenant. */
  readonly serial: number;
  /** False: settled; kept until its expiry, so that its key is not charged again. */
  open: boolean;
  /** The request, as text. */
  readonly content: string;
  /** The meter whose usage settles it; null: requests only. */
  readonly meter: string | null;
  readonly amount: Amount;
}

/** With more keys than this, ends are known to the second or minute. */
const MOST_EXACT = 256;
const SECOND_MS = 1_000;

export interface EndOfReservations {
  readonly at: number;
  readonly amount: Amount;
}

export type Reservations = ReturnType<typeof createReservations>;

/** A tenant's keys, by their expiry and with the open amount of each meter. */
export function createReservations(initial: Iterable<readonly [string, Reservation]> = []) {
  const byKey = new Map<string, Reservation>(initial);
  let expiries = queueOf(byKey);
  const openOf = new Map<string, Amount>();
  const endsOfMeters = new Map<string, Ends>();

  function count({ meter, amount, expiresAt }: Reservation, sign: 1n | -1n): void {
    if (meter === null) return;
    const sum = (openOf.get(meter) ?? 0n) + sign * amount;
    const ends = endsOfMeters.get(meter) ?? createEnds();
    endsOfMeters.set(meter, ends);
    ends.add(expiresAt, sign * amount, sign === 1n ? 1 : -1);
    openOf.set(meter, sum);
    if (!ends.isEmpty()) return;
    openOf.delete(meter);
    endsOfMeters.delete(meter);
  }
  for (const one of byKey.values()) if (one.open) count(one, 1n);

  function remove(key: string): void {
    const held = byKey.get(key);
    if (held === undefined) return;
    if (held.open) count(held, -1n);
    byKey.delete(key);
  }

  function exactEnds(meter: string): EndOfReservations[] {
    const ends: EndOfReservations[] = [];
    for (const one of byKey.values())
      if (one.open && one.meter === meter) ends.push({ at: one.expiresAt, amount: one.amount });
    return ends.sort((a, b) => a.at - b.at);
  }

  const endsOf = (meter: string): readonly EndOfReservations[] =>
    byKey.size <= MOST_EXACT ? exactEnds(meter) : (endsOfMeters.get(meter)?.ends() ?? []);

  return {
    size: () => byKey.size,
    get: (key: string) => byKey.get(key),
    entries: () => byKey.entries(),
    values: () => byKey.values(),
    /** The open amount of a meter. */
    open: (meter: string): Amount => openOf.get(meter) ?? 0n,
    set(key: string, reservation: Reservation): void {
      remove(key);
      byKey.set(key, reservation);
      if (reservation.open) count(reservation, 1n);
      expiries.push(reservation.expiresAt, key);
      if (expiries.size() > 2 * byKey.size + SPARE_EXPIRIES) expiries = queueOf(byKey);
    },
    remove,
    /** The key with the earliest expiry until `now`; undefined: none. It may be of a reservation that was replaced. */
    nextDue: (now: number): string | undefined => expiries.popUntil(now),
    nextExpiry: (): number => expiries.first(),
    /** When the last open reservation of a meter ends; 0: there is none. Where they are many, of any since there was none. */
    lastEnd(meter: string): number {
      if (!openOf.has(meter)) return 0;
      if (byKey.size > MOST_EXACT) return endsOfMeters.get(meter)?.last() ?? 0;
      let last = 0;
      for (const one of byKey.values()) if (one.open && one.meter === meter) last = Math.max(last, one.expiresAt);
      return last;
    },
    /** When the open reservations of a meter end, ascending; where they are many, at the end of the second or minute. */
    endsOf,
  };
}

type Ends = ReturnType<typeof createEnds>;

/** More ends than this are known to the minute only. */
const MOST_ENDS = 2_000;

/** Amounts by the second, or minute, in which they end. */
function createEnds() {
  let sizeMs = SECOND_MS;
  let byEnd = new Map<number, { readonly at: number; amount: Amount; count: number }>();
  let sorted: readonly EndOfReservations[] | undefined;
  let last = 0;

  function add(endsAt: number, amount: Amount, count: number): void {
    const at = Math.ceil(endsAt / sizeMs) * sizeMs;
    last = Math.max(last, at);
    const held = byEnd.get(at);
    if (held !== undefined) {
      held.amount += amount;
      held.count += count;
      if (held.count > 0) return;
      byEnd.delete(at);
    } else byEnd.set(at, { at, amount, count });
    sorted = undefined;
    if (byEnd.size > MOST_ENDS && sizeMs < MINUTE_MS) coarsen();
  }

  function coarsen(): void {
    const finer = byEnd;
    sizeMs = MINUTE_MS;
    byEnd = new Map();
    for (const { at, amount, count } of finer.values()) add(at, amount, count);
  }

  return {
    isEmpty: (): boolean => byEnd.size === 0,
    add,
    ends(): readonly EndOfReservations[] {
      sorted ??= [...byEnd.values()].sort((a, b) => a.at - b.at);
      return sorted;
    },
    /** No end is later. */
    last: (): number => last,
  };
}

/** Entries of removed keys that the queue may hold beside as many as there are keys. */
const SPARE_EXPIRIES = 1_000;

function queueOf(reservations: ReadonlyMap<string, Reservation>) {
  const queue = expiryQueue();
  for (const [key, { expiresAt }] of reservations) queue.push(expiresAt, key);
  return queue;
}

/** A binary heap of keys by time. Entries of removed keys stay until their time. */
function expiryQueue() {
  const heap: { readonly at: number; readonly key: string }[] = [];
  const time = (index: number): number => heap[index]?.at ?? Number.POSITIVE_INFINITY;
  function swap(a: number, b: number): void {
    const [first, second] = [heap[a], heap[b]];
    if (first === undefined || second === undefined) return;
    heap[a] = second;
    heap[b] = first;
  }
  return {
    first: (): number => time(0),
    size: () => heap.length,
    push(at: number, key: string): void {
      let index = heap.push({ at, key }) - 1;
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (time(parent) <= time(index)) break;
        swap(parent, index);
        index = parent;
      }
    },
    /** Removes and returns the key with the earliest time, if that is not after `now`. */
    popUntil(now: number): string | undefined {
      if (time(0) > now) return undefined;
      const first = heap[0];
      const last = heap.pop();
      if (heap.length > 0 && last !== undefined) {
        heap[0] = last;
        let index = 0;
        for (;;) {
          const left = 2 * index + 1;
          const least = time(left + 1) < time(left) ? left + 1 : left;
          if (time(least) >= time(index)) break;
          swap(index, least);
          index = least;
        }
      }
      return first?.key;
    },
  };
}
