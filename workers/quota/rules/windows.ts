import { DAY_MS, HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { type Period, periodAt } from "#kernel/period.js";
import { type CalendarUnit, calendarPeriodAt } from "#kernel/time-zones/calendar.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { timeZoneOf } from "#schema/tenancy-history.js";
import {
  type CalendarWindow,
  isPeriodWindow,
  type PeriodWindow,
  type QuotaWindow,
  SLIDING_WINDOWS,
  type SlidingWindow,
  WINDOW_MS,
} from "#schema/vocabulary.js";
import type { CounterWindow } from "../counters/counters.js";

/** When usage counts in each window: at its admission, or at its own time. */
const COUNTS_BY: Readonly<Record<SlidingWindow, "admission" | "sliding">> = {
  SECOND: "admission",
  MINUTE: "admission",
  HOUR: "sliding",
  DAY: "sliding",
};

/** What bounds a tenant's windows: the anchor day of its billing periods, and the time zone of its calendar. */
export type WindowsOf = Pick<TenantState, "billingAnchorDay" | "timeZone">;

const UNITS: Readonly<Record<CalendarWindow, CalendarUnit>> = {
  CALENDAR_DAY: "day",
  CALENDAR_WEEK: "week",
  CALENDAR_MONTH: "month",
};

/** The window with a start and an end that contains a moment. */
export function periodOf(window: PeriodWindow, atMs: number, tenant: WindowsOf): Period {
  if (window === "BILLING_PERIOD") return periodAt(atMs, tenant.billingAnchorDay);
  return calendarPeriodAt(UNITS[window], atMs, timeZoneOf(tenant));
}

/** As `periodOf`; undefined: the window slides. */
export const boundsOf = (window: QuotaWindow, atMs: number, tenant: WindowsOf): Period | undefined =>
  isPeriodWindow(window) ? periodOf(window, atMs, tenant) : undefined;

/** How a window's counter counts. `bounds`: of one with a start and an end, those of the one that runs. */
export function counterWindow(window: QuotaWindow, bounds: Period | undefined): CounterWindow {
  if (!isPeriodWindow(window)) return { kind: COUNTS_BY[window], windowMs: WINDOW_MS[window] };
  if (bounds === undefined) throw new Error(`a ${window} without bounds`);
  return { kind: "period", start: bounds.start, end: bounds.end };
}

/** Windows up to this length are short-lived: they are stored only if a limit needs them. */
const SHORT_MS = MINUTE_MS;

/**
 * Whether admissions in this window must survive a loss of the counters; shorter windows deny for their length after a loss
 * instead.
 */
export function outlivesLoss(window: QuotaWindow): boolean {
  return isPeriodWindow(window) || WINDOW_MS[window] > SHORT_MS;
}

export function bucketStart(atMs: number, sizeMs: number): number {
  return Math.floor(atMs / sizeMs) * sizeMs;
}

/** The windows whose totals are stored under their own name; weeks and months of the calendar are sums of its days. */
type StoredPeriod = Exclude<PeriodWindow, "CALENDAR_WEEK" | "CALENDAR_MONTH">;
/** The grain whose totals make up a window with a start and an end. */
export const SUMMED_FROM: Readonly<Record<PeriodWindow, StoredPeriod>> = {
  CALENDAR_DAY: "CALENDAR_DAY",
  CALENDAR_WEEK: "CALENDAR_DAY",
  CALENDAR_MONTH: "CALENDAR_DAY",
  BILLING_PERIOD: "BILLING_PERIOD",
};
export const isSummed = (window: QuotaWindow): boolean => isPeriodWindow(window) && SUMMED_FROM[window] !== window;

/** The grains of usage totals: every aligned window, and the slices that rebuild the counters of an hour and a day. */
export type Grain = QuotaWindow | "HOUR_SLICE" | "DAY_SLICE";
export type SlidingGrain = Exclude<Grain, PeriodWindow>;
export const SLIDING_GRAINS: readonly SlidingGrain[] = ["HOUR_SLICE", "DAY_SLICE", ...SLIDING_WINDOWS];

/** A rebuilt window is longer than it says by one slice at most. */
const SLICES = 100;
export const isSlice = (grain: SlidingGrain): boolean => grain === "HOUR_SLICE" || grain === "DAY_SLICE";

/** Length of a grain's buckets, ms; those of windows with a start and an end differ. */
export const GRAIN_MS: Readonly<Record<SlidingGrain, number>> = {
  ...WINDOW_MS,
  HOUR_SLICE: WINDOW_MS.HOUR / SLICES,
  DAY_SLICE: WINDOW_MS.DAY / SLICES,
};

/** The grain whose totals rebuild a sliding window's counter. */
export const REBUILT_FROM: Readonly<Record<SlidingWindow, SlidingGrain>> = {
  SECOND: "SECOND",
  MINUTE: "MINUTE",
  HOUR: "HOUR_SLICE",
  DAY: "DAY_SLICE",
};

/** Grains stored for every meter, so that a limit may be added later. */
export const ALWAYS_TOTALLED = SLIDING_GRAINS.filter((grain) => !isShort(grain));
/** Grains stored only for meters with a limit on that window. */
export const TOTALLED_WHERE_LIMITED = SLIDING_GRAINS.filter(isShort);

function isShort(grain: SlidingGrain): boolean {
  return SLIDING_WINDOWS.some((window) => window === grain && !outlivesLoss(window));
}

export const MAX_BILLING_PERIOD_MS = 31 * DAY_MS;
/** A month with the hour or two that a zone may put into it. */
const MAX_CALENDAR_MONTH_MS = 32 * DAY_MS;
/** No window that runs began longer ago. */
export const MAX_WINDOW_MS = MAX_CALENDAR_MONTH_MS;

/** How far back a total of `REBUILT_FROM` may begin and still overlap the sliding window, ms. */
export const reachMs = (window: SlidingWindow): number => WINDOW_MS[window] + GRAIN_MS[REBUILT_FROM[window]];

/** Start of the longest calendar windows that run: of the month, or of the week that began before it. */
export const calendarSince = (atMs: number, tenant: WindowsOf): number =>
  Math.min(periodOf("CALENDAR_MONTH", atMs, tenant).start, periodOf("CALENDAR_WEEK", atMs, tenant).start);

/** Alerts are judged for windows that ended at most one window before the usage was recorded. */
const judgedFor = (windowMs: number): number => 2 * windowMs;
export const isJudged = ({ start, end }: Period, recordedAt: number): boolean =>
  recordedAt <= start + judgedFor(end - start);

/** Whether usage still counts in a day of the calendar: its month, the longest window that it is summed in, is judged. */
export const countsInDay = ({ start }: Period, recordedAt: number, tenant: WindowsOf): boolean =>
  isJudged(periodOf("CALENDAR_MONTH", start, tenant), recordedAt);

/** How long after its bucket began usage still counts in a grain, ms: later, no window and no alert needs it. */
export const COUNTED_FOR_MS: Readonly<Record<SlidingGrain, number>> = {
  SECOND: judgedFor(WINDOW_MS.SECOND),
  MINUTE: judgedFor(WINDOW_MS.MINUTE),
  HOUR: judgedFor(WINDOW_MS.HOUR),
  DAY: judgedFor(WINDOW_MS.DAY),
  HOUR_SLICE: reachMs("HOUR"),
  DAY_SLICE: reachMs("DAY"),
};

/** Until when usage that happened in the grain's bucket may have happened, as far as its total tells. */
export const latestIn = (grain: SlidingGrain, start: number): number => start + GRAIN_MS[grain] - 1;

/** How much longer than they count totals of aligned windows are stored: the tolerated lag of the ledger consumer. */
const SLACK_MS = 2 * DAY_MS;
/** The same for totals of short windows and of slices, which are many. */
const SHORT_SLACK_MS = 3 * HOUR_MS;

/** How long totals of each grain are stored from the start of their bucket, ms; billing periods' are never deleted. */
export const TOTALS_KEPT_MS: readonly (readonly [SlidingGrain | "CALENDAR_DAY", number])[] = [
  ...SLIDING_GRAINS.map((grain) => {
    return [grain, COUNTED_FOR_MS[grain] + (isSlice(grain) || isShort(grain) ? SHORT_SLACK_MS : SLACK_MS)] as const;
  }),
  ["CALENDAR_DAY", judgedFor(MAX_CALENDAR_MONTH_MS) + SLACK_MS],
];

/** How long totals of scopes' billing periods, and the combinations in them, are stored from the period's start, ms. */
export const SCOPED_PERIOD_KEPT_MS = judgedFor(MAX_BILLING_PERIOD_MS) + SLACK_MS;
