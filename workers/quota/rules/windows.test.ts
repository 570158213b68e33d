import { describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { QUOTA_WINDOWS, SLIDING_WINDOWS, WINDOW_MS } from "#schema/vocabulary.js";
import {
  ALWAYS_TOTALLED,
  boundsOf,
  COUNTED_FOR_MS,
  calendarSince,
  counterWindow,
  countsInDay,
  GRAIN_MS,
  isJudged,
  isSlice,
  isSummed,
  latestIn,
  MAX_BILLING_PERIOD_MS,
  outlivesLoss,
  periodOf,
  REBUILT_FROM,
  reachMs,
  SLIDING_GRAINS,
  SUMMED_FROM,
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
  const kept = new Map(TOTALS_KEPT_MS);
  const spare = SLIDING_GRAINS.filter((grain) => (kept.get(grain) ?? 0) - COUNTED_FOR_MS[grain] > 24 * HOUR_MS);
  expect(spare).toEqual(["HOUR", "DAY"]);
});

test.each(SLIDING_GRAINS)("totals of %s are stored for hours longer than they count", (grain) => {
  const kept = new Map(TOTALS_KEPT_MS).get(grain);
  expect(kept).toBeGreaterThanOrEqual(COUNTED_FOR_MS[grain] + HOUR_MS);
  expect(isSlice(grain)).toBe(!SLIDING_WINDOWS.some((window) => window === grain));
});

const TENANT = { billingAnchorDay: 15, timeZone: "America/New_York" };

test("short windows count at the admission, longer ones at the usage's own time, and periods have their dates", () => {
  const now = Date.UTC(2026, 10, 1, 12);
  expect(QUOTA_WINDOWS.map((window) => counterWindow(window, boundsOf(window, now, TENANT)))).toEqual([
    { kind: "admission", windowMs: 1_000 },
    { kind: "admission", windowMs: 60_000 },
    { kind: "sliding", windowMs: 3_600_000 },
    { kind: "sliding", windowMs: 86_400_000 },
    // The clock goes back on this Sunday.
    { kind: "period", start: Date.UTC(2026, 10, 1, 4), end: Date.UTC(2026, 10, 2, 5) },
    { kind: "period", start: Date.UTC(2026, 9, 26, 4), end: Date.UTC(2026, 10, 2, 5) },
    { kind: "period", start: Date.UTC(2026, 10, 1, 4), end: Date.UTC(2026, 11, 1, 5) },
    { kind: "period", start: Date.UTC(2026, 9, 15), end: Date.UTC(2026, 10, 15) },
  ]);
  expect(() => counterWindow("CALENDAR_DAY", undefined)).toThrow("bounds");
});

test("weeks and months of the calendar are made up of whole days of it", () => {
  for (const window of ["CALENDAR_WEEK", "CALENDAR_MONTH"] as const) {
    const { start, end } = periodOf(window, Date.UTC(2026, 10, 1, 12), TENANT);
    for (const edge of [start, end]) expect(periodOf("CALENDAR_DAY", edge, TENANT).start).toBe(edge);
    expect([SUMMED_FROM[window], isSummed(window)]).toEqual(["CALENDAR_DAY", true]);
  }
  expect(QUOTA_WINDOWS.filter(isSummed)).toHaveLength(2);
});

test("the longest windows of the calendar that run began with the month, or with the week that began before it", () => {
  expect(calendarSince(Date.UTC(2026, 10, 1, 12), TENANT)).toBe(Date.UTC(2026, 9, 26, 4));
  expect(calendarSince(Date.UTC(2026, 10, 20), TENANT)).toBe(Date.UTC(2026, 10, 1, 4));
});

test("days of the calendar are stored for as long as a window that they are summed in is judged", () => {
  const kept = new Map<string, number>(TOTALS_KEPT_MS).get("CALENDAR_DAY") ?? 0;
  for (let month = 0; month < 12; month += 1) {
    const { start, end } = periodOf("CALENDAR_MONTH", Date.UTC(2026, month, 10), TENANT);
    const first = periodOf("CALENDAR_DAY", start, TENANT);
    expect(countsInDay(first, end + (end - start), TENANT)).toBe(true);
    expect(countsInDay(first, end + (end - start) + 1, TENANT)).toBe(false);
    expect(start + kept).toBeGreaterThan(end + (end - start) + HOUR_MS);
  }
});
