import { MONEY_SCOPE } from "../../rules/scopes.js";
import type { Amount, CounterReading, LineRating, MoneyCharge, MoneyLine, MoneyTerms } from "../counters.js";
import { concernsMeter, lostOfMeter } from "./bounds.js";
import type { Finder } from "./retry.js";
import type { State } from "./state.js";
import type { Counter } from "./window.js";

/** One line of a charge, with what its counters hold. */
interface HeldLine {
  readonly line: MoneyLine;
  readonly used: Amount;
  /** What `used` costs. */
  readonly cost: Amount;
  readonly reserved: Amount;
  /** What a loss may have hidden of what is reserved. */
  readonly lost: Amount;
}

type View = Pick<State, "counters" | "reservations" | "lost" | "now">;

/** Whether every counter of the charge is loaded, also of terms to come. */
export function isLoaded({ lines, later }: MoneyCharge, { counters, scopes }: View & Pick<State, "scopes">): boolean {
  const isHeld = ({ counter }: MoneyLine): boolean => counters.get(counter) !== undefined;
  return scopes.has(MONEY_SCOPE) && lines.every(isHeld) && later.every((terms) => terms.lines.every(isHeld));
}

/**
 * What usage costs, and the highest that it may come to with what is reserved: reservations hold quantities, since an amount
 * that was held would be another one as soon as other usage reaches the next tier.
 */
export function readMoney(charge: MoneyCharge, view: View, isAdmitted = false): CounterReading {
  const held = charge.lines.map((line) => heldOf(line, charge.start, view));
  const used = sumOf(held, ({ cost }) => cost);
  const taken = sumOf(held, (one) => highest(one, one.reserved + one.lost));
  const reserved = taken - used;
  const lost = view.lost.length === 0 ? 0n : taken - sumOf(held, (one) => highest(one, one.reserved));
  const common = { used, reserved, lost, blockedUntil: 0, resetAt: charge.end };
  if (isAdmitted) return { ...common, asked: 0n, denies: false };
  const asked = sumOf(held, (one) => {
    const before = one.reserved + one.lost;
    return one.line.asked === 0n ? 0n : highest(one, before + one.line.asked) - highest(one, before);
  });
  const { hardLimit } = charge;
  if (hardLimit === null || taken + asked <= hardLimit) return { ...common, asked, denies: false };
  // Negative usage makes room, and so may usage beyond the dearest end of a tier.
  const alone = sumOf(held, ({ line, used: own }) => rangeFrom(own < 0n ? own : 0n, line));
  const isTooLarge = alone > hardLimit && sumOf(held, ({ line, used: own }) => rangeFrom(own, line)) > hardLimit;
  return { ...common, asked, denies: true, ...(isTooLarge && { isTooLarge }) };
}

/** Whether the charge would be admitted but for what a loss may have hidden. */
export function moneyFitsButForLoss(charge: MoneyCharge, view: View): boolean {
  const { hardLimit, start, lines } = charge;
  if (hardLimit === null) return true;
  const held = lines.map((line) => heldOf(line, start, view));
  return sumOf(held, (one) => highest(one, one.reserved + one.line.asked)) <= hardLimit;
}

const rangeFrom = (from: Amount, { rating, asked }: MoneyLine): Amount => rating.highest(from, from + asked);

/** Most lines of a plan with many prices are not asked for, and have nothing reserved. */
const highest = ({ line: { rating }, used, cost }: HeldLine, more: Amount): Amount =>
  more === 0n ? cost : rating.highest(used, used + more);

function sumOf(held: readonly HeldLine[], of: (one: HeldLine) => Amount): Amount {
  let sum = 0n;
  for (const one of held) sum += of(one);
  return sum;
}

function heldOf(line: MoneyLine, start: number, { counters, reservations, lost, now }: View): HeldLine {
  const counter = counters.get(line.counter);
  const reserved = counter === undefined ? 0n : reservations.open(counter.series);
  const used = usedIn(counter, start);
  const cost = counter === undefined ? line.rating.highest(used, used) : costOf(counter, used, line.rating);
  return { line, used, cost, reserved, lost: lostOfMeter(lost, line.meter, now) };
}

interface Cost {
  readonly used: Amount;
  readonly rating: LineRating;
  readonly cost: Amount;
}

/** Usage changes few lines between two decisions, and a plan may have a hundred. */
const costs = new WeakMap<Counter, Cost>();

function costOf(counter: Counter, used: Amount, rating: LineRating): Amount {
  // Of a period to come, mostly: it must not replace what is known of this one.
  if (used === 0n) return rating.highest(0n, 0n);
  const before = costs.get(counter);
  if (before?.used === used && before.rating === rating) return before.cost;
  const cost = rating.highest(used, used);
  costs.set(counter, { used, rating, cost });
  return cost;
}

const usedIn = (counter: Counter | undefined, start: number): Amount =>
  counter?.kind === "period" ? (counter.periods.get(start) ?? 0n) : 0n;

/**
 * Answers the first time, not before the given one, at which the charge fits if nothing else comes: reservations end, terms
 * change. Between two changes of the terms what is reserved only falls, and so does what it may come to.
 */
export function moneyFitter(charge: MoneyCharge, view: View): Finder {
  const terms: readonly MoneyTerms[] = [{ ...charge, at: view.now }, ...charge.later];
  const known = new Map<MoneyTerms, Outlook>();
  const outlookOn = (one: MoneyTerms): Outlook => {
    const outlook = known.get(one) ?? outlookOf(one, view);
    known.set(one, outlook);
    return outlook;
  };
  return (from) => {
    for (const [index, one] of terms.entries()) {
      const { at, hardLimit } = one;
      const until = terms[index + 1]?.at ?? Number.POSITIVE_INFINITY;
      if (until <= from) continue;
      const since = Math.max(from, at);
      if (hardLimit === null) return since;
      const { cost, lastEnd } = outlookOn(one);
      if (cost(since) <= hardLimit) return since;
      const found = firstThat(since, lastEnd, (at) => cost(at) <= hardLimit);
      if (found !== undefined && found < until) return found;
    }
    return null;
  };
}

interface Outlook {
  /** Nothing that is reserved ends later. */
  readonly lastEnd: number;
  /** What the charge may come to at most with what is still reserved then. */
  cost(at: number): Amount;
}

function outlookOf({ lines, start }: MoneyTerms, view: View): Outlook {
  const held = lines.map((line) => {
    const one = heldOf(line, start, view);
    return { one, fall: one.reserved + one.lost > 0n ? fallOf(one, view) : undefined };
  });
  return {
    lastEnd: Math.max(0, ...held.map(({ fall }) => fall?.last ?? 0)),
    cost(at) {
      let sum = 0n;
      for (const { one, fall } of held)
        sum += highest(one, one.reserved + one.lost + one.line.asked - (fall?.endedBy(at) ?? 0n));
      return sum;
    },
  };
}

/** How what is reserved of the line falls, with what a loss may have hidden. */
function fallOf({ line }: HeldLine, { counters, reservations, lost, now }: View) {
  const counter = counters.get(line.counter);
  const fall = counter && reservations.fallOf(counter.series);
  const hidden = lost.filter((one) => one.until > now && concernsMeter(one, line.meter));
  return {
    last: Math.max(fall?.last ?? 0, ...hidden.map(({ until }) => until)),
    endedBy(at: number): Amount {
      let sum = fall?.endedBy(at) ?? 0n;
      for (const { until, bound } of hidden) if (until <= at) sum += bound;
      return sum;
    },
  };
}

/** The first whole number from one to another for which it holds, where it holds for all after one for which it does. */
function firstThat(from: number, to: number, holds: (one: number) => boolean): number | undefined {
  if (to < from || !holds(to)) return undefined;
  let [low, high] = [from, to];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}
