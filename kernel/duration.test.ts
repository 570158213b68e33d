import { expect, test } from "vitest";
import { manualClock } from "./clock.js";
import { DAY_MS, isTimestamp } from "./duration.js";

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
