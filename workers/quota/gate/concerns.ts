import type { Decimal } from "#kernel/decimal.js";
import { isDenying } from "#schema/vocabulary.js";
import type { Amount, CounterCharge, MoneyCharge, MoneyLine, MoneyTerms } from "../counters/counters.js";
import { amountOf, ONE_UNIT } from "../rules/amount.js";
import { type AskedAmount, contentOf } from "../rules/asked.js";
import { counterId, isFamily, type LimitInForce, type LimitsInForce, lineKey, memberId } from "../rules/limits.js";
import type { PricedLine } from "../rules/money.js";
import {
  combinationId,
  combinationOf,
  type Dimensions,
  isWithin,
  NO_DIMENSIONS,
  namesOf,
  type Scope,
} from "../rules/scopes.js";
import { counterWindow, outlivesLoss } from "../rules/windows.js";
import type { LaterLimits, LimitedTenant } from "./tenant-limits.js";

/** Of a limit with `by`, its counter is the family of those of the combinations. */
type Uncharged = Omit<CounterCharge, "amount">;
/** A limit, with the index of its counter's charge; in money there is one charge for all. */
export interface ChargedLimit {
  readonly limit: LimitInForce;
  readonly charge: number | "money";
  /** Of a limit with `by`: the combination, in the order of its scope. */
  readonly values?: readonly string[];
}

/** The limits that apply to requests for some meters, and one charge per counter, without its amount. */
export interface Concern {
  readonly limits: readonly ChargedLimit[];
  readonly charges: readonly Uncharged[];
  /** On counters that only limits to come are on. */
  readonly laterCharges: readonly Uncharged[];
  /** Of limits in money, and of those to come; absent: there are none. */
  readonly money?: UnchargedMoney;
  /** Dimensions whose values a request must have, in the order of the limits. */
  readonly required: readonly string[];
  /** Those, and the dimensions of limits to come: their values are kept with a reservation. Empty: nothing counts by any. */
  readonly named: readonly string[];
}

type UnchargedLine = Omit<MoneyLine, "asked"> & Pick<PricedLine, "scope">;
interface UnchargedTerms extends Omit<MoneyTerms, "lines"> {
  readonly lines: readonly UnchargedLine[];
}
interface UnchargedMoney extends Omit<MoneyCharge, "lines" | "later"> {
  readonly lines: readonly UnchargedLine[];
  readonly later: readonly UnchargedTerms[];
}

/** A quantity of a meter. */
export interface MeterUsage {
  readonly meter: string;
  readonly amount: Decimal;
}

/** Instead of meters: every limit. */
export const EVERY_LIMIT = Symbol("every limit");
/** Ascending; none: requests only. */
type Concerned = readonly string[] | typeof EVERY_LIMIT;

interface Concerns {
  /** Of one meter or none, or of every limit. */
  readonly ofOne: Map<string | typeof EVERY_LIMIT, Concern | undefined>;
  /** Of several, by their keys: clients choose which they ask for together. */
  readonly ofSeveral: Map<string | typeof EVERY_LIMIT, Concern | undefined>;
}
const MOST_OF_SEVERAL = 64;

/** By the limits and those that are known to follow: an array of its own wherever either changes. */
const concerns = new WeakMap<readonly LaterLimits[], Concerns>();

/** Undefined: none. The same for every request for these meters until the limits change, so computed once. */
export function concernOf(
  { inForce, later }: LimitedTenant,
  usage: readonly Pick<MeterUsage, "meter">[] | typeof EVERY_LIMIT,
): Concern | undefined {
  if (inForce === undefined) return undefined;
  let known = concerns.get(later);
  if (known === undefined) {
    known = { ofOne: new Map(), ofSeveral: new Map() };
    concerns.set(later, known);
  }
  const isOfSeveral = usage !== EVERY_LIMIT && usage.length > 1;
  const found = isOfSeveral ? known.ofSeveral : known.ofOne;
  const id =
    usage === EVERY_LIMIT ? usage : isOfSeveral ? usage.map(({ meter }) => meter).join() : (usage[0]?.meter ?? "");
  if (!found.has(id)) {
    if (isOfSeveral && found.size >= MOST_OF_SEVERAL) found.clear();
    const meters = usage === EVERY_LIMIT ? usage : usage.map(({ meter }) => meter);
    found.set(id, newConcern(inForce, later, meters));
  }
  return found.get(id);
}

function newConcern(inForce: LimitsInForce, later: readonly LaterLimits[], meters: Concerned): Concern | undefined {
  const limits = inForce.limits.filter(isOn(meters));
  if (limits.length === 0) return undefined;
  const counted = limits.filter(({ money }) => money === undefined);
  const counters = [...new Set(counted.map((limit) => limit.counterId))];
  const following = later.flatMap((one) => one.inForce?.limits.filter(isOn(meters)) ?? []);
  const required = [...new Set(limits.flatMap(namesOfLimit(meters)))];
  const charges = [...counters.map((counter) => chargeOf(counter, inForce, later))];
  if (meters !== EVERY_LIMIT) charges.push(...lineChargesOf(limits, counters, meters, inForce, later));
  const money = moneyOf(inForce, later);
  return {
    required,
    named: [...new Set([...required, ...following.flatMap(namesOfLimit(meters))])],
    limits: limits.map((limit) => ({
      limit,
      charge: limit.money === undefined ? counters.indexOf(limit.counterId) : "money",
    })),
    charges,
    laterCharges: meters === EVERY_LIMIT ? [] : laterChargesOf(counters, later, meters),
    ...(money && { money }),
  };
}

/** Of a limit in money, those by which the prices of the meters tell usage apart. */
const namesOfLimit =
  (meters: Concerned) =>
  ({ counter: { scope }, money }: LimitInForce): readonly string[] => {
    const lines = money?.lines.filter((line) => meters !== EVERY_LIMIT && meters.includes(line.meter)) ?? [];
    return [scope, ...lines.map((line) => line.scope)].flatMap((one) => (one ? namesOf(one) : []));
  };

/** A request is reserved on the counters of the prices that claim it, which do not limit it by themselves. */
function lineChargesOf(
  limits: readonly LimitInForce[],
  charged: readonly string[],
  meters: readonly string[],
  inForce: LimitsInForce,
  later: readonly LaterLimits[],
): readonly Uncharged[] {
  const found = new Map<string, Uncharged>();
  for (const { money, bounds } of limits) {
    for (const line of money?.lines.filter((one) => meters.includes(one.meter)) ?? []) {
      const counter = counterId(lineKey(line));
      if (charged.includes(counter)) continue;
      const window = counterWindow("BILLING_PERIOD", bounds);
      const { meter, scope } = line;
      const bounded = isBounded({ meter, window: "BILLING_PERIOD" }, inForce, later);
      found.set(counter, {
        ...{ counter, meter, ...(scope && { scope }), window, hardLimit: null, laterLimits: [], bounded },
      });
    }
  }
  return [...found.values()];
}

/** Undefined: no limit is in money, nor one to come, which decides when a denied request fits. */
function moneyOf(inForce: LimitsInForce, later: readonly LaterLimits[]): UnchargedMoney | undefined {
  const { period } = inForce;
  const terms = termsOf(inForce, period.start);
  const following = later.map(({ at, inForce: follows }) => ({
    at,
    terms: follows && termsOf(follows, follows.period.start),
  }));
  if ([terms, ...following.map((one) => one.terms)].every((one) => one === undefined)) return undefined;
  const none = { hardLimit: null, lines: [], start: period.start };
  return {
    ...(terms ?? none),
    end: period.end,
    later: following.map((one) => ({ at: one.at, ...(one.terms ?? none) })),
  };
}

function termsOf(inForce: LimitsInForce, start: number): Omit<UnchargedTerms, "at"> | undefined {
  const found = inForce.limits.find(({ money }) => money !== undefined);
  if (found?.money === undefined) return undefined;
  return {
    start,
    hardLimit: hardLimitOf(inForce, found.counterId),
    lines: found.money.lines.map((line) => {
      const { meter, scope, rating } = line;
      return { counter: counterId(lineKey(line)), meter, ...(scope && { scope }), rating };
    }),
  };
}

const isOn =
  (asked: Concerned) =>
  ({ meter }: LimitInForce): boolean =>
    asked === EVERY_LIMIT || meter === null || asked.includes(meter);

function laterChargesOf(
  known: readonly string[],
  later: readonly LaterLimits[],
  meters: readonly string[],
): readonly Uncharged[] {
  const found = new Map<string, Uncharged>();
  for (const { inForce } of later) {
    for (const limit of inForce?.limits.filter(isOn(meters)) ?? []) {
      const { counterId, window, bounds, kind, money } = limit;
      if (
        inForce === undefined ||
        money !== undefined ||
        !isDenying(kind) ||
        known.includes(counterId) ||
        found.has(counterId)
      )
        continue;
      found.set(counterId, {
        ...{ counter: counterId, meter: limit.meter, window: counterWindow(window, bounds) },
        ...scopedBy(limit),
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
    ...scopedBy(first),
    ...(first.meter !== null && isFamily(first.counter) && { period: inForce.period.start }),
    window: counterWindow(first.window, first.bounds),
    hardLimit,
    laterLimits: hardLimitsOf(later, counter),
    bounded: isBounded(first, inForce, later),
  };
}

const isBounded = (
  on: Pick<LimitInForce, "meter" | "window">,
  inForce: LimitsInForce,
  later: readonly LaterLimits[],
): boolean => outlivesLoss(on.window) && [inForce, ...later.map((one) => one.inForce)].some(mustNotForget(on));

const scopedBy = ({ counter: { scope } }: LimitInForce): Pick<CounterCharge, "scope"> => (scope ? { scope } : {});

/**
 * Whether these limits must know after a loss what is admitted now under this one: of what is reserved each hard limit of its
 * meter, of requests one of the same window.
 */
const mustNotForget =
  ({ meter, window }: Pick<LimitInForce, "meter" | "window">) =>
  (limits: LimitsInForce | undefined): boolean =>
    limits?.limits.some((one) => {
      if (!isDenying(one.kind)) return false;
      if (one.money !== undefined) return one.money.lines.some((line) => line.meter === meter);
      return one.meter === meter && (meter === null ? one.window === window : outlivesLoss(one.window));
    }) ?? false;

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
  /** The meters and amounts, as text. */
  readonly content: string;
  /** Absent: no limit counts by dimensions. */
  readonly dimensions?: Dimensions;
  /** Those that the request counts in. */
  readonly limits: readonly ChargedLimit[];
  readonly charges: readonly CounterCharge[];
  readonly laterCharges: readonly CounterCharge[];
  /** Absent: no limit is in money, nor one to come. */
  readonly money?: MoneyCharge;
}

interface AskedBefore extends Asked {
  readonly asked: readonly AskedAmount[];
}

/** Most requests ask for as much as the last one did. */
const lastAsked = new WeakMap<Concern, AskedBefore>();

/**
 * What a request asks for of the concern of its meters; it counts as one request, whatever the amounts. `usage` ascends by meter,
 * `dimensions` has all that are required.
 */
export function askedOf(concern: Concern, usage: readonly MeterUsage[], dimensions: Dimensions): Asked {
  const asked = usage.map(({ meter, amount }) => ({ meter, amount: amountOf(amount) }));
  if (concern.named.length > 0) return askedByDimensions(concern, asked, dimensions);
  const before = lastAsked.get(concern);
  if (before !== undefined && isAskedBy(before, asked)) return before;
  const chargedAll = (all: readonly Uncharged[]) =>
    all.map((charge) => charged(charge, amountFor(charge.meter, asked)));
  const [charges, laterCharges] = [chargedAll(concern.charges), chargedAll(concern.laterCharges)];
  const { limits } = concern;
  const money = concern.money && chargedInMoney(concern.money, asked, NO_DIMENSIONS);
  const found = { asked, content: contentOf(asked), limits, charges, laterCharges, ...(money && { money }) };
  lastAsked.set(concern, found);
  return found;
}

/** Of the same concern, so that the meters are the same, unless no limit is on them. */
function isAskedBy({ asked }: AskedBefore, other: readonly AskedAmount[]): boolean {
  if (asked.length !== other.length) return false;
  return asked.every(({ meter, amount }, index) => meter === other[index]?.meter && amount === other[index]?.amount);
}

const amountFor = (meter: string | null, asked: readonly AskedAmount[]): Amount =>
  meter === null ? ONE_UNIT : (asked.find((one) => one.meter === meter)?.amount ?? 0n);

function askedByDimensions(concern: Concern, asked: readonly AskedAmount[], given: Dimensions): Asked {
  const dimensions = new Map(
    concern.named.flatMap((name) => {
      const value = given.get(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  const charges: CounterCharge[] = [];
  const places = new Map<number, { readonly charge: number; readonly values: readonly string[] }>();
  for (const [index, charge] of concern.charges.entries()) {
    const own = chargedBy(charge, asked, dimensions);
    if (own === undefined) continue;
    places.set(index, { charge: charges.length, values: own.values });
    charges.push(own.charge);
  }
  const limits = concern.limits.flatMap(({ limit, charge }): readonly ChargedLimit[] => {
    if (charge === "money") return [{ limit, charge }];
    const place = places.get(charge);
    if (place === undefined) return [];
    return [{ limit, charge: place.charge, ...(place.values.length > 0 && { values: place.values }) }];
  });
  return {
    content: contentOf(asked),
    dimensions,
    limits,
    charges,
    laterCharges: concern.laterCharges.flatMap((charge) => chargedBy(charge, asked, dimensions)?.charge ?? []),
    ...(concern.money && { money: chargedInMoney(concern.money, asked, dimensions) }),
  };
}

/** The quantity asked for on the line of the price that claims it; of terms to come, on each that may. */
function chargedInMoney(
  { lines, later, ...money }: UnchargedMoney,
  asked: readonly AskedAmount[],
  dimensions: Dimensions,
): MoneyCharge {
  const chargedLines = (all: readonly UnchargedLine[]): readonly MoneyLine[] =>
    all.map(({ scope, ...line }) => {
      const isClaimed = scope === undefined || isWithin(scope, dimensions) !== false;
      return { ...line, asked: isClaimed ? amountFor(line.meter, asked) : 0n };
    });
  return {
    ...money,
    lines: chargedLines(lines),
    later: later.map((terms) => ({ ...terms, lines: chargedLines(terms.lines) })),
  };
}

/** Undefined: the request does not count there, or, under a limit to come, nobody knows where. */
function chargedBy(
  charge: Uncharged,
  asked: readonly AskedAmount[],
  dimensions: Dimensions,
): { readonly charge: CounterCharge; readonly values: readonly string[] } | undefined {
  const amount = amountFor(charge.meter, asked);
  const { scope } = charge;
  if (scope === undefined) return { charge: charged(charge, amount), values: [] };
  if (isWithin(scope, dimensions) !== true || scope.by.some((name) => !dimensions.has(name))) return undefined;
  const values = combinationOf(scope, dimensions);
  return { charge: chargedIn(charge, scope, values, amount), values };
}

const chargedIn = (charge: Uncharged, scope: Scope, values: readonly string[], amount: Amount): CounterCharge => ({
  ...charged(charge, amount),
  counter: memberId(charge.counter, combinationId(values)),
  scope,
  ...(charge.period !== undefined && { period: charge.period }),
});

/** What each limit's counters hold: of those with `by`, of these combinations. */
export function looksOf(
  { limits, charges, money }: Concern,
  combinations: ReadonlyMap<LimitInForce, readonly (readonly string[])[]>,
): Pick<Asked, "limits" | "charges" | "money"> {
  const looked: ChargedLimit[] = [];
  const looks: CounterCharge[] = [];
  const add = (limit: LimitInForce, charge: CounterCharge, values?: readonly string[]): void => {
    looked.push({ limit, charge: looks.length, ...(values && { values }) });
    looks.push(charge);
  };
  const inMoney: ChargedLimit[] = [];
  for (const one of limits) {
    const { limit, charge: index } = one;
    if (index === "money") {
      inMoney.push(one);
      continue;
    }
    const charge = charges[index];
    if (charge === undefined) continue;
    const { scope } = charge;
    if (scope === undefined || scope.by.length === 0) add(limit, charged(charge, 0n));
    else for (const values of combinations.get(limit) ?? []) add(limit, chargedIn(charge, scope, values, 0n), values);
  }
  return {
    limits: [...looked, ...inMoney],
    charges: looks,
    ...(money && inMoney.length > 0 && { money: chargedInMoney(money, [], NO_DIMENSIONS) }),
  };
}

/** Written out: see `tenant/state.ts`. */
function charged(charge: Uncharged, amount: Amount): CounterCharge {
  const { counter, meter, scope, window, hardLimit, laterLimits, bounded } = charge;
  if (scope !== undefined) return { counter, meter, scope, window, amount, hardLimit, laterLimits, bounded };
  return { counter, meter, window, amount, hardLimit, laterLimits, bounded };
}
