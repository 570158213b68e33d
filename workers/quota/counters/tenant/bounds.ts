import type { Amount, BoundGrant, BoundNeed, CounterCharge, LostBound } from "../counters.js";
import { type Counter, usedSince } from "./window.js";

/**
 * What only the counters know is covered by a bound that was made durable before it was admitted. Of a meter it is the sum of
 * its open reservations, of requests their number in one bucket of a window.
 */
export interface Bound {
  readonly covers: Covered;
  bound: Amount;
  until: number;
  /** A grant at or under it is refused. */
  version: number;
  /** What the database may hold. */
  durable: Amount;
  /** And until when. */
  durableUntil: number;
  /** Admitted under it since it was last looked at. */
  recent: Amount;
}

/** The open reservations of a meter, or the requests in the bucket of a counter that begins at `start`. */
export type Covered =
  | { readonly kind: "meter"; readonly meter: string }
  | { readonly kind: "requests"; readonly counter: string; readonly start: number };

const REQUEST_BUCKETS = 24;
/** More than any sum of amounts. */
const UNLIMITED: Amount = 10n ** 60n;

export const meterBound = (meter: string): string => `m|${meter}`;

/** What the bound with this id covers. */
export function boundOf(id: string): Covered {
  if (id.startsWith("m|")) return { kind: "meter", meter: id.slice(2) };
  const end = id.lastIndexOf("|");
  return { kind: "requests", counter: id.slice(1, end), start: Number(id.slice(end + 1)) };
}

export const requestBucketMs = (windowMs: number): number => windowMs / REQUEST_BUCKETS;

/** The bucket of a window that a request admitted now is in, and when what was admitted in it counts no longer. */
export function requestBucket(charge: CounterCharge, now: number): { id: string; start: number; until: number } {
  const { window, counter } = charge;
  const name = counter.slice(counter.indexOf("|") + 1);
  if (window.kind === "period") return { id: `r|${name}|${window.start}`, start: window.start, until: window.end };
  const size = requestBucketMs(window.windowMs);
  const start = Math.floor(now / size) * size;
  return { id: `r|${name}|${start}`, start, until: start + size + window.windowMs };
}

/** The id of the bound that covers an admission. */
export const coveringId = (charge: CounterCharge, now: number): string =>
  charge.meter === null ? requestBucket(charge, now).id : meterBound(charge.meter);

/** The bound that an admission needs; undefined: what is granted covers it. */
export function needOf(
  charge: CounterCharge,
  counter: Counter,
  { bounds, open }: { readonly bounds: ReadonlyMap<string, Bound>; readonly open: (meter: string) => Amount },
  times: { readonly now: number; readonly expiresAt: number },
  /** What is taken of the counter now. */
  taken: Amount,
): BoundNeed | undefined {
  if (!charge.bounded) return undefined;
  const { amount, meter } = charge;
  const need = (id: string, exposure: Amount, until: number): BoundNeed => {
    // A soft limit that a hard one follows: admissions know no room, and blocks are a part of what is open.
    const { hardLimit, scope } = charge;
    if (hardLimit === null) return { id, exposure, amount, until, hardLimit: exposure + amount, room: UNLIMITED };
    if (scope !== undefined && meter !== null) {
      return {
        id,
        exposure,
        amount,
        until,
        hardLimit: larger(hardLimit, exposure + amount),
        room: UNLIMITED,
        isOfPart: true,
      };
    }
    return { id, exposure, amount, until, hardLimit, room: exposure + hardLimit - taken };
  };
  if (meter !== null) {
    const id = meterBound(meter);
    const exposure = open(meter);
    const bound = bounds.get(id);
    if (bound !== undefined && exposure + amount <= bound.bound && times.expiresAt <= bound.until) return undefined;
    return need(id, exposure, times.expiresAt);
  }
  const { id, start, until } = requestBucket(charge, times.now);
  const exposure = counter.kind === "period" ? (counter.periods.get(start) ?? 0n) : usedSince(counter, start);
  const bound = bounds.get(id);
  if (bound !== undefined && exposure + amount <= bound.bound) return undefined;
  return need(id, exposure, until);
}

/** What lost admissions may still take of a counter. */
export function lostOf(lost: readonly LostBound[], charge: CounterCharge, now: number): Amount {
  if (lost.length === 0 || charge.window.kind === "admission") return 0n;
  return lost.reduce((sum, one) => (one.until > now && concerns(one, charge) ? sum + one.bound : sum), 0n);
}

/** What lost admissions may still take of a meter. */
export const lostOfMeter = (lost: readonly LostBound[], meter: string, now: number): Amount =>
  lost.reduce((sum, one) => (one.until > now && concernsMeter(one, meter) ? sum + one.bound : sum), 0n);

export const concernsMeter = ({ id }: LostBound, meter: string): boolean => id === meterBound(meter);

/** Whether a lost bound counts in the charge's counter. */
export function concerns({ id }: LostBound, { meter, counter, window }: CounterCharge): boolean {
  const covers = boundOf(id);
  if (covers.kind === "meter") return meter === covers.meter;
  return meter === null && covers.counter === counter && (window.kind !== "period" || covers.start === window.start);
}

/**
 * The bound that what is open now needs, where the granted one exceeds it: exactly that when nothing was admitted lately,
 * with room for as much again otherwise. Never more than before: the database may have followed a lowering of which the counters
 * have not heard. Undefined: leave it as it is.
 */
export function loweredTo(
  held: Bound,
  exposure: Amount,
  lastEnd: number,
): Pick<BoundGrant, "bound" | "until"> | undefined {
  const spare = held.recent;
  if (held.durable <= exposure + 2n * spare) return undefined;
  const until = spare > 0n ? held.until : lastEnd;
  if (held.bound >= exposure + spare) return { bound: exposure + spare, until };
  return { bound: held.bound > exposure ? held.bound : exposure, until };
}

const larger = (a: Amount, b: Amount): Amount => (a > b ? a : b);
