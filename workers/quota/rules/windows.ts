import { DAY_MS, HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { periodAt } from "#kernel/period.js";
import { type QuotaWindow, SLIDING_WINDOWS, type SlidingWindow, WINDOW_MS } from "#schema/vocabulary.js";

interface Sliding {
  readonly windowMs: number;
  readonly bucketMs: number;
}

/**
 * Sliding windows are rings of sub-buckets. A bucket counts in full while it overlaps the window, so that a steady rate is
 * admitted up to at least windowMs / (windowMs + bucketMs) of the limit (95 %), and never beyond the limit.
 */
export const SLIDING: Readonly<Record<SlidingWindow, Sliding>> = {
  SECOND: { windowMs: WINDOW_MS.SECOND, bucketMs: 50 },
  MINUTE: { windowMs: WINDOW_MS.MINUTE, bucketMs: 3_000 },
  HOUR: { windowMs: WINDOW_MS.HOUR, bucketMs: 3 * MINUTE_MS },
  DAY: { windowMs: WINDOW_MS.DAY, bucketMs: HOUR_MS },
};

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

/** The grains of usage totals: every aligned window, and the slices that rebuild an hour's sliding counter. */
export type Grain = QuotaWindow | "HOUR_SLICE";
export type SlidingGrain = Exclude<Grain, "BILLING_PERIOD">;
const SLIDING_GRAINS: readonly SlidingGrain[] = ["HOUR_SLICE", ...SLIDING_WINDOWS];

/** Length of a grain's buckets, ms; billing periods have the lengths of months. */
export const GRAIN_MS: Readonly<Record<SlidingGrain, number>> = { ...WINDOW_MS, HOUR_SLICE: SLIDING.HOUR.bucketMs };

/** The grain whose totals rebuild a sliding window's counter. */
export const REBUILT_FROM: Readonly<Record<SlidingWindow, SlidingGrain>> = {
  SECOND: "SECOND",
  MINUTE: "MINUTE",
  HOUR: "HOUR_SLICE",
  DAY: "HOUR",
};

/** Grains stored for every meter, so that a limit may be added later. */
export const ALWAYS_TOTALLED = SLIDING_GRAINS.filter((grain) => GRAIN_MS[grain] > SHORT_MS);
/** Grains stored only for meters with a limit on that window. */
export const TOTALLED_WHERE_LIMITED = SLIDING_GRAINS.filter((grain) => GRAIN_MS[grain] <= SHORT_MS);

export const MAX_BILLING_PERIOD_MS = 31 * DAY_MS;

/** How far back a total of `REBUILT_FROM` may begin and still overlap the sliding window, ms. */
export const reachMs = (window: SlidingWindow): number =>
  WINDOW_MS[window] + SLIDING[window].bucketMs + GRAIN_MS[REBUILT_FROM[window]];
/** How far back any window reaches, ms. */
export const LONGEST_MS = Math.max(MAX_BILLING_PERIOD_MS, ...SLIDING_WINDOWS.map(reachMs));

/** How much longer than a window totals and bounds are stored: the tolerated lag of the ledger consumer. */
const SLACK_MS = 2 * DAY_MS;
/** The same for totals of short windows, which are many. */
const SHORT_SLACK_MS = 3 * HOUR_MS;

/** How long totals of each grain are stored, ms: as long as a window of that length or one rebuilt from it needs them. */
export const TOTALS_KEPT_MS: readonly (readonly [SlidingGrain, number])[] = SLIDING_GRAINS.map((grain) => {
  const reading = SLIDING_WINDOWS.filter((window) => window === grain || REBUILT_FROM[window] === grain);
  const slack = GRAIN_MS[grain] > SHORT_MS ? SLACK_MS : SHORT_SLACK_MS;
  return [grain, Math.max(...reading.map(reachMs)) + slack];
});

/** How long granted bounds of each window are stored, ms. */
export const BOUNDS_KEPT_MS: readonly (readonly [QuotaWindow, number])[] = [
  ...SLIDING_WINDOWS.map((window) => [window, reachMs(window) + SLACK_MS] as const),
  ["BILLING_PERIOD", MAX_BILLING_PERIOD_MS + SLACK_MS],
];
