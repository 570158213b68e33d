import type { Amount, BoundNeed, CounterCharge, CounterReading, Decided, LostBound, Operation } from "../counters.js";
import { type Bound, concerns, lostOf, needOf } from "./bounds.js";
import type { Reservations } from "./reservations.js";
import type { Counter, SlidingCounter } from "./window.js";

export type Request = Exclude<Operation, { kind: "release" }>;

/** One charge of a request with its counter. */
export interface Involved {
  readonly charge: CounterCharge;
  readonly counter: Counter;
  /** Its combination is one more than the tenant may have. */
  readonly isTooMany?: boolean;
  /** The same under a soft limit on requests, which is not worth a counter. */
  readonly isUncounted?: boolean;
}

/** What a decision sees of a tenant. */
export interface View {
  readonly now: number;
  readonly reservations: Reservations;
  readonly lost: readonly LostBound[];
  readonly bounds: ReadonlyMap<string, Bound>;
}

/** Evaluates a request without charging it. */
export function judge(
  involved: readonly Involved[],
  view: View,
): Pick<Decided, "allowed" | "deniedByLoss" | "readings"> {
  const readings = involved.map((one) => read(one, view));
  const allowed = !readings.some(({ denies }) => denies);
  const deniedByLoss = !allowed && involved.every(({ charge }, index) => fitsButForLoss(charge, readings[index]));
  return { allowed, deniedByLoss, readings };
}

function fitsButForLoss(charge: CounterCharge, reading: CounterReading | undefined): boolean {
  if (reading === undefined || charge.hardLimit === null) return true;
  if (reading.full === true) return false;
  return reading.used + reading.reserved - reading.lost + charge.amount <= charge.hardLimit;
}

/** What a charge's counter holds; after its admission, it does not deny it. */
export function read({ charge, counter, isTooMany }: Involved, view: View, isAdmitted = false): CounterReading {
  const { meter, window, hardLimit, amount } = charge;
  const { now, reservations } = view;
  const lost = lostOf(view.lost, charge, now);
  let used: Amount;
  let reserved = 0n;
  let resetAt: number;
  if (counter.kind === "period") {
    const [start, end] = window.kind === "period" ? [window.start, window.end] : [now, now];
    used = counter.periods.get(start) ?? 0n;
    resetAt = end;
  } else {
    used = counter.used;
    reserved = counter.reserved;
    resetAt = Math.max(now, lastOf(counter) + counter.windowMs);
  }
  if (meter !== null && counter.kind !== "admission") {
    reserved = reservations.open(counter.series);
    if (counter.kind === "sliding") resetAt = Math.max(resetAt, reservations.lastEnd(counter.series));
  }
  if (counter.kind === "sliding")
    for (const one of view.lost) if (one.until > now && concerns(one, charge)) resetAt = Math.max(resetAt, one.until);
  if (meter === null) used += lost;
  else reserved += lost;
  const blockedUntil = counter.blockedUntil > now ? counter.blockedUntil : 0;
  const denies = !isAdmitted && hardLimit !== null && (blockedUntil > 0 || used + reserved + amount > hardLimit);
  if (!isAdmitted && isTooMany === true)
    return { used, reserved, lost, blockedUntil, resetAt: Math.max(resetAt, blockedUntil), denies: true, full: true };
  return { used, reserved, lost, blockedUntil, resetAt: Math.max(resetAt, blockedUntil), denies };
}

/** When the last of what counts happened; 0: nothing counts. */
function lastOf({ entries }: SlidingCounter): number {
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries[index];
    if (entry !== undefined && (entry.used !== 0n || entry.reserved !== 0n)) return entry.at;
  }
  return 0;
}

/** The bounds that an admission needs first, one per id. `readings`: of the same charges, before it. */
export function boundNeeds(
  involved: readonly Involved[],
  readings: readonly CounterReading[],
  view: View,
  expiresAt: number,
): readonly BoundNeed[] {
  const needs: BoundNeed[] = [];
  for (let index = 0; index < involved.length; index += 1) {
    const [one, reading] = [involved[index], readings[index]];
    if (one === undefined || reading === undefined || !one.charge.bounded) continue;
    const { charge, counter } = one;
    const { now, bounds, reservations } = view;
    const taken = reading.used + reading.reserved;
    const need = needOf(charge, counter, { bounds, open: reservations.open }, { now, expiresAt }, taken);
    if (need === undefined) continue;
    const other = needs.findIndex(({ id }) => id === need.id);
    const held = needs[other];
    if (held === undefined) needs.push(need);
    // A limit on all that the bound covers says more about it than one on a part.
    else if (
      need.isOfPart
        ? held.isOfPart && need.hardLimit < held.hardLimit
        : held.isOfPart || need.hardLimit < held.hardLimit
    )
      needs[other] = need;
  }
  return needs;
}
