import { type Exact, larger } from "./amounts.testing.js";
import { calendarSpan, type Span } from "./calendar.testing.js";
import type { Money } from "./money.testing.js";

const TIMED = ["SECOND", "MINUTE", "HOUR", "DAY"] as const;
const PERIODS = ["CALENDAR_DAY", "CALENDAR_WEEK", "CALENDAR_MONTH", "BILLING_PERIOD"] as const;
export const WINDOWS = [...TIMED, ...PERIODS] as const;
export type Window = (typeof WINDOWS)[number];
export type TimedWindow = (typeof TIMED)[number];
type PeriodWindow = (typeof PERIODS)[number];
export const isPeriod = (window: Window): window is PeriodWindow => PERIODS.some((one) => one === window);
export const LENGTH: Readonly<Record<TimedWindow, number>> = {
  SECOND: 1_000,
  MINUTE: 60_000,
  HOUR: 3_600_000,
  DAY: 86_400_000,
};
export const isShort = (window: Window): window is "SECOND" | "MINUTE" => window === "SECOND" || window === "MINUTE";

export interface Limit {
  /** Null: requests. */
  readonly meter: string | null;
  readonly window: Window;
  readonly hard: boolean;
  /** Whether each user has a counter of its own. A story's tenants have one user, and others that ask for nothing. */
  readonly by: boolean;
  readonly limit: Exact;
  /** Fractions, ascending. */
  readonly warnAt: readonly string[];
  readonly warnAtAmounts: readonly Exact[];
  readonly warnEvery: Exact | undefined;
}

export interface LimitAt extends Limit {
  /** The plan or the override that it comes from. */
  readonly source: string;
}

export interface MoneyAt extends Money {
  readonly source: string;
}

/** As an alert's limit. */
export const asLimit = ({ limit, hard, warnAt, source }: MoneyAt): LimitAt => ({
  ...{ meter: MONEY, window: "BILLING_PERIOD", by: false, limit, hard, warnAt, source },
  ...{ warnAtAmounts: [], warnEvery: undefined },
});
/** In the place of a meter. */
export const MONEY = "$";
const PRICED = ["units", "calls"];

/** What is asked for of each meter, ascending; none: a request only. */
export type Asked = ReadonlyMap<string, Exact>;

export const askedOf = (meter: string | null, amount: Exact): Asked => new Map(meter === null ? [] : [[meter, amount]]);

interface Override {
  readonly meter: string | null;
  readonly window: Window;
  readonly by: boolean;
  readonly limit: Exact;
  until: number;
  readonly source: string;
}

/** The month that contains a moment, from 00:00 UTC on the anchor day. */
export function monthAt(at: number, anchorDay: number): Span {
  const date = new Date(at);
  const back = date.getUTCDate() < anchorDay ? 1 : 0;
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() - back];
  return { start: Date.UTC(year, month, anchorDay), end: Date.UTC(year, month + 1, anchorDay) };
}

/** A tenant's limits through time: the plan assigned to each period, and the overrides of their values. */
export function createLimits(
  { anchorDay, zone }: { readonly anchorDay: number; readonly zone: string },
  plans: Readonly<Record<string, readonly Limit[]>>,
  first: string,
  money: Readonly<Record<string, Money | undefined>>,
) {
  const assignments: { readonly plan: string; readonly from: number }[] = [{ plan: first, from: 0 }];
  const overrides: Override[] = [];
  const period = (at: number): Span => monthAt(at, anchorDay);
  const span = (window: PeriodWindow, at: number): Span =>
    window === "BILLING_PERIOD" ? period(at) : calendarSpan(window, at, zone);
  const planAt = (at: number): string => assignments.findLast(({ from }) => from <= period(at).start)?.plan ?? first;

  function at(moment: number): readonly LimitAt[] {
    const plan = planAt(moment);
    return (plans[plan] ?? []).map((limit) => {
      const latest = overrides.findLast((one) => one.meter === limit.meter && one.window === limit.window);
      const override = latest !== undefined && moment < latest.until ? latest : undefined;
      return { ...limit, source: plan, ...(override && { limit: override.limit, source: override.source }) };
    });
  }

  return {
    period,
    span,
    /** Start of the longest windows that contain a moment. */
    since: (at: number): number => Math.min(...PERIODS.map((window) => span(window, at).start)),
    planAt,
    at,
    /** The limit on what usage costs, and its plan. */
    moneyAt(moment: number): MoneyAt | undefined {
      const plan = planAt(moment);
      const found = money[plan];
      return found && { ...found, source: plan };
    },
    /** Whether some limit counts by users: then counters may be built from stored totals at any time. */
    hasBy: Object.values(plans).some((all) => all.some(({ by }) => by)),
    concerning: (asked: Asked, moment: number): readonly LimitAt[] =>
      at(moment).filter(({ meter }) => meter === null || asked.has(meter)),
    /** The meters of all plans; null: requests. */
    every: () => [
      ...new Set(
        Object.values(plans)
          .flat()
          .map(({ meter }) => meter),
      ),
      ...(Object.values(money).some((one) => one !== undefined) ? PRICED : []),
    ],
    /** From a period's start. */
    assign: (plan: string, from: number): void => void assignments.push({ plan, from }),
    override: (one: Override): void => void overrides.push(one),
    endOverrides(now: number): void {
      for (const one of overrides) one.until = Math.min(one.until, now);
    },
    overrides: (): readonly Readonly<Override>[] => overrides,
    /** When limits change, after a moment. */
    changes(after: number): readonly number[] {
      const ends = PERIODS.flatMap((window) => {
        const { end } = span(window, after);
        return [end, span(window, end).end];
      });
      const all = [...ends, ...assignments.map(({ from }) => from), ...overrides.map(({ until }) => until)];
      return all.filter((change) => change > after);
    },
    /** Whose usage is counted: those of limits, and of limits of an hour or longer that are known to follow. */
    countedMeters(moment: number): ReadonlySet<string | null> {
      const following = this.changes(moment).flatMap((change) => at(change).filter(({ window }) => !isShort(window)));
      const hasMoney = [moment, ...this.changes(moment)].some((change) => this.moneyAt(change) !== undefined);
      return new Set([...[...at(moment), ...following].map(({ meter }) => meter), ...(hasMoney ? PRICED : [])]);
    },
    everHard: (meter: string | null): Exact =>
      [...Object.values(plans).flat(), ...overrides]
        .filter((one) => one.meter === meter)
        .reduce((most, { limit }) => larger(limit, most), 0n),
  };
}

export type Limits = ReturnType<typeof createLimits>;
