import { afterEach, beforeEach, expect, test } from "vitest";
import { installManualTime, type ManualTime } from "./manual-time.testing.js";
import { backoffMs, jittered, replaceRandomness } from "./random.js";
import { every, monotonicMs, nowMs, sleep, timeoutSignal } from "./time.js";

let time: ManualTime;
let restore: () => void;

beforeEach(() => {
  [time, restore] = installManualTime(1_000);
});
afterEach(() => restore());

test("a replaced time is the whole process's time, until it is put back", async () => {
  await time.advance(500);
  expect([nowMs(), monotonicMs()]).toEqual([1_500, 1_500]);
  restore();
  expect(nowMs()).toBeGreaterThan(1_500);
});

test("a sleep ends with its time or its signal, and leaves no timer", async () => {
  const stopping = new AbortController();
  const ended: string[] = [];
  void sleep(100).then(() => ended.push("slept"));
  void sleep(10_000, stopping.signal).then(() => ended.push("woken"));
  await time.advance(99);
  expect(ended).toEqual([]);
  await time.advance(1);
  expect(ended).toEqual(["slept"]);
  stopping.abort();
  await time.advance(0);
  expect(ended).toEqual(["slept", "woken"]);
  await sleep(10_000, stopping.signal);
  expect(time.pending()).toBe(0);
});

test("an interval runs until it is cancelled, also from within", async () => {
  let runs = 0;
  const interval = every(10, () => {
    runs += 1;
    if (runs === 3) interval.cancel();
  });
  await time.advance(1_000);
  expect(runs).toBe(3);
});

test("a deadline's signal says that it timed out", async () => {
  const signal = timeoutSignal(50);
  await time.advance(49);
  expect(signal.aborted).toBe(false);
  await time.advance(1);
  expect(signal.reason).toMatchObject({ name: "TimeoutError" });
});

test("back-off doubles up to its bound and never exceeds it", () => {
  const backoff = { firstMs: 100, longestMs: 1_000 };
  const undo = replaceRandomness({ fraction: () => 0, uuid: () => "", orderedUuid: () => "" });
  expect([1, 2, 3, 4, 5, 2_000].map((failures) => backoffMs(backoff, failures))).toEqual([50, 100, 200, 400, 500, 500]);
  undo();
  expect(jittered(100)).toBeGreaterThanOrEqual(50);
  expect(jittered(100)).toBeLessThanOrEqual(100);
});
