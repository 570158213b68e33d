import {
  combinationId,
  combinationOf,
  type Dimensions,
  isWithin,
  meterOfSeries,
  type Scope,
  scopeKeyOf,
} from "../../rules/scopes.js";
import type { Amount } from "../counters.js";
import { createEnds, type EndOfReservations, type Ends, endedOf } from "./ends.js";
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
  /** The whole request, as text; of a further meter of one for several (`admitting.ts`), only what it asks of that meter. */
  readonly content: string;
  /** The meter whose usage settles it; null: requests only. */
  readonly meter: string | null;
  /** Values of the dimensions that limits counted by at its admission. */
  readonly dimensions: Dimensions;
  readonly amount: Amount;
}

/** What is told apart of a meter's reservations. */
interface ReservedScope extends Pick<Scope, "by" | "where" | "except"> {
  /** `meter|scope`. */
  readonly key: string;
}

/** With more keys than this, ends are known to the second or minute. */
const MOST_EXACT = 256;
/** Expiries of removed keys that may be kept beside as many as there are keys. */
const SPARE_EXPIRIES = 1_000;

export type Reservations = ReturnType<typeof createReservations>;

interface Fall {
  readonly last: number;
  endedBy(at: number): Amount;
}

interface OpenOfSeries {
  /** Whether no usage of the combination is known to be recorded. */
  isNew: boolean;
  sum: Amount;
  readonly ends: Ends;
}

/** In the place of a combination: reservations that came before a limit, so that nobody knows in which combination they are. */
const ANY = "*";

/** A tenant's keys, by their expiry and with the open amount of each meter, scope and combination. */
export function createReservations(initial: Iterable<Reservation> = []) {
  const byKey = new Map<string, Reservation>();
  let expiries = createExpiries<Reservation>();
  const openOf = new Map<string, OpenOfSeries>();

  const scopesOf = new Map<string, ReservedScope[]>();
  /** Combinations with open reservations and without recorded usage, by the scope's key. */
  const combinations = new Map<string, number>();
  /** Combinations with recorded usage whose counters are loaded. */
  const recorded = new Set<string>();

  /** What a scope's counters hold a reservation under; undefined: none of them does. */
  function seriesIn(scope: ReservedScope, { dimensions }: Reservation): string | undefined {
    const { key, by } = scope;
    if (isWithin(scope, dimensions) === false) return undefined;
    if (by.length === 0) return key;
    if (by.some((name) => !dimensions.has(name))) return `${key}|${ANY}`;
    return `${key}|${combinationId(combinationOf({ by }, dimensions))}`;
  }

  const combinationIn = (series: string): string | undefined => {
    const key = scopeKeyOf(series);
    return key === undefined || key === series || series.endsWith(`|${ANY}`) ? undefined : key;
  };

  function countIn(series: string, amount: Amount, expiresAt: number): void {
    let open = openOf.get(series);
    if (open === undefined) {
      open = { isNew: !recorded.has(series), sum: 0n, ends: createEnds() };
      openOf.set(series, open);
      if (open.isNew) countCombination(series, 1);
    }
    open.sum += amount;
    open.ends.add(expiresAt, amount, 1);
  }

  function discountIn(series: string, amount: Amount, expiresAt: number): void {
    const open = openOf.get(series);
    if (open === undefined) return;
    open.sum -= amount;
    open.ends.add(expiresAt, -amount, -1);
    if (!open.ends.isEmpty()) return;
    openOf.delete(series);
    if (open.isNew) countCombination(series, -1);
  }

  function countCombination(series: string, by: 1 | -1): void {
    const scope = combinationIn(series);
    if (scope !== undefined) combinations.set(scope, (combinations.get(scope) ?? 0) + by);
  }

  function ageOpen(series: string): void {
    const open = openOf.get(series);
    if (open?.isNew !== true) return;
    open.isNew = false;
    countCombination(series, -1);
  }

  function count(one: Reservation): void {
    const { meter, amount, expiresAt } = one;
    if (meter === null) return;
    countIn(meter, amount, expiresAt);
    for (const scope of scopesOf.get(meter) ?? NONE) {
      const series = seriesIn(scope, one);
      if (series !== undefined) countIn(series, amount, expiresAt);
    }
  }

  function discount(one: Reservation): void {
    const { meter, amount, expiresAt } = one;
    if (meter === null) return;
    discountIn(meter, amount, expiresAt);
    for (const scope of scopesOf.get(meter) ?? NONE) {
      const series = seriesIn(scope, one);
      if (series !== undefined) discountIn(series, amount, expiresAt);
    }
  }

  /** The series under which a counter's reservations are held. */
  function held(series: string): readonly (OpenOfSeries | undefined)[] {
    const scope = combinationIn(series);
    return scope === undefined ? [openOf.get(series)] : [openOf.get(series), openOf.get(`${scope}|${ANY}`)];
  }

  /** Whether a reservation counts in a series. */
  function isIn(series: string): (one: Reservation) => boolean {
    const meter = meterOfSeries(series);
    const key = scopeKeyOf(series);
    if (key === undefined) return (one) => one.meter === meter;
    const scope = scopesOf.get(meter)?.find((known) => known.key === key);
    if (scope === undefined) return () => false;
    return (one) => {
      const own = one.meter === meter ? seriesIn(scope, one) : undefined;
      return own === series || own === `${key}|${ANY}`;
    };
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

  function exactEnds(series: string): EndOfReservations[] {
    const ends: EndOfReservations[] = [];
    const counts = isIn(series);
    for (const one of byKey.values()) if (one.open && counts(one)) ends.push({ at: one.expiresAt, amount: one.amount });
    return ends.sort((a, b) => a.at - b.at);
  }

  return {
    size: () => byKey.size,
    get: (key: string) => byKey.get(key),
    values: () => byKey.values(),
    /** The open amount of a meter, scope or combination. */
    open(series: string): Amount {
      const own = openOf.get(series)?.sum ?? 0n;
      const scope = scopesOf.size === 0 ? undefined : combinationIn(series);
      return scope === undefined ? own : own + (openOf.get(`${scope}|${ANY}`)?.sum ?? 0n);
    },
    /** Whether there are open reservations of a very combination. */
    isOpen: (series: string): boolean => openOf.has(series),
    /** Usage of a combination is recorded, as long as it is not forgotten. */
    setRecorded(series: string): void {
      recorded.add(series);
      ageOpen(series);
    },
    /** As `setRecorded` for what is open now only: nobody will say that it is forgotten. */
    ageOpen,
    forgetRecorded: (series: string): boolean => recorded.delete(series),
    /** In another billing period nothing of a scope is recorded yet. */
    renewScope(key: string): void {
      for (const series of recorded) if (scopeKeyOf(series) === key) recorded.delete(series);
      for (const [series, open] of openOf) {
        if (open.isNew || scopeKeyOf(series) !== key) continue;
        open.isNew = true;
        countCombination(series, 1);
      }
    },
    /** In how many combinations of a scope there are open reservations and no recorded usage, as far as that is known. */
    openCombinations: (scope: string): number => combinations.get(scope) ?? 0,
    isIn,
    /** From now on reservations of the scope's meter are counted in it, those that are there too. */
    addScope(scope: ReservedScope): void {
      const meter = meterOfSeries(scope.key);
      scopesOf.set(meter, [...(scopesOf.get(meter) ?? []), scope]);
      for (const one of byKey.values()) {
        if (!one.open || one.meter !== meter) continue;
        const series = seriesIn(scope, one);
        if (series !== undefined) countIn(series, one.amount, one.expiresAt);
      }
    },
    removeScope(key: string): void {
      const meter = meterOfSeries(key);
      const left = (scopesOf.get(meter) ?? []).filter((scope) => scope.key !== key);
      if (left.length > 0) scopesOf.set(meter, left);
      else scopesOf.delete(meter);
      combinations.delete(key);
      for (const series of openOf.keys()) if (scopeKeyOf(series) === key) openOf.delete(series);
    },
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
    /** When the last open reservation of a series ends; 0: there is none. Where they are many, of any since there was none. */
    lastEnd(series: string): number {
      if (scopesOf.size === 0) {
        const open = openOf.get(series);
        return open === undefined ? 0 : lastOf(open, series);
      }
      let last = 0;
      for (const open of held(series)) if (open !== undefined) last = Math.max(last, lastOf(open, series));
      return last;
    },
    /** How the open amount of a series falls, as far as `endsOf` tells: what has ended by a moment, and when all has. */
    fallOf(series: string): Fall {
      if (byKey.size <= MOST_EXACT) {
        const ends = exactEnds(series);
        return { last: ends.at(-1)?.at ?? 0, endedBy: endedOf(ends) };
      }
      const some = held(series).flatMap((open) => open?.ends ?? []);
      return {
        last: Math.max(0, ...some.map((ends) => ends.ends().at(-1)?.at ?? 0)),
        endedBy(at) {
          let sum = 0n;
          for (const ends of some) sum += ends.endedBy(at);
          return sum;
        },
      };
    },
    /** When the open reservations of a series end, ascending; where they are many, at the end of the second or minute. */
    endsOf(series: string): readonly EndOfReservations[] {
      if (byKey.size <= MOST_EXACT) return exactEnds(series);
      const [own, any] = held(series);
      if (any === undefined) return own?.ends.ends() ?? [];
      return [...(own?.ends.ends() ?? []), ...any.ends.ends()].sort((a, b) => a.at - b.at);
    },
  };

  function lastOf({ ends }: OpenOfSeries, series: string): number {
    if (byKey.size > MOST_EXACT || ends.isLastExact()) return ends.last();
    let last = 0;
    const counts = isIn(series);
    for (const one of byKey.values()) if (one.open && counts(one)) last = Math.max(last, one.expiresAt);
    if (scopeKeyOf(series) === undefined) ends.setLast(last);
    return last;
  }
}

const NONE: readonly never[] = [];
