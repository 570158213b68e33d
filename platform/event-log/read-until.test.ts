import { afterEach, beforeEach, expect, test } from "vitest";
import { installManualTime, type ManualTime } from "#platform/lifecycle/manual-time.testing.js";
import type { LogRecord } from "./event-log.js";
import { readUntil } from "./read-until.js";

let time: ManualTime;
let restore: () => void;
beforeEach(() => {
  [time, restore] = installManualTime();
});
afterEach(() => restore());

const recordAt = (offset: number): LogRecord => ({ offset, key: undefined, value: Buffer.alloc(0), timestamp: 0 });

/** Reads that give these offsets, one after the other; after them, none. */
function world(...reads: readonly number[][]) {
  const left = [...reads];
  const taken: number[] = [];
  const next = () => (taken.at(-1) ?? -1) + 1;
  const read = async () => (left.shift() ?? []).map(recordAt);
  return {
    taken,
    options: {
      next,
      read,
      take: (records: readonly LogRecord[]) => taken.push(...records.map(({ offset }) => offset)),
    },
  };
}

test("an answer without records is no end while the log has some", async () => {
  const { taken, options } = world([0, 1], [], [], [3, 7]);
  const reading = readUntil(6, options);
  await time.advance(100);
  await reading;
  expect(taken).toEqual([0, 1, 3, 7]);
});

test("a log that keeps back what it has is unavailable, not at its end", async () => {
  const { taken, options } = world([0]);
  const refused = expect(readUntil(2, options)).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
  await time.advance(2_000);
  await refused;
  expect(taken).toEqual([0]);
});
