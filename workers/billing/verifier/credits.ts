import { minorDigits } from "#kernel/money.js";
import type { MeterState, PriceState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { CreditGrantEntry, CreditVoidEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { usageAmount } from "./charges.js";
import type { Terms } from "./document.js";
import {
  isLess,
  isNothing,
  isSame,
  minus,
  NOTHING,
  negated,
  plus,
  type Rational,
  rational,
  total,
} from "./rational.js";
import { claims, type MeterReading, nextMonth, periodStartOf, type Reading, type Tally } from "./tally.js";

interface Grant {
  readonly id: string;
  readonly seq: number;
  readonly priority: number;
  readonly ends: number;
  left: Rational;
  voided: boolean;
}

/** A month's usage lines, and who pays for them. */
interface Month {
  readonly start: number;
  terms: Terms | undefined;
  /** By the place of a price. */
  gauges: Gauge[];
  rated: Rational;
  unpaid: Rational;
  readonly payers: Map<Grant, { amount: Rational; turn: number }>;
}

/** The running quantity of a price, and its rounded line. */
interface Gauge {
  readonly price: PriceState;
  quantity: Rational;
  amount: Rational;
  /** UNIQUE: how many events have a value. */
  readonly values: Map<string, number>;
  /** MAX and LATEST. */
  best: Reading | undefined;
}

export interface Paid {
  readonly grantId: string;
  readonly amount: Rational;
}

export type Credits = ReturnType<typeof replayCredits>;

/** Replays what a tenant's grants of credits pay, entry by entry. `termsAt`: the plan of a period as known at a version. */
export function replayCredits(
  tenant: TenantState,
  tally: Tally,
  meterOf: (key: string) => MeterState | undefined,
  termsAt: (start: number, version: number) => Terms | undefined,
) {
  const grants = new Map<string, Grant>();
  /** Those that something can be taken from. */
  const usable = new Set<Grant>();
  const months = new Map<number, Month>();
  /** By start of the period: tenancy's version when it ended. */
  const endedAt = new Map<number, number>();
  const anchor = tenant.billingAnchorDay;
  let next: number | undefined;
  let turns = 0;

  const termsOf = (start: number, version: number): Terms | undefined => termsAt(start, endedAt.get(start) ?? version);

  function gaugeOf(start: number, price: PriceState, { plan }: Terms): Gauge {
    const gauge: Gauge = { price, quantity: NOTHING, amount: NOTHING, values: new Map(), best: undefined };
    const aggregation = meterOf(price.meter)?.aggregation;
    if (aggregation === "UNIQUE" || aggregation === "MAX" || aggregation === "LATEST")
      for (const reading of tally.readings(start, price, plan.prices)) count(gauge, aggregation, reading, 1);
    gauge.quantity = tally.quantity(start, price, plan.prices);
    gauge.amount = usageAmount(price, gauge.quantity, minorDigits(plan.currency));
    return gauge;
  }

  function fresh(start: number, terms: Terms | undefined): Month {
    const gauges = terms?.plan.prices.map((price) => gaugeOf(start, price, terms)) ?? [];
    const rated = total(gauges.map(({ amount }) => amount));
    return { start, terms, gauges, rated, unpaid: rated, payers: new Map() };
  }

  function move(month: Month, change: Rational, time: number): void {
    const isRise = isLess(NOTHING, change);
    let rest = isRise ? change : negated(change);
    // Below zero is what falls beyond everything, and a rise fills it first.
    const covered = isRise
      ? least(most(negated(month.unpaid), NOTHING), rest)
      : least(most(month.unpaid, NOTHING), rest);
    month.unpaid = (isRise ? plus : minus)(month.unpaid, covered);
    rest = minus(rest, covered);
    while (!isNothing(rest)) {
      const grant = isRise ? firstToPay(time) : lastToPay(month);
      if (grant === undefined) break;
      const held = month.payers.get(grant) ?? { amount: NOTHING, turn: 0 };
      const part = least(isRise ? grant.left : held.amount, rest);
      grant.left = (isRise ? minus : plus)(grant.left, part);
      sort(grant);
      if (isRise) turns += 1;
      const turn = isRise ? turns : held.turn;
      const amount = (isRise ? plus : minus)(held.amount, part);
      month.payers.set(grant, { amount, turn });
      rest = minus(rest, part);
    }
    month.unpaid = (isRise ? plus : minus)(month.unpaid, rest);
  }

  function sort(grant: Grant): void {
    if (grant.voided || isNothing(grant.left)) usable.delete(grant);
    else usable.add(grant);
  }

  function firstToPay(time: number): Grant | undefined {
    let first: Grant | undefined;
    for (const grant of usable) {
      if (grant.ends > time && (first === undefined || comesBefore(grant, first))) first = grant;
    }
    return first;
  }

  /** Everything that has begun by a time owes what is due without usage. */
  function begin(by: number, version: number): void {
    while (next !== undefined && next <= by) {
      const start = next;
      next = nextMonth(start, anchor);
      const terms = termsOf(start, version);
      const month = fresh(start, terms);
      const digits = minorDigits(terms?.plan.currency ?? "");
      const due = total(terms?.plan.prices.map((price) => usageAmount(price, NOTHING, digits)) ?? []);
      month.unpaid = minus(month.rated, due);
      months.set(start, month);
      move(month, due, start);
    }
  }

  /** The month under the plan that is in force; undefined is allowed for one that was never touched. */
  function monthUnder(start: number, version: number): Month {
    const terms = termsOf(start, version);
    const known = months.get(start);
    if (known === undefined) {
      const month = fresh(start, terms);
      months.set(start, month);
      return month;
    }
    if (known.terms?.planId === terms?.planId && known.terms?.plan.version === terms?.plan.version) return known;
    const { gauges, rated } = fresh(start, terms);
    const change = minus(rated, known.rated);
    Object.assign(known, { terms, gauges, rated });
    move(known, change, start);
    return known;
  }

  const isPriced = (terms: Terms | undefined, { meter, dimensions }: MeterReading): boolean =>
    terms?.plan.prices.some(
      (price) => price.meter === meter.id && claims(price, terms.plan.prices, meter, { dimensions }),
    ) === true;

  /** Counts readings in a month, which the tally has by now. */
  function change(month: Month, readings: readonly MeterReading[], sign: 1 | -1, time: number): void {
    const { terms } = month;
    if (terms === undefined) return;
    let sum = NOTHING;
    for (const gauge of month.gauges) {
      const { price } = gauge;
      const own = readings.filter(
        ({ meter, dimensions }) => meter.id === price.meter && claims(price, terms.plan.prices, meter, { dimensions }),
      );
      if (own.length === 0) continue;
      for (const reading of own) {
        const { aggregation } = reading.meter;
        if (aggregation === "COUNT" || aggregation === "SUM")
          gauge.quantity = (sign === 1 ? plus : minus)(gauge.quantity, rational(reading.value));
        else if (count(gauge, aggregation, reading, sign) === "lost") {
          gauge.best = undefined;
          for (const left of tally.readings(month.start, price, terms.plan.prices)) count(gauge, aggregation, left, 1);
        }
        if (aggregation === "UNIQUE") gauge.quantity = { n: BigInt(gauge.values.size), d: 1n };
        if (aggregation === "MAX" || aggregation === "LATEST")
          gauge.quantity = gauge.best === undefined ? NOTHING : rational(gauge.best.value);
      }
      const amount = usageAmount(price, gauge.quantity, minorDigits(terms.plan.currency));
      sum = plus(sum, minus(amount, gauge.amount));
      gauge.amount = amount;
    }
    month.rated = plus(month.rated, sum);
    move(month, sum, time);
  }

  return {
    /** Start of the first period that has not begun; undefined: there is no grant yet. */
    next: () => next,
    grant(entry: CreditGrantEntry): void {
      const { grantId: id, seq, priority, at, expiresAt, amount, tenancyVersion } = entry;
      const first = periodStartOf(tenant.startsAt, anchor);
      if (next === undefined) next = at < first ? first : nextMonth(periodStartOf(at, anchor), anchor);
      else begin(at, tenancyVersion);
      if (grants.has(id)) return;
      const ends = expiresAt ?? Number.POSITIVE_INFINITY;
      const grant = { id, seq, priority, ends, left: rational(amount), voided: false };
      grants.set(id, grant);
      sort(grant);
    },
    void({ grantId, at, tenancyVersion }: CreditVoidEntry): void {
      begin(at, tenancyVersion);
      const grant = grants.get(grantId);
      if (grant === undefined || at >= grant.ends) return;
      grant.voided = true;
      sort(grant);
    },
    begin,
    /** Call it before the tally takes an event or its void, and what it returns afterwards. */
    usage(event: RecordedEvent, sign: 1 | -1, version: number): () => void {
      if (next === undefined) return () => undefined;
      const start = periodStartOf(event.time, anchor);
      begin(start, version);
      const readings = tally.readingsOf(event);
      const terms = termsOf(start, version);
      if (!readings.some((reading) => isPriced(terms, reading))) return () => undefined;
      const month = monthUnder(start, version);
      return () => change(month, readings, sign, event.time);
    },
    /** The same for the events of a period that a backfill adds: those of an hour are one change. */
    backfill(meter: MeterState, start: number, version: number): () => void {
      if (next === undefined) return () => undefined;
      begin(start, version);
      const terms = termsOf(start, version);
      const byHour = new Map<number, MeterReading[]>();
      for (const reading of tally.adoptable(meter, start)) {
        const hour = Math.floor(reading.time / HOUR) * HOUR;
        byHour.set(hour, [...(byHour.get(hour) ?? []), reading]);
      }
      const hours = [...byHour].filter(([, readings]) => readings.some((reading) => isPriced(terms, reading)));
      if (hours.length === 0) return () => undefined;
      const month = monthUnder(start, version);
      return () => {
        for (const [hour, readings] of hours.sort(([a], [b]) => a - b)) change(month, readings, 1, hour);
      };
    },
    /** A period ends: its plan is certain. */
    ended(start: number, end: number, version: number): void {
      begin(end, version);
      if (next !== undefined && months.has(start)) monthUnder(start, version);
      endedAt.set(start, version);
    },
    /** What pays for a period now, in the order of the grants, and what paid before with nothing. */
    paid: (start: number): Paid[] =>
      [...(months.get(start)?.payers ?? [])]
        .sort(([a], [b]) => a.seq - b.seq)
        .map(([{ id }, { amount }]) => ({ grantId: id, amount })),
  };
}

const HOUR = 3_600_000;

function comesBefore(a: Grant, b: Grant): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  return a.ends === b.ends ? a.seq < b.seq : a.ends < b.ends;
}

function lastToPay({ payers }: Month): Grant | undefined {
  let last: Grant | undefined;
  let turn = 0;
  for (const [grant, held] of payers) {
    if (isNothing(held.amount) || held.turn <= turn) continue;
    last = grant;
    turn = held.turn;
  }
  return last;
}

/** Takes a value into account or out of it; "lost": the best one is gone, and the next must be found. */
function count(
  gauge: Gauge,
  aggregation: "UNIQUE" | "MAX" | "LATEST",
  reading: Reading,
  sign: 1 | -1,
): "lost" | undefined {
  if (aggregation === "UNIQUE") {
    const events = (gauge.values.get(reading.value) ?? 0) + sign;
    if (events === 0) gauge.values.delete(reading.value);
    else gauge.values.set(reading.value, events);
    return undefined;
  }
  const { best } = gauge;
  if (sign === -1) return best?.seq === reading.seq ? "lost" : undefined;
  if (best === undefined || isBetter(aggregation, reading, best)) gauge.best = reading;
  return undefined;
}

function isBetter(aggregation: "MAX" | "LATEST", a: Reading, b: Reading): boolean {
  if (aggregation === "LATEST") return a.time > b.time || (a.time === b.time && a.seq > b.seq);
  const [one, other] = [rational(a.value), rational(b.value)];
  return !isSame(one, other) && isLess(other, one);
}

const least = (a: Rational, b: Rational): Rational => (isLess(a, b) ? a : b);
const most = (a: Rational, b: Rational): Rational => (isLess(a, b) ? b : a);
