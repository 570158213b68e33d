import { expect, test } from "vitest";
import { growthOf, type HeapSample } from "./memory.js";

const MIB = 1024 * 1024;
const MINUTE = 60_000;

/** One sample a minute of an hour. */
const hour = (bytesAt: (minute: number) => number, pidAt: (minute: number) => number = () => 1): HeapSample[] =>
  Array.from({ length: 60 }, (_, n) => ({ atMs: n * MINUTE, pid: pidAt(n), bytes: bytesAt(n) * MIB }));
const judged = (samples: readonly HeapSample[]) => growthOf("billing", samples, 0, 60 * MINUTE);

test("what stays the same, fills a cache early or peaks for a moment does not grow", () => {
  expect(judged(hour(() => 80))).toMatchObject({ medianMiB: 80, growthMiB: 0, isTooMuch: false });
  expect(judged(hour((n) => Math.min(180, 20 + n * 8)))).toMatchObject({ growthMiB: 0, isTooMuch: false });
  expect(judged(hour((n) => (n % 7 === 0 ? 400 : 80 + (n % 3)))).isTooMuch).toBe(false);
});

test("a slow leak is too much, also below noise and across restarts", () => {
  const leak = judged(hour((n) => 80 + n * 1.5 + (n % 5) * 6));
  expect(leak.growthMiB).toBeGreaterThan(32);
  expect(leak.isTooMuch).toBe(true);
  const restarted = judged(
    hour(
      (n) => 60 + (n % 20) * 2,
      (n) => Math.floor(n / 20),
    ),
  );
  expect(restarted.isTooMuch).toBe(true);
});

test("restarts alone are no growth, and what lived too shortly shows none", () => {
  const restarts = hour(
    (n) => (n < 45 ? 60 : 90),
    (n) => (n < 45 ? 1 : 2),
  );
  expect(judged(restarts)).toMatchObject({ growthMiB: 0, isTooMuch: false });
  const short = hour(
    (n) => 60 + (n % 4) * 40,
    (n) => Math.floor(n / 4),
  );
  expect(judged(short)).toMatchObject({ growthMiB: undefined, isTooMuch: false });
});
