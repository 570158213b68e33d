import { expect, test } from "vitest";
import { pauseAfter } from "./pace.js";

const pause = (items: number, bytes: number, tookMs: number, { records = 10, partitions = 4 } = {}) =>
  pauseAfter({ records, items, bytes, tookMs }, { maxBytes: 2_000_000, partitions });

test("under load the recorder waits for more, in proportion to what a batch takes, a tenth of a second at most", () => {
  expect([pause(50, 9_000, 5), pause(800, 150_000, 20), pause(800, 150_000, 5_000)]).toEqual([20, 80, 100]);
});

test("what comes alone, and a log that is behind, is recorded at once", () => {
  expect([pause(0, 100, 50), pause(49, 9_000, 50), pause(9_000, 1_000_000, 50)]).toEqual([0, 0, 0]);
  // The log gave as many records as it gives at a time: there are more, though these are small.
  expect(pause(1_000, 300_000, 50, { records: 1_000 })).toBe(0);
});

test("pauses of all partitions, of which a log gives eight at a time, take no longer than one", () => {
  for (const partitions of [1, 8, 9, 64, 1_024]) {
    const rounds = Math.max(1, partitions / 8);
    expect(pause(800, 150_000, 5_000, { partitions }) * rounds).toBeCloseTo(100, 6);
  }
});
