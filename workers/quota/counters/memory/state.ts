import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { CounterWindow } from "../counters.js";

/** The state of one tenant's counters in memory, and its form on disk between an orderly stop and the next start. */

const Bucket = Type.Object({
  start: Type.Integer(),
  used: Type.Number(),
  reserved: Type.Number(),
  bound: Type.Number(),
  boundUntil: Type.Number(),
});
type Bucket = Static<typeof Bucket>;

const Reservation = Type.Object({
  expiresAt: Type.Number(),
  /** False: settled or partly expired; kept as a tombstone, so that its key is not charged again. */
  open: Type.Boolean(),
  charges: Type.Array(
    Type.Object({
      counter: Type.String(),
      bucketStart: Type.Number(),
      amount: Type.Number(),
      settles: Type.Boolean(),
    }),
  ),
});
export type Reservation = Static<typeof Reservation>;

const Saved = Type.Object({
  seq: Type.Integer(),
  now: Type.Number(),
  counters: Type.Record(Type.String(), Type.Object({ blockedUntil: Type.Number(), buckets: Type.Array(Bucket) })),
  reservations: Type.Record(Type.String(), Reservation),
});

/** Period buckets kept: the current period and two around it, for late and early usage. */
const PERIODS_KEPT = 3;

export type Counter = ReturnType<typeof createCounter>;

export function createCounter(blockedUntil: number, buckets: Bucket[] = []) {
  return {
    blockedUntil,
    /** The bucket with this start, created if missing. */
    bucket(start: number): Bucket {
      let at = buckets.length;
      while (at > 0 && (buckets[at - 1]?.start ?? start) > start) at -= 1;
      const before = buckets[at - 1];
      if (before?.start === start) return before;
      const created: Bucket = { start, used: 0, reserved: 0, bound: 0, boundUntil: 0 };
      buckets.splice(at, 0, created);
      return created;
    },
    /** Drops buckets that have left the window permanently. */
    prune(window: CounterWindow, now: number): void {
      if (window.kind === "period") {
        buckets.splice(0, Math.max(0, buckets.length - PERIODS_KEPT));
        return;
      }
      const firstInside = buckets.findIndex(({ start }) => start + window.bucketMs > now - window.windowMs);
      buckets.splice(0, firstInside === -1 ? buckets.length : firstInside);
    },
    /** The buckets that count, oldest first; call `prune` before. */
    inside: (window: CounterWindow): readonly Bucket[] =>
      window.kind === "period" ? buckets.filter((bucket) => bucket.start === window.start) : buckets,
    toJSON: (): Static<typeof Saved>["counters"][string] => ({ blockedUntil, buckets }),
  };
}

export type TenantCounters = ReturnType<typeof tenantCounters>;

/** An empty state at a ledger position, or the state from `toJSON`; throws on another format. */
export function tenantCounters(from: unknown) {
  const saved =
    typeof from === "number" ? { seq: from, now: 0, counters: {}, reservations: {} } : Value.Parse(Saved, from);
  const counters = new Map(
    Object.entries(saved.counters).map(([id, one]) => [id, createCounter(one.blockedUntil, one.buckets)]),
  );
  const reservations = new Map(Object.entries(saved.reservations));
  const expiries = expiryQueue();
  for (const [key, { expiresAt }] of reservations) expiries.push(expiresAt, key);
  let time = saved.now;

  function addReserved({ charges }: Reservation, sign: 1 | -1, alsoUsed: boolean): void {
    for (const { counter, bucketStart, amount, settles } of charges) {
      const known = counters.get(counter);
      if (known === undefined || (!settles && !alsoUsed)) continue;
      const bucket = known.bucket(bucketStart);
      if (settles) bucket.reserved = Math.max(0, bucket.reserved + sign * amount);
      else bucket.used = Math.max(0, bucket.used + sign * amount);
    }
  }

  return {
    counters,
    /** Ledger position up to which usage is settled here. */
    seq: saved.seq,
    /** Releases reservations that expired until `now`, which never goes backwards; returns the tenant's time. */
    advance(now: number): number {
      time = Math.max(time, now);
      for (let key = expiries.popUntil(time); key !== undefined; key = expiries.popUntil(time)) {
        const found = reservations.get(key);
        // The key may have been released and reserved again, with a later expiry.
        if (found === undefined || found.expiresAt > time) continue;
        if (found.open) addReserved(found, -1, false);
        reservations.delete(key);
      }
      return time;
    },
    reservation: (key: string) => reservations.get(key),
    reserve(key: string, reservation: Reservation): void {
      reservations.set(key, reservation);
      expiries.push(reservation.expiresAt, key);
    },
    /** Releases an open reservation and deletes it. */
    giveBack(key: string): boolean {
      const found = reservations.get(key);
      if (found?.open !== true) return false;
      addReserved(found, -1, true);
      return reservations.delete(key);
    },
    /** Closes an open reservation and keeps its key as a tombstone until its expiry. */
    close(key: string): Reservation | undefined {
      const found = reservations.get(key);
      if (found?.open !== true) return undefined;
      addReserved(found, -1, false);
      found.open = false;
      return found;
    },
    toJSON(): Static<typeof Saved> {
      return {
        seq: this.seq,
        now: time,
        counters: Object.fromEntries([...counters].map(([id, counter]) => [id, counter.toJSON()])),
        reservations: Object.fromEntries(reservations),
      };
    },
  };
}

/** A binary heap of keys by time. */
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
