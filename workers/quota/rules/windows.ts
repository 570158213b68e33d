import { DAY_MS, HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { periodAt } from "#kernel/period.js";
import type { QuotaLimitState } from "#schema/events/tenancy-changed.v1.js";

export type QuotaWindow = QuotaLimitState["window"];
export type SlidingWindow = Exclude<QuotaWindow, "BILLING_PERIOD">;

/**
 * Sliding windows are rings of sub-buckets. A bucket counts whole while any moment of it is inside the window, so that at
 * most windowMs / (windowMs + bucketMs) of the limit is admitted at a steady rate (95 %), and never more than all of it.
 */
export const SLIDING: Readonly<Record<SlidingWindow, { readonly windowMs: number; readonly bucketMs: number }>> = {
  SECOND: { windowMs: 1_000, bucketMs: 50 },
  MINUTE: { windowMs: MINUTE_MS, bucketMs: 3_000 },
  HOUR: { windowMs: HOUR_MS, bucketMs: 180_000 },
  DAY: { windowMs: DAY_MS, bucketMs: HOUR_MS },
};

export const SLIDING_WINDOWS: readonly SlidingWindow[] = ["SECOND", "MINUTE", "HOUR", "DAY"];

export const WINDOWS: readonly QuotaWindow[] = [...SLIDING_WINDOWS, "BILLING_PERIOD"];

/** Whether admissions in this window must outlive the counters; shorter windows deny for their length after a loss instead. */
export function outlivesLoss(window: QuotaWindow): boolean {
  return window !== "SECOND" && window !== "MINUTE";
}

/** Start of the bucket of `sizeMs` that holds `atMs`. */
export function bucketStart(atMs: number, sizeMs: number): number {
  return Math.floor(atMs / sizeMs) * sizeMs;
}

/** Start of the aligned window that thresholds are judged in: UTC second, minute, hour, day, or the billing period. */
export function alignedStart(window: QuotaWindow, atMs: number, anchorDay: number): number {
  return window === "BILLING_PERIOD" ? periodAt(atMs, anchorDay).start : bucketStart(atMs, SLIDING[window].windowMs);
}

/** What recorded usage is totalled by: every aligned window, and the slices that an hour's sliding counter is rebuilt from. */
export type Grain = QuotaWindow | "HOUR_SLICE";

/** Length of a grain's buckets, ms; billing periods have the lengths of months. */
export const GRAIN_MS: Readonly<Record<Exclude<Grain, "BILLING_PERIOD">, number>> = {
  SECOND: 1_000,
  MINUTE: MINUTE_MS,
  HOUR_SLICE: SLIDING.HOUR.bucketMs,
  HOUR: HOUR_MS,
  DAY: DAY_MS,
};

/** The grain whose totals rebuild a sliding window's counter. */
export const REBUILT_FROM: Readonly<Record<SlidingWindow, Exclude<Grain, "BILLING_PERIOD">>> = {
  SECOND: "SECOND",
  MINUTE: "MINUTE",
  HOUR: "HOUR_SLICE",
  DAY: "HOUR",
};

/** Grains kept of every meter, so that a limit may come later; seconds and minutes are kept only where a limit needs them. */
export const ALWAYS_TOTALLED: readonly Exclude<Grain, "BILLING_PERIOD">[] = ["HOUR_SLICE", "HOUR", "DAY"];
