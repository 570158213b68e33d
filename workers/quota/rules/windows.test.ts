import { describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { periodAt } from "#kernel/period.js";
import { QUOTA_WINDOWS, SLIDING_WINDOWS, WINDOW_MS } from "#schema/vocabulary.js";
import {
  ALWAYS_TOTALLED,
  alignedStart,
  COUNTED_FOR_MS,
  counterWindow,
  GRAIN_MS,
  isJudged,
  isSlice,
  latestIn,
  MAX_BILLING_PERIOD_MS,
  outlivesLoss,
  REBUILT_FROM,
  reachMs,
  SLIDING_GRAINS,
  TOTALS_KEPT_MS,
} from "./windows.js";

describe.each(SLIDING_WINDOWS)("%s", (window) => {
  test("is rebuilt from grains that divide it, of a hundredth of it if its admissions outlive the counters", () => {
    const grain = REBUILT_FROM[window];
    expect(WINDOW_MS[window] % GRAIN_MS[grain]).toBe(0);
    if (outlivesLoss(window)) expect(GRAIN_MS[grain]).toBeLessThanOrEqual(WINDOW_MS[window] / 100);
    expect(reachMs(window)).toBe(latestIn(grain, 0) + WINDOW_MS[window] + 1);
  });

  test("is totalled of every meter if its admissions outlive the counters", () => {
    expect(ALWAYS_TOTALLED.includes(REBUILT_FROM[window])).toBe(outlivesLoss(window));
    expect(ALWAYS_TOTALLED.includes(window)).toBe(outlivesLoss(window));
  });

  test("counts usage for as long as it is judged: until one window after its end", () => {
    const start = 10 * WINDOW_MS[window];
    const of = { start, end: start + WINDOW_MS[window] };
    expect(COUNTED_FOR_MS[window]).toBe(2 * WINDOW_MS[window]);
    expect(isJudged(of, start + COUNTED_FOR_MS[window])).toBe(true);
    expect(isJudged(of, start + COUNTED_FOR_MS[window] + 1)).toBe(false);
  });
});

test("admissions of a billing period outlive a loss of the counters, and no period is longer than 31 days", () => {
  expect(outlivesLoss("BILLING_PERIOD")).toBe(true);
  expect(MAX_BILLING_PERIOD_MS).toBe(31 * 24 * HOUR_MS);
});

test("totals of alerts' windows are stored for days, those of short windows and slices, which are many, for hours", () => {
  const spare = TOTALS_KEPT_MS.filter(([grain, ms]) => ms - COUNTED_FOR_MS[grain] > 24 * HOUR_MS);
  expect(spare.map(([grain]) => grain)).toEqual(["HOUR", "DAY"]);
});

test.each(SLIDING_GRAINS)("totals of %s are stored for hours longer than they count", (grain) => {
  const kept = new Map(TOTALS_KEPT_MS).get(grain);
  expect(kept).toBeGreaterThanOrEqual(COUNTED_FOR_MS[grain] + HOUR_MS);
  expect(isSlice(grain)).toBe(!SLIDING_WINDOWS.some((window) => window === grain));
});

test("short windows count at the admission, longer ones at the usage's own time, and periods have their dates", () => {
  const period = periodAt(Date.UTC(2026, 10, 20), 15);
  expect(QUOTA_WINDOWS.map((window) => counterWindow(window, period))).toEqual([
    { kind: "admission", windowMs: 1_000 },
    { kind: "admission", windowMs: 60_000 },
    { kind: "sliding", windowMs: 3_600_000 },
    { kind: "sliding", windowMs: 86_400_000 },
    { kind: "period", start: Date.UTC(2026, 10, 15), end: Date.UTC(2026, 11, 15) },
  ]);
});

test("aligned windows begin at the UTC second, minute, hour, day, or the billing period", () => {
  const now = Date.UTC(2026, 10, 24, 6, 23, 28, 345);
  expect(
    (["SECOND", "MINUTE", "HOUR", "DAY", "BILLING_PERIOD"] as const).map((window) =>
      new Date(alignedStart(window, now, 15)).toISOString(),
    ),
  ).toEqual([
    "2026-11-24T06:23:28.000Z",
    "2026-11-24T06:23:00.000Z",
    "2026-11-24T06:00:00.000Z",
    "2026-11-24T00:00:00.000Z",
    "2026-11-15T00:00:00.000Z",
  ]);
});
