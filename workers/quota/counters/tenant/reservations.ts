import type { Amount } from "../counters.js";
import { createEnds, type EndOfReservations, type Ends } from "./ends.js";
import { createExpiries } from "./expiries.js";

export interface Reservation {
  readonly key: string;
  readonly expiresAt: number;
  readonly admittedAt: number;
  /** A moment of the windows with a start and an end that its requests count in, where `admittedAt` is none: the gate that chose them has its own clock. */
  readonly countedAt?: number;
  /** Grows by one with each reservation of the tenant. */
  readonly serial: number;
  /** False: settled; kept until its expiry, so that its key is not charged again. */
  readonly open: boolean;
  /** The request, as text. */
  readonly content: string;
  /** The meter whose usage settles it; null: requests only. */
  readonly meter: string | null;
  readonly amount: Amount;
}

/** With more keys than this, ends are known to the second or minute. */
const MOST_EXACT = 256;
/** Expiries of removed keys that may be kept beside as many as there are keys. */
const SPARE_EXPIRIES = 1_000;

export type Reservations = ReturnType<typeof createReservations>;

interface OpenOfMeter {
  sum: Amount;
  readonly ends: Ends;
}

/** A tenant's keys, by their expiry and with the open amount of each meter. */
export function createReservations(initial: Iterable<Reservation> = []) {
  const byKey = new Map<string, Reservation>();
  let expiries = createExpiries<Reservation>();
  const openOf = new Map<string, OpenOfMeter>();

  function count({ meter, amount, expiresAt }: Reservation): void {
    if (meter === null) return;
    let open = openOf.get(meter);
    if (open === undefined) {
      open = { sum: 0n, ends: createEnds() };
      openOf.set(meter, open);
    }
    open.sum += amount;
    open.ends.add(expiresAt, amount, 1);
  }

  function discount({ meter, amount, expiresAt }: Reservation): void {
    const open = meter === null ? undefined : openOf.get(meter);
    if (meter === null || open === undefined) return;
    open.sum -= amount;
    open.ends.add(expiresAt, -amount, -1);
    if (open.ends.isEmpty()) openOf.delete(meter);
  }

  function set(reservation: Reservation): Reservation | undefined {
    const { key } = reservation;
    const held = byKey.get(key);
    if (held?.open) discount(held);
    byKey.set(key, reservation);
    if (reservation.open) count(reservation);
    expiries.push(reservation);
    if (expiries.size() > 2 * byKey.size + SPARE_EXPIRIES) {
      expiries = createExpiries<Reservation>();
      for (const one of byKey.values()) expiries.push(one);
    }
    return held;
  }
  for (const one of initial) set(one);

  function exactEnds(meter: string): EndOfReservations[] {
    const ends: EndOfReservations[] = [];
    for (const one of byKey.values())
      if (one.open && one.meter === meter) ends.push({ at: one.expiresAt, amount: one.amount });
    return ends.sort((a, b) => a.at - b.at);
  }

  return {
    size: () => byKey.size,
    get: (key: string) => byKey.get(key),
    values: () => byKey.values(),
    /** The open amount of a meter. */
    open: (meter: string): Amount => openOf.get(meter)?.sum ?? 0n,
    /** Returns what was under the key. */
    set,
    /** Returns what was under the key. */
    remove(key: string): Reservation | undefined {
      const held = byKey.get(key);
      if (held === undefined) return undefined;
      if (held.open) discount(held);
      byKey.delete(key);
      return held;
    },
    /** A reservation that has expired until `now`; undefined: none. Those that were removed or replaced since may be among them. */
    nextDue: (now: number): Reservation | undefined => expiries.popUntil(now),
    nextExpiry: (): number => expiries.first(),
    /** When the last open reservation of a meter ends; 0: there is none. Where they are many, of any since there was none. */
    lastEnd(meter: string): number {
      const open = openOf.get(meter);
      if (open === undefined) return 0;
      if (byKey.size > MOST_EXACT || open.ends.isLastExact()) return open.ends.last();
      let last = 0;
      for (const one of byKey.values()) if (one.open && one.meter === meter) last = Math.max(last, one.expiresAt);
      open.ends.setLast(last);
      return last;
    },
    /** When the open reservations of a meter end, ascending; where they are many, at the end of the second or minute. */
    endsOf: (meter: string): readonly EndOfReservations[] =>
      byKey.size <= MOST_EXACT ? exactEnds(meter) : (openOf.get(meter)?.ends.ends() ?? []),
  };
}
