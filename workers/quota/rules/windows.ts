import { DAY_MS, HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { type Period, periodAt } from "#kernel/period.js";
import { type QuotaWindow, SLIDING_WINDOWS, type SlidingWindow, WINDOW_MS } from "#schema/vocabulary.js";
import type { CounterWindow } from "../counters/counters.js";

/** When usage counts in each window: at its admission, or at its own time. */
const COUNTS_BY: Readonly<Record<SlidingWindow, "admission" | "sliding">> = {
  SECOND: "admission",
  MINUTE: "admission",
  HOUR: "sliding",
  DAY: "sliding",
};

/** How a window's counter counts. `period`: the billing period that runs. */
export function counterWindow(window: QuotaWindow, period: Period): CounterWindow {
  if (window === "BILLING_PERIOD") return { kind: "period", start: period.start, end: period.end };
  return { kind: COUNTS_BY[window], windowMs: WINDOW_MS[window] };
}

/** Windows up to this length are short-lived: they are stored only if a limit needs them. */
const SHORT_MS = MINUTE_MS;

/**
 * Whether admissions in this window must survive a loss of the counters; shorter windows deny for their length after a loss
 * instead.
 */
export function outlivesLoss(window: QuotaWindow): boolean {
  return window === "BILLING_PERIOD" || WINDOW_MS[window] > SHORT_MS;
}

export function bucketStart(atMs: number, sizeMs: number): number {
  return Math.floor(atMs / sizeMs) * sizeMs;
}

/** Start of the aligned window for thresholds: UTC second, minute, hour, day, or the billing period. */
export function alignedStart(window: QuotaWindow, atMs: number, anchorDay: number): number {
  return window === "BILLING_PERIOD" ? periodAt(atMs, anchorDay).start : bucketStart(atMs, WINDOW_MS[window]);
}

/** The grains of usage totals: every aligned window, and the slices that rebuild the counters of an hour and a day. */
export type Grain = QuotaWindow | "HOUR_SLICE" | "DAY_SLICE";
export type SlidingGrain = Exclude<Grain, "BILLING_PERIOD">;
export const SLIDING_GRAINS: readonly SlidingGrain[] = ["HOUR_SLICE", "DAY_SLICE", ...SLIDING_WINDOWS];

/** A rebuilt window is longer than it says by one slice at most. */
const SLICES = 100;
export const isSlice = (grain: SlidingGrain): boolean => grain === "HOUR_SLICE" || grain === "DAY_SLICE";

/** Length of a grain's buckets, ms; billing periods have the lengths of months. */
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

/** How far back a total of `REBUILT_FROM` may begin and still overlap the sliding window, ms. */
export const reachMs = (window: SlidingWindow): number => WINDOW_MS[window] + GRAIN_MS[REBUILT_FROM[window]];

/** Alerts are judged for windows that ended at most one window before the usage was recorded. */
const judgedFor = (windowMs: number): number => 2 * windowMs;
export const isJudged = ({ start, end }: Period, recordedAt: number): boolean =>
  recordedAt <= start + judgedFor(end - start);

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

/** How long totals of each grain are stored from the start of their bucket, ms. */
export const TOTALS_KEPT_MS: readonly (readonly [SlidingGrain, number])[] = SLIDING_GRAINS.map((grain) => {
  return [grain, COUNTED_FOR_MS[grain] + (isSlice(grain) || isShort(grain) ? SHORT_SLACK_MS : SLACK_MS)];
});
