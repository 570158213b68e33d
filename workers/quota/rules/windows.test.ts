import { describe, expect, test } from "vitest";
import { QUOTA_WINDOWS, SLIDING_WINDOWS, WINDOW_MS } from "#schema/vocabulary.js";
import {
  ALWAYS_TOTALLED,
  BOUNDS_KEPT_MS,
  outlivesLoss,
  REBUILT_FROM,
  reachMs,
  SLIDING,
  TOTALS_KEPT_MS,
} from "./windows.js";

describe.each(SLIDING_WINDOWS)("%s", (window) => {
  const { windowMs, bucketMs } = SLIDING[window];

  test("admits 95 % of the limit at a steady rate, in whole buckets", () => {
    expect(windowMs % bucketMs).toBe(0);
    expect(windowMs / (windowMs + bucketMs)).toBeGreaterThan(0.95);
  });

  test("stores its sources for at least the length of the window", () => {
    const kept = new Map(TOTALS_KEPT_MS);
    expect(kept.get(REBUILT_FROM[window])).toBeGreaterThan(reachMs(window));
    expect(kept.get(window)).toBeGreaterThan(WINDOW_MS[window]);
  });

  test("is totalled of every meter if its admissions outlive the counters", () => {
    expect(ALWAYS_TOTALLED.includes(REBUILT_FROM[window])).toBe(outlivesLoss(window));
    expect(ALWAYS_TOTALLED.includes(window)).toBe(outlivesLoss(window));
  });
});

test("every window keeps its granted bounds for longer than it is long", () => {
  expect(BOUNDS_KEPT_MS.map(([window]) => window)).toEqual(QUOTA_WINDOWS);
  for (const [window, ms] of BOUNDS_KEPT_MS)
    expect(ms).toBeGreaterThan(window === "BILLING_PERIOD" ? 31 * WINDOW_MS.DAY : reachMs(window));
});
