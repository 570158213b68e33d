import fc from "fast-check";
import { expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { countOf, createRetracted, lastOf, lastRemaining, packed, packTimes } from "./event-times.js";

/** Few, so that several events are of one moment. */
const time = fc.constantFrom(0, 1, 59_999, 1_800_000, HOUR_MS - 1);
const groups = fc.array(fc.array(time, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });

test("the last that is left after any voids is that of all times without the voided ones, however they are stored", () => {
  const story = groups.chain((all) => fc.tuple(fc.constant(all), fc.subarray(all.flat())));
  fc.assert(
    fc.property(story, ([all, voided]) => {
      const retracted = createRetracted();
      retracted.add(packed(voided));
      const remaining = Buffer.concat(all.map((times) => retracted.cancel(packed(times))));
      expect(countOf(remaining)).toBe(all.flat().length - voided.length);
      const left = [...all.flat()];
      for (const gone of voided) left.splice(left.indexOf(gone), 1);
      expect(remaining).toEqual(packed(left));
      expect(lastOf(remaining)).toBe(Math.max(0, ...left));
      const deltas = all.map((times) => ({ last: Math.max(...times), count: times.length, times: packTimes(times) }));
      const expected = left.length === 0 ? undefined : Math.max(...left);
      expect(lastRemaining({ known: null, deltas, voided })).toBe(expected);
      if (expected === undefined) return;
      // As read: only what is later than one that is known to be left.
      const known = left[0] ?? 0;
      const later = {
        known,
        deltas: deltas.filter(({ last }) => last > known),
        voided: voided.filter((at) => at > known),
      };
      expect(lastRemaining(later)).toBe(expected);
    }),
  );
});

test("a delta without times has all its events at its last", () => {
  const delta = { last: 5, count: 2, times: null };
  expect(lastRemaining({ known: 1, deltas: [delta], voided: [5] })).toBe(5);
  expect(lastRemaining({ known: 1, deltas: [delta], voided: [5, 5] })).toBe(1);
  expect([packTimes([]), packTimes([7])]).toEqual([null, null]);
});
