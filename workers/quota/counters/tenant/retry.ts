import type { Amount, CounterCharge, LostBound } from "../counters.js";
import { concerns } from "./bounds.js";
import type { Reservations } from "./reservations.js";
import type { Counter, SlidingCounter } from "./window.js";

/** What is known about a tenant's future if nothing else comes. */
export interface Outlook {
  readonly now: number;
  readonly reservations: Reservations;
  readonly lost: readonly LostBound[];
}

export interface Asked {
  readonly charge: CounterCharge;
  readonly counter: Counter;
}

/** Counters that free room for each other alternate at most this often. */
const MOST_TURNS = 64;
/** With more reservations than this, one in a short window is expected to count for the whole window. */
const MOST_SEARCHED = 256;

/** Answers the first time, not before the given one, at which something fits; null: none. */
export type Finder = (from: number) => number | null;

/** The earliest time at which all charges and others fit together; null: none, as far as anything is known. */
export function earliestFit(asked: readonly Asked[], outlook: Outlook, others: readonly Finder[] = []): number | null {
  const finders = [...asked.map((one) => fitter(one, outlook)), ...others];
  let at = outlook.now;
  for (let turn = 0; turn < MOST_TURNS; turn += 1) {
    const before = at;
    for (const find of finders) {
      const next = find(at);
      if (next === null) return null;
      at = next;
    }
    if (at === before) return at;
  }
  return null;
}

interface Step {
  readonly at: number;
  /** Added to what is taken. */
  readonly delta: Amount;
}

/** Answers the first time, not before the given one, at which a charge fits its counter. */
function fitter({ charge, counter }: Asked, outlook: Outlook): Finder {
  const { amount, hardLimit } = charge;
  if (hardLimit === null && charge.laterLimits.length === 0) return (from) => from;
  const others = stepsOf(charge, counter, outlook);
  const ends = charge.meter === null || counter.kind === "admission" ? [] : outlook.reservations.endsOf(counter.series);
  return (from) => {
    let taken = takenNow(charge, counter, outlook);
    // Two ascending lists; the ends may be thousands, so they are walked only as far as needed.
    let [other, end] = [0, 0];
    const nextStep = () => Math.min(others[other]?.at ?? NEVER, ends[end]?.at ?? NEVER);
    let at = from;
    for (;;) {
      while (nextStep() <= at) {
        if ((others[other]?.at ?? NEVER) <= at) {
          taken += others[other]?.delta ?? 0n;
          other += 1;
        } else {
          taken -= ends[end]?.amount ?? 0n;
          end += 1;
        }
      }
      const limit = limitAt(charge, at);
      if (limit === null) return at;
      const isBlocked = at < counter.blockedUntil;
      if (!isBlocked && taken + amount <= limit) return at;
      const change = charge.laterLimits.find((later) => later.at > at)?.at ?? NEVER;
      at = Math.min(isBlocked ? counter.blockedUntil : nextStep(), change);
      if (at === NEVER) return null;
    }
  };
}

const NEVER = Number.POSITIVE_INFINITY;

function limitAt({ hardLimit, laterLimits }: CounterCharge, at: number): Amount | null {
  const later = laterLimits.findLast((one) => one.at <= at);
  return later === undefined ? hardLimit : later.hardLimit;
}

function takenNow(charge: CounterCharge, counter: Counter, { reservations, lost, now }: Outlook): Amount {
  let taken = counter.kind === "period" ? usedInPeriod(charge, counter) : counter.used + counter.reserved;
  if (counter.kind !== "admission" && charge.meter !== null) taken += reservations.open(counter.series);
  for (const one of lost)
    if (counter.kind !== "admission" && one.until > now && concerns(one, charge)) taken += one.bound;
  return taken;
}

function usedInPeriod({ window }: CounterCharge, counter: Counter): Amount {
  if (window.kind !== "period" || counter.kind !== "period") return 0n;
  return counter.periods.get(window.start) ?? 0n;
}

/** The changes of what is taken, ascending, but for the ends of reservations that count until then. */
function stepsOf(charge: CounterCharge, counter: Counter, outlook: Outlook): readonly Step[] {
  const { now, lost } = outlook;
  const steps: Step[] = [];
  if (counter.kind === "period") steps.push(...periodSteps(charge, counter));
  else
    for (const { at, used, reserved } of counter.entries)
      steps.push({ at: at + counter.windowMs, delta: -used - reserved });
  if (charge.meter !== null && counter.kind === "admission") steps.push(...earlyEnds(counter, outlook));
  if (counter.kind !== "admission")
    for (const one of lost)
      if (one.until > now && concerns(one, charge)) steps.push({ at: endOf(one, charge), delta: -one.bound });
  return steps.sort((a, b) => a.at - b.at);
}

/** Lost requests count in their own period only. */
const endOf = ({ until }: LostBound, { meter, window }: CounterCharge): number =>
  meter === null && window.kind === "period" ? Math.min(until, window.end) : until;

/** At the period's end the next one's usage counts instead: usage timed early, if any. */
function periodSteps({ window }: CounterCharge, { periods }: Extract<Counter, { kind: "period" }>): readonly Step[] {
  if (window.kind !== "period") return [];
  return [{ at: window.end, delta: (periods.get(window.end) ?? 0n) - (periods.get(window.start) ?? 0n) }];
}

/** Reservations that end while their admission is still in the window: they leave early. */
function earlyEnds(counter: SlidingCounter, { now, reservations }: Outlook): readonly Step[] {
  if (counter.reserved === 0n || reservations.size() > MOST_SEARCHED) return [];
  const steps: Step[] = [];
  const counts = reservations.isIn(counter.series);
  for (const one of reservations.values()) {
    if (!one.open || !counts(one) || one.serial < counter.sinceSerial || one.expiresAt <= now) continue;
    const entry = counter.entries.find(({ at }) => at >= one.admittedAt);
    if (entry === undefined || entry.from > one.admittedAt || one.expiresAt >= entry.at + counter.windowMs) continue;
    steps.push({ at: one.expiresAt, delta: -one.amount }, { at: entry.at + counter.windowMs, delta: one.amount });
  }
  return steps;
}
