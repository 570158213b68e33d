import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { periodAt } from "#kernel/period.js";
import { SLIDING_WINDOWS, WINDOW_MS } from "#schema/vocabulary.js";
import type { LimitsInForce } from "./limits.js";
import { countsAt, grainsOf } from "./usage.js";
import type { UsageReading } from "./usage-reading.js";
import { latestIn, REBUILT_FROM } from "./windows.js";

const NOW = Date.UTC(2026, 10, 20, 12, 0, 30);
const TENANT = { billingAnchorDay: 1 };
const reading = (time: number, changed: Partial<UsageReading> = {}): UsageReading => ({
  ...{ seq: 1, meter: "calls", eventId: "a", value: new Decimal(1), time },
  ...{ arrivedAt: NOW, recordedAt: NOW, tenancyVersion: 1 },
  ...changed,
});
const limited: LimitsInForce = {
  ...{ planId: "pro", planVersion: 1, period: periodAt(NOW, 1) },
  limits: SLIDING_WINDOWS.map((window) => ({
    ...{ meter: "calls", window, kind: "HARD", limit: new Decimal(5), text: "5", warnAt: [] },
    ...{ counter: { meter: "calls", window }, counterId: `calls|${window}`, units: { most: 5n, warnings: [] } },
    meterArchived: false,
  })),
};
const grains = (time: number, inForce?: LimitsInForce) =>
  grainsOf(reading(time), TENANT, inForce).map(({ grain }) => grain);

describe("usage", () => {
  test("counts in the windows of its own time, in short ones if they are limited", () => {
    const always = ["BILLING_PERIOD", "CALENDAR_DAY", "HOUR_SLICE", "DAY_SLICE", "HOUR", "DAY"];
    expect(grains(NOW)).toEqual(always);
    expect([...grains(NOW, limited)].sort()).toEqual([...always, "SECOND", "MINUTE"].sort());
    expect(
      grainsOf(reading(Date.UTC(2026, 10, 20, 11, 1)), { billingAnchorDay: 15, timeZone: "Asia/Kolkata" }, undefined),
    ).toEqual([
      { grain: "BILLING_PERIOD", bucketStart: Date.UTC(2026, 10, 15) },
      { grain: "CALENDAR_DAY", bucketStart: Date.UTC(2026, 10, 19, 18, 30) },
      { grain: "HOUR_SLICE", bucketStart: Date.UTC(2026, 10, 20, 11, 0, 36) },
      { grain: "DAY_SLICE", bucketStart: Date.UTC(2026, 10, 20, 10, 48) },
      { grain: "HOUR", bucketStart: Date.UTC(2026, 10, 20, 11) },
      { grain: "DAY", bucketStart: Date.UTC(2026, 10, 20) },
    ]);
  });

  test("of windows that have passed counts in its billing period only, and for a month in its day of the calendar", () => {
    expect(grains(NOW - 60 * DAY_MS, limited)).toEqual(["BILLING_PERIOD"]);
    expect(grains(NOW - 20 * DAY_MS, limited)).toEqual(["BILLING_PERIOD", "CALENDAR_DAY"]);
    expect(grains(NOW - 5 * HOUR_MS, limited)).toEqual(["BILLING_PERIOD", "CALENDAR_DAY", "DAY_SLICE", "DAY"]);
    // The longest window that a day is summed in, its month, is judged until as much later as it is long.
    const day = (arrivedAt: number) =>
      grainsOf(reading(Date.UTC(2026, 9, 1), { arrivedAt }), TENANT, undefined).some(
        ({ grain }) => grain === "CALENDAR_DAY",
      );
    expect([day(Date.UTC(2026, 11, 2)), day(Date.UTC(2026, 11, 2) + 1)]).toEqual([true, false]);
    expect(grains(NOW - 2 * MINUTE_MS, limited)).not.toContain("MINUTE");
  });

  test("counts up to the end of the window after its own, and in short windows of its own meter's limits only", () => {
    const of = (time: number, arrivedAt: number) =>
      grainsOf(reading(time, { arrivedAt }), TENANT, undefined).map(({ grain }) => grain);
    const hour = NOW - (NOW % HOUR_MS);
    expect(of(NOW, hour + 2 * HOUR_MS)).toContain("HOUR");
    expect(of(NOW, hour + 2 * HOUR_MS + 1)).not.toContain("HOUR");
    const [second] = limited.limits;
    const ofSeconds = { ...limited, limits: second === undefined ? [] : [second] };
    expect(grains(NOW, ofSeconds)).toContain("SECOND");
    expect(grains(NOW, ofSeconds)).not.toContain("MINUTE");
    const limits = limited.limits.map((one) => ({ ...one, meter: "tokens" }));
    expect(grains(NOW, { ...limited, limits })).toEqual(grains(NOW));
  });

  test("that only corrects counts in no window that slides, and a backfill in those that were current", () => {
    const corrected = (change: Partial<UsageReading>) =>
      grainsOf(reading(NOW, { eventId: undefined, ...change }), TENANT, limited).map(({ grain }) => grain);
    expect(corrected({})).toEqual(["BILLING_PERIOD", "CALENDAR_DAY"]);
    expect(corrected({ backfilled: { period: true, calendar: false } })).toEqual(["BILLING_PERIOD"]);
    expect(corrected({ backfilled: { period: false, calendar: true } })).toEqual(["CALENDAR_DAY"]);
  });

  test("from a clock that is ahead counts in sliding windows on arrival", () => {
    const early = reading(NOW + 5 * MINUTE_MS);
    expect(countsAt(early)).toBe(NOW);
    const slice = grainsOf(early, TENANT, undefined).find(({ grain }) => grain === "HOUR_SLICE");
    expect(slice?.bucketStart).toBe(NOW - (NOW % 36_000));
    const hour = grainsOf(reading(NOW + HOUR_MS), TENANT, undefined).find(({ grain }) => grain === "HOUR");
    expect(hour?.bucketStart, "its own").toBe(Date.UTC(2026, 10, 20, 13));
  });

  test("that was imported counts in its billing period only", () => {
    const imported = reading(NOW, { imported: true, eventId: undefined });
    expect(grainsOf(imported, TENANT, limited).map(({ grain }) => grain)).toEqual(["BILLING_PERIOD"]);
  });

  test("that may still be in a sliding window is in the totals that rebuild it, at most a hundredth too long", () => {
    fc.assert(
      fc.property(fc.constantFrom("HOUR", "DAY"), fc.integer({ min: 0, max: 2 * DAY_MS }), (window, age) => {
        const time = NOW - age;
        const bucket = grainsOf(reading(time), TENANT, undefined).find(({ grain }) => grain === REBUILT_FROM[window]);
        if (age <= WINDOW_MS[window]) expect(bucket).toBeDefined();
        if (bucket === undefined) return;
        const latest = latestIn(REBUILT_FROM[window], bucket.bucketStart);
        expect(latest - time).toBeGreaterThanOrEqual(0);
        expect(latest - time).toBeLessThan(WINDOW_MS[window] / 100);
      }),
    );
  });
});
