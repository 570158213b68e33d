import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import {
  type AttemptResult,
  DISABLE_AFTER_FAILING_MS,
  judgeAttempt,
  MAX_ATTEMPTS,
  parseRetryAfter,
  redeliveryDelayMs,
} from "./retry.js";

const failed: AttemptResult = {
  startedAt: 0,
  durationMs: 5,
  responseStatus: 500,
  error: "the receiver answered 500",
  responseBody: "",
  retryAfterMs: undefined,
  isPermanent: false,
};

test("ten attempts span about three days, never more than a week", () => {
  const spanAt = (random: number) =>
    Array.from({ length: MAX_ATTEMPTS - 1 }, (_, i) => redeliveryDelayMs(i + 1, random)).reduce(
      (sum, ms) => sum + ms,
      0,
    );
  expect(spanAt(0.5) / DAY_MS).toBeGreaterThan(2.5);
  expect(spanAt(0.5) / DAY_MS).toBeLessThan(3.5);
  expect(spanAt(0.999_999) / DAY_MS).toBeLessThan(7);
  expect(DISABLE_AFTER_FAILING_MS).toBe(5 * DAY_MS);
});

test("every failed attempt is retried later or ends with a reason: never neither", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.option(fc.integer({ min: 100, max: 599 }), { nil: undefined }),
      fc.boolean(),
      (attempt, random, responseStatus, isPermanent) => {
        const verdict = judgeAttempt({ ...failed, responseStatus, isPermanent }, attempt, random);
        if (verdict.kind === "retry") return attempt < MAX_ATTEMPTS && verdict.delayMs >= 0;
        return verdict.kind === "dead" && verdict.reason.length > 0;
      },
    ),
  );
});

describe("a verdict", () => {
  test("delivered without an error", () => {
    expect(judgeAttempt({ ...failed, responseStatus: 204, error: undefined }, 1, 0.5)).toEqual({ kind: "delivered" });
  });
  test("410 ends the delivery and disables the endpoint", () => {
    expect(judgeAttempt({ ...failed, responseStatus: 410 }, 1, 0.5)).toMatchObject({
      ...{ kind: "dead", disablesEndpoint: true },
      reason: "the receiver answered 410 Gone; the endpoint is disabled",
    });
  });
  test("a target that will never be reached ends the delivery only, with its error", () => {
    expect(judgeAttempt({ ...failed, isPermanent: true }, 1, 0.5)).toEqual({
      ...{ kind: "dead", reason: "the receiver answered 500", disablesEndpoint: false },
    });
  });
  test("a failure waits up to three times as long as the one before, at random", () => {
    expect([1, 2, 3, 9].map((attempt) => redeliveryDelayMs(attempt, 0.5))).toEqual([
      ...[30_000, 90_000, 270_000, 196_830_000],
    ]);
    expect(judgeAttempt(failed, MAX_ATTEMPTS - 1, 0)).toEqual({ kind: "retry", delayMs: 0 });
  });
  test("the last attempt leaves a dead letter with the last error", () => {
    expect(judgeAttempt(failed, MAX_ATTEMPTS, 0.5)).toMatchObject({
      kind: "dead",
      reason: "10 attempts failed; the last: the receiver answered 500",
      disablesEndpoint: false,
    });
  });
  test("Retry-After lengthens a wait and never shortens it", () => {
    expect(judgeAttempt({ ...failed, retryAfterMs: 500_000 }, 1, 0.5)).toEqual({ kind: "retry", delayMs: 500_000 });
    expect(judgeAttempt({ ...failed, retryAfterMs: 1 }, 1, 0.5)).toEqual({ kind: "retry", delayMs: 30_000 });
  });
});

test.each([
  ["120", 120_000],
  ["0", 0],
  ["Tue, 24 Nov 2026 00:01:00 GMT", 60_000],
  ["Mon, 23 Nov 2026 00:00:00 GMT", 0],
  ["99999999", DAY_MS],
  [" 120 ", 120_000],
  ["12345678901", undefined],
  ["Tue, 24 Nov 2026 00:01:00", undefined],
  ["soon", undefined],
  ["-5", undefined],
  [undefined, undefined],
])("Retry-After %s is %s ms", (header, ms) => {
  expect(parseRetryAfter(header, Date.UTC(2026, 10, 24))).toBe(ms);
});
