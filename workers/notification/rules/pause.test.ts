import { expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { pauseMs } from "./pause.js";

const plain = { retryAfterMs: undefined };

test("a few failures pause nothing; then pauses double, up to ten minutes", () => {
  expect([1, 4].map((failures) => pauseMs(failures, plain, 0.9))).toEqual([0, 0]);
  expect([5, 6, 7, 11, 12, 500].map((failures) => pauseMs(failures, plain, 1))).toEqual([
    10_000, 20_000, 40_000, 600_000, 600_000, 600_000,
  ]);
  expect(pauseMs(5, plain, 0)).toBe(5_000);
});

test("the receiver's Retry-After is honoured, up to ten minutes", () => {
  expect(pauseMs(1, { retryAfterMs: 30_000 }, 0)).toBe(30_000);
  expect(pauseMs(1, { retryAfterMs: DAY_MS }, 0)).toBe(600_000);
  expect(pauseMs(7, { retryAfterMs: 1_000 }, 1)).toBe(40_000);
});
