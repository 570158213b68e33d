import fc from "fast-check";
import { expect, test } from "vitest";
import type { LogRecord } from "../event-log.js";
import { createTails } from "./tails.js";

const recordAt = (place: string, offset: number, bytes = 10): LogRecord => ({
  ...{ offset, key: undefined, timestamp: offset },
  value: Buffer.alloc(bytes, `${place}${offset}`),
});
const PLACES = ["a/0", "a/1"] as const;
const step = fc.oneof(
  fc.record({
    kind: fc.constant("append" as const),
    place: fc.constantFrom(...PLACES),
    count: fc.integer({ min: 1, max: 4 }),
  }),
  // By another process, of which this one knows nothing.
  fc.record({
    kind: fc.constant("elsewhere" as const),
    place: fc.constantFrom(...PLACES),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant("trim" as const), place: fc.constantFrom(...PLACES), back: fc.nat(8) }),
  fc.record({ kind: fc.constant("forget" as const) }),
);

test("hold a part of the log without holes, whatever others append, and never what was trimmed", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 300, max: 5_000 }), (steps, maxBytes) => {
      const tails = createTails(maxBytes);
      const log = new Map(PLACES.map((place) => [place, { records: [] as LogRecord[], first: 0, ownEnd: 0 }]));
      for (const one of steps) {
        if (one.kind === "forget") tails.forget();
        else {
          const there = log.get(one.place);
          if (there === undefined) throw new Error("no such place");
          const { records } = there;
          if (one.kind === "trim") {
            there.first = Math.max(there.first, records.length - one.back);
            tails.trim(one.place, there.first);
          } else {
            const added = Array.from({ length: one.count }, (_, n) => recordAt(one.place, records.length + n));
            records.push(...added);
            if (one.kind === "append") tails.add(one.place, added);
            if (one.kind === "append") there.ownEnd = records.length;
          }
        }
        for (const [place, { records, first, ownEnd }] of log) {
          let held = 0;
          for (let offset = 0; offset <= records.length; offset += 1) {
            const found = tails.from(place, offset, 3, 1_000);
            expect(found).toEqual(records.slice(offset, offset + found.length));
            if (found.length > 0) held += 1;
            if (found.length > 0) expect(offset).toBeGreaterThanOrEqual(first);
            if (tails.isEnd(place, offset)) expect(offset).toBe(ownEnd);
          }
          expect(held * 210).toBeLessThanOrEqual(Math.max(maxBytes, 4 * 210));
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("give the first record whatever its size, and no more than asked for", () => {
  const tails = createTails();
  tails.add("a/0", [recordAt("a/0", 5, 100), recordAt("a/0", 6, 100), recordAt("a/0", 7, 100)]);
  const offsets = (...asked: [number, number, number]) => tails.from("a/0", ...asked).map(({ offset }) => offset);
  expect(offsets(5, 10, 1)).toEqual([5]);
  expect(offsets(5, 10, 200)).toEqual([5, 6]);
  expect(offsets(6, 1, 1_000)).toEqual([6]);
  expect([offsets(4, 10, 1_000), offsets(8, 10, 1_000)]).toEqual([[], []]);
  expect(tails.from("b/0", 0, 10, 1_000)).toEqual([]);
});
