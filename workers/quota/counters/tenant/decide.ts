import type { Amount, BoundNeed, CounterCharge, CounterReading, Decided, LostBound, Operation } from "../counters.js";
import { type Bound, concerns, lostOf, needOf } from "./bounds.js";
import type { Reservations } from "./reservations.js";
import { earliestFit } from "./retry.js";
import type { Counter } from "./window.js";

export type Request = Exclude<Operation, { kind: "release" }>;

/** One charge of a request with its counter. */
export interface Involved {
  readonly charge: CounterCharge;
  readonly counter: Counter;
}

/** What a decision sees of a tenant. */
export interface View {
  readonly now: number;
  readonly reservations: Reservations;
  readonly lost: readonly LostBound[];
  bound(id: string): Bound | undefined;
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
  return reading.used + reading.reserved - reading.lost + charge.amount <= charge.hardLimit;
}

/** When the request fits if nothing else comes. */
export const retryOf = (involved: readonly Involved[], view: View): number | null => earliestFit(involved, view);

export function read({ charge, counter }: Involved, view: View): CounterReading {
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
    const last = counter.entries.findLast((entry) => entry.used !== 0n || entry.reserved !== 0n);
    resetAt = last === undefined ? now : last.at + counter.windowMs;
  }
  if (meter !== null && counter.kind !== "admission") {
    reserved = reservations.open(meter);
    if (counter.kind === "sliding") resetAt = Math.max(resetAt, reservations.lastEnd(meter));
  }
  if (counter.kind === "sliding")
    for (const one of view.lost) if (one.until > now && concerns(one, charge)) resetAt = Math.max(resetAt, one.until);
  if (meter === null) used += lost;
  else reserved += lost;
  const blockedUntil = counter.blockedUntil > now ? counter.blockedUntil : 0;
  const denies = hardLimit !== null && (blockedUntil > 0 || used + reserved + amount > hardLimit);
  return { used, reserved, lost, blockedUntil, resetAt: Math.max(resetAt, blockedUntil), denies };
}

/** The bounds that an admission needs first, one per id. */
export function boundNeeds(involved: readonly Involved[], view: View, expiresAt: number): readonly BoundNeed[] {
  const needs = new Map<string, BoundNeed>();
  for (const { charge, counter } of involved) {
    const taken = () => {
      const { used, reserved } = read({ charge, counter }, view);
      return used + reserved;
    };
    const times = { now: view.now, expiresAt };
    const need = needOf(charge, counter, view.bound, view.reservations.open, times, taken);
    const other = need && needs.get(need.id);
    if (need !== undefined && (other === undefined || other.hardLimit > need.hardLimit)) needs.set(need.id, need);
  }
  return [...needs.values()];
}
