import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../../tests/support/effort.js";
import { add, createCounter, prune, type SlidingCounter, takeBack } from "./window.js";

const WINDOW_MS = 86_400_000;
const START = Date.UTC(2026, 0, 10);
const COUNTER = { id: "calls|DAY", blockedUntil: 0, sinceSerial: 0, isStored: true };

function sliding(): SlidingCounter {
  const counter = createCounter({ ...COUNTER, window: { kind: "sliding", windowMs: WINDOW_MS } });
  if (counter.kind === "period") throw new Error("not a window");
  return counter;
}

const added = fc.record({
  after: fc.integer({ min: 0, max: 3_000_000 }),
  late: fc.integer({ min: 0, max: 9_000_000 }),
});

describe("a window of time", () => {
  test("counts exactly up to 128 entries, and beyond at most one hundredth of the window too long, never too short", () => {
    fc.assert(
      fc.property(fc.array(added, { minLength: 1, maxLength: 400 }), (all) => {
        const counter = sliding();
        const times: number[] = [];
        let now = START;
        for (const { after, late } of all) {
          now += after;
          prune(counter, now);
          const at = now - Math.min(late, now - START);
          add(counter, at, 1n, 0n, now);
          times.push(at);
          const younger = (ms: number) => BigInt(times.filter((time) => time + ms > now).length);
          expect(counter.used).toBeGreaterThanOrEqual(younger(WINDOW_MS));
          expect(counter.used).toBeLessThanOrEqual(younger(WINDOW_MS * (times.length <= 128 ? 1 : 1.01)));
          expect(counter.entries.length).toBeLessThanOrEqual(130);
        }
      }),
      { numRuns: runs(60) },
    );
  });

  test("of what is loaded before its time is known, what is older than the window does not count", () => {
    const counter = sliding();
    const slices = Array.from({ length: 300 }, (_, n) => START - (300 - n) * (WINDOW_MS / 100));
    for (const at of slices) add(counter, at, 5n, 0n, 0);
    prune(counter, START);
    expect(counter.used).toBe(5n * BigInt(slices.filter((at) => at + WINDOW_MS > START).length));
    add(counter, START, 1n, 0n, START);
    expect(counter.entries.length).toBeLessThanOrEqual(130);
  });

  test("keeps no more than it needs of usage that nobody asks about", () => {
    const counter = sliding();
    for (let n = 0; n < 5_000; n += 1) add(counter, START + n * 600_000, 1n, 0n, START + n * 600_000);
    expect(counter.entries.length).toBeLessThan(300);
  });

  test("gives back what was added at a moment, merged or not, and nothing once that has left", () => {
    const counter = sliding();
    for (let n = 0; n < 300; n += 1) add(counter, START + n * 60_000, 0n, 1n, START + n * 60_000);
    expect(counter.reserved).toBe(300n);
    for (let n = 0; n < 300; n += 1) takeBack(counter, START + n * 60_000, 0n, 1n);
    expect(counter.reserved).toBe(0n);
    add(counter, START, 5n, 0n, START);
    prune(counter, START + WINDOW_MS);
    takeBack(counter, START, 5n, 0n);
    expect(counter.used).toBe(0n);
  });
});
