import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { manualClock } from "./clock.js";
import { DAY_MS, HOUR_MS, isTimestamp } from "./duration.js";
import { contains, hourOf, nextPeriod, periodAt, previousPeriod } from "./period.js";

const instant = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2100, 0, 1) });
const anchor = fc.integer({ min: 1, max: 28 });

const ownZone = process.env.TZ;
afterEach(() => {
  if (ownZone === undefined) delete process.env.TZ;
  else process.env.TZ = ownZone;
});

test.each(["UTC", "Pacific/Kiritimati", "America/Sao_Paulo"])(
  "on a server in %s every instant is in exactly one period, and periods are contiguous",
  (zone) => {
    process.env.TZ = zone;
    fc.assert(
      fc.property(instant, anchor, (at, day) => {
        const period = periodAt(at, day);
        expect([period.start - 1, period.start, at, period.end].map((one) => contains(period, one))).toEqual([
          ...[false, true, true, false],
        ]);
        expect(nextPeriod(period, day).start).toBe(period.end);
        expect(previousPeriod(period, day).end).toBe(period.start);
        expect(periodAt(period.start, day)).toEqual(period);
        expect(periodAt(period.end - 1, day)).toEqual(period);
        expect(new Date(period.start).getUTCDate()).toBe(day);
      }),
    );
  },
);

test("periods have the lengths of their months, leap years included", () => {
  const days = (at: number, day: number) => {
    const { start, end } = periodAt(at, day);
    return (end - start) / DAY_MS;
  };
  expect(days(Date.UTC(2024, 1, 15), 1)).toBe(29);
  expect(days(Date.UTC(2026, 1, 15), 1)).toBe(28);
  expect(days(Date.UTC(2026, 11, 31, 23, 59, 59, 999), 1)).toBe(31);
  expect(days(Date.UTC(2024, 1, 28), 28)).toBe(29);
});

test("an anchor day that not every month has is refused", () => {
  for (const day of [0, 29, 1.5, Number.NaN])
    expect(() => periodAt(0, day)).toThrow(new RangeError(`billing anchor day must be 1..28, not ${day}`));
});

test("hours are aligned to UTC, also before 1970", () => {
  expect(hourOf(-1)).toBe(-HOUR_MS);
  expect(hourOf(HOUR_MS)).toBe(HOUR_MS);
});

test("timestamps are the instants of the years 1 to 9999", () => {
  const first = Date.parse("0001-01-01T00:00:00Z");
  const last = Date.parse("9999-12-31T23:59:59.999Z");
  expect([first, 0, last].map(isTimestamp)).toEqual([true, true, true]);
  expect([first - 1, last + 1, Number.NaN].map(isTimestamp)).toEqual([false, false, false]);
  expect(DAY_MS).toBe(86_400_000);
});

test("a manual clock moves when it is told to", () => {
  const clock = manualClock(5);
  expect(clock.now()).toBe(5);
  clock.advance(10);
  expect(clock.now()).toBe(15);
  clock.set(7);
  expect(clock.now()).toBe(7);
});
