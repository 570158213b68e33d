import type { Decimal } from "#kernel/decimal.js";
import { isDenying } from "#schema/vocabulary.js";
import type { Amount, CounterCharge } from "../counters/counters.js";
import { amountOf, amountText, ONE_UNIT } from "../rules/amount.js";
import type { LimitInForce, LimitsInForce } from "../rules/limits.js";
import { counterWindow, outlivesLoss } from "../rules/windows.js";
import type { LaterLimits, LimitedTenant } from "./tenant-limits.js";

type Uncharged = Omit<CounterCharge, "amount">;

/** The limits that apply to requests for one meter, and one charge per counter, without its amount. */
export interface Concern {
  /** The meter asked for, if a limit is on it: its usage settles the reservation. */
  readonly meter: string | null;
  /** Each with the index of its counter's charge. */
  readonly limits: readonly { readonly limit: LimitInForce; readonly charge: number }[];
  readonly charges: readonly Uncharged[];
  /** On counters that only limits to come are on. */
  readonly laterCharges: readonly Uncharged[];
}

/** Instead of a meter: every limit. */
export const EVERY_LIMIT = Symbol("every limit");
type Concerned = string | null | typeof EVERY_LIMIT;

/** By the limits and those that are known to follow: an array of its own wherever either changes. */
const concerns = new WeakMap<readonly LaterLimits[], Map<Concerned, Concern | undefined>>();

/** Undefined: none. The same for every request until the limits change, so computed once. */
export function concernOf({ inForce, later }: LimitedTenant, meter: Concerned): Concern | undefined {
  if (inForce === undefined) return undefined;
  let ofMeter = concerns.get(later);
  if (ofMeter === undefined) {
    ofMeter = new Map();
    concerns.set(later, ofMeter);
  }
  if (!ofMeter.has(meter)) ofMeter.set(meter, newConcern(inForce, later, meter));
  return ofMeter.get(meter);
}

function newConcern(inForce: LimitsInForce, later: readonly LaterLimits[], meter: Concerned): Concern | undefined {
  const limits = inForce.limits.filter(isOn(meter));
  if (limits.length === 0) return undefined;
  const counters = [...new Set(limits.map((limit) => limit.counterId))];
  return {
    meter: meter !== EVERY_LIMIT && limits.some((limit) => limit.meter !== null) ? meter : null,
    limits: limits.map((limit) => ({ limit, charge: counters.indexOf(limit.counterId) })),
    charges: counters.map((counter) => chargeOf(counter, inForce, later)),
    laterCharges: meter === EVERY_LIMIT ? [] : laterChargesOf(counters, later, meter),
  };
}

const isOn =
  (asked: Concerned) =>
  ({ meter }: LimitInForce): boolean =>
    asked === EVERY_LIMIT || meter === null || meter === asked;

function laterChargesOf(
  known: readonly string[],
  later: readonly LaterLimits[],
  meter: string | null,
): readonly Uncharged[] {
  const found = new Map<string, Uncharged>();
  for (const { inForce } of later) {
    for (const limit of inForce?.limits.filter(isOn(meter)) ?? []) {
      const { counterId, window, bounds, kind } = limit;
      if (inForce === undefined || !isDenying(kind) || known.includes(counterId) || found.has(counterId)) continue;
      found.set(counterId, {
        ...{ counter: counterId, meter: limit.meter, window: counterWindow(window, bounds) },
        ...{ hardLimit: null, laterLimits: hardLimitsOf(later, counterId), bounded: false },
      });
    }
  }
  return [...found.values()];
}

function chargeOf(counter: string, inForce: LimitsInForce, later: readonly LaterLimits[]): Uncharged {
  const first = inForce.limits.find((limit) => limit.counterId === counter);
  if (first === undefined) throw new Error("a counter without a limit");
  const hardLimit = hardLimitOf(inForce, counter);
  return {
    counter,
    meter: first.meter,
    window: counterWindow(first.window, first.bounds),
    hardLimit,
    laterLimits: hardLimitsOf(later, counter),
    bounded: outlivesLoss(first.window) && [inForce, ...later.map((one) => one.inForce)].some(mustNotForget(first)),
  };
}

/**
 * Whether these limits must know after a loss what is admitted now under this one: of what is reserved each hard limit of its
 * meter, of requests one of the same window.
 */
const mustNotForget =
  ({ meter, window }: LimitInForce) =>
  (limits: LimitsInForce | undefined): boolean =>
    limits?.limits.some(
      (one) =>
        isDenying(one.kind) &&
        one.meter === meter &&
        (meter === null ? one.window === window : outlivesLoss(one.window)),
    ) ?? false;

const hardLimitsOf = (later: readonly LaterLimits[], counter: string): CounterCharge["laterLimits"] =>
  later.map(({ at, inForce }) => ({ at, hardLimit: hardLimitOf(inForce, counter) }));

/** Of the limits on one counter, the smallest hard one applies; null: none. */
function hardLimitOf(inForce: LimitsInForce | undefined, counter: string): Amount | null {
  let smallest: Amount | null = null;
  for (const { counterId, kind, units } of inForce?.limits ?? []) {
    if (counterId !== counter || !isDenying(kind)) continue;
    if (smallest === null || units.most < smallest) smallest = units.most;
  }
  return smallest;
}

/** What a request asks of a concern. */
export interface Asked {
  /** The meter and amount, as text. */
  readonly content: string;
  readonly charges: readonly CounterCharge[];
  readonly laterCharges: readonly CounterCharge[];
}

interface AskedBefore extends Asked {
  readonly meter: string | null;
  readonly asked: Amount;
}

/** Most requests ask for as much as the last one did. */
const lastAsked = new WeakMap<Concern, AskedBefore>();

/** A request counts as one, whatever the amount. */
export function askedOf(concern: Concern, meter: string | null, amount: Decimal): Asked {
  const asked = amountOf(amount);
  const before = lastAsked.get(concern);
  if (before?.asked === asked && before.meter === meter) return before;
  const content = meter === null ? "requests" : `${meter} ${amountText(asked)}`;
  const chargedAll = (all: readonly Uncharged[]) =>
    all.map((charge) => charged(charge, charge.meter === null ? ONE_UNIT : asked));
  const [charges, laterCharges] = [chargedAll(concern.charges), chargedAll(concern.laterCharges)];
  const found = { meter, asked, content, charges, laterCharges };
  lastAsked.set(concern, found);
  return found;
}

export const unchargedOf = ({ charges }: Concern): readonly CounterCharge[] =>
  charges.map((charge) => charged(charge, 0n));

/** Written out: see `tenant/state.ts`. */
function charged(charge: Uncharged, amount: Amount): CounterCharge {
  const { counter, meter, window, hardLimit, laterLimits, bounded } = charge;
  return { counter, meter, window, amount, hardLimit, laterLimits, bounded };
}
