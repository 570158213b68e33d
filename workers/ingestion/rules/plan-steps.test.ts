import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../tests/support/effort.js";
import type { DecodedItem, DecodedRecord } from "./decode-record.js";
import { MAX_CLOCK_SKEW_MS, MAX_ITEMS_PER_STEP, planSteps, type ReceivedRecord } from "./plan-steps.js";

const MANY = Array.from({ length: 3_001 }, (_, id) => ({ id: String(id) }) as DecodedItem);
const itemsOf = (count: number): DecodedRecord => ({
  kind: "items",
  items: MANY.slice(0, count),
  tenancyVersion: count,
});
const lookup = { tenantId: "acme", source: "s", id: "1", reason: "r", actor: "a", tenancyVersion: 9_999 };
const decoded: fc.Arbitrary<DecodedRecord> = fc.oneof(
  fc.nat({ max: 3_000 }).map((count) => itemsOf(count + 1)),
  fc.constant<DecodedRecord>({ kind: "control", control: { kind: "void", ...lookup } }),
  fc.constant<DecodedRecord>({ kind: "control", control: { kind: "resolve", accept: true, ...lookup } }),
  fc.constant<DecodedRecord>({ kind: "control", control: { kind: "tick", at: 0 } }),
  fc.constant<DecodedRecord>({ kind: "control", control: { kind: "backfill", meterKey: "m", tenancyVersion: 9_999 } }),
  fc.constant<DecodedRecord>({ kind: "poison", error: "broken" }),
);
const records = fc
  .array(decoded, { maxLength: 20 })
  .map((all) =>
    all.map((one, offset): ReceivedRecord => ({ offset, timestamp: 0, value: Buffer.alloc(0), decoded: one })),
  );

test("every record has its place in one step, in order, and nothing of it gets lost", () => {
  fc.assert(
    fc.property(records, fc.constantFrom(1, 7, MAX_ITEMS_PER_STEP), (all, maxItems) => {
      const steps = [...planSteps(all, maxItems)];
      const placed = steps.flatMap((step) => step.records);
      expect(placed).toHaveLength(all.length);
      expect(placed.every((record, index) => record === all[index])).toBe(true);
      for (const { elements, lookup: alone, poison, records: own } of steps) {
        const items = own.reduce((sum, one) => sum + (one.decoded.kind === "items" ? one.decoded.items.length : 0), 0);
        const controls = own.filter((one) => one.decoded.kind === "control").length - (alone === undefined ? 0 : 1);
        expect(elements).toHaveLength(items + controls);
        expect(poison).toHaveLength(own.filter((one) => one.decoded.kind === "poison").length);
        if (alone !== undefined) expect(own).toHaveLength(1);
        if (own.length > 1) expect(Math.max(items, own.length)).toBeLessThanOrEqual(maxItems);
      }
    }),
    { numRuns: runs(300) },
  );
});

test.each([
  [MAX_CLOCK_SKEW_MS, 1, 0],
  [MAX_CLOCK_SKEW_MS + 1, 0, 1],
  [-MAX_CLOCK_SKEW_MS - 1, 0, 1],
])("a tick that is %i ms off the log's clock: %i accepted, %i refused", (offMs, ticks, refusedTicks) => {
  const tick: DecodedRecord = { kind: "control", control: { kind: "tick", at: 1_000_000 + offMs } };
  const [step] = planSteps([{ offset: 0, timestamp: 1_000_000, value: Buffer.alloc(0), decoded: tick }]);
  expect(step).toMatchObject({ ticks, refusedTicks, elements: { length: ticks } });
});

const recordOf = (one: DecodedRecord, offset: number): ReceivedRecord => ({
  ...{ offset, timestamp: 0, value: Buffer.from(`record ${offset}`), decoded: one },
});

test("a step is filled as far as it may be, and says how it can be split", () => {
  const sizesOf = (counts: readonly number[], maxItems: number) =>
    [...planSteps(counts.map(itemsOf).map(recordOf), maxItems)].map(({ records: own, units }) => [own.length, units]);
  expect(sizesOf([3, 4, 3], 7)).toEqual([
    [2, 7],
    [1, 1],
  ]);
  expect(sizesOf([3, 4, 3], 10)).toEqual([[3, 10]]);
  expect(sizesOf([0, 0, 0], 2)).toEqual([
    [2, 2],
    [1, 1],
  ]);
  const poison: DecodedRecord = { kind: "poison", error: "broken" };
  expect([...planSteps([poison, itemsOf(4)].map(recordOf), 5)].map(({ units }) => units)).toEqual([5]);
});

test("a void or a resolution comes alone with what it looks up, and poison keeps its bytes", () => {
  const controls = (["void", "resolve"] as const).map(
    (kind) => ({ kind: "control", control: { kind, accept: true, ...lookup } }) as DecodedRecord,
  );
  const poison: DecodedRecord = { kind: "poison", error: "broken" };
  const steps = [...planSteps([itemsOf(1), ...controls, poison, itemsOf(1)].map(recordOf))];
  expect(steps.map((step) => step.lookup?.kind)).toEqual([undefined, "void", "resolve", undefined]);
  expect(steps.map(({ elements }) => elements.length)).toEqual([1, 0, 0, 1]);
  expect(steps[3]?.poison).toEqual([{ offset: 3, value: Buffer.from("record 3"), error: "broken" }]);
  const item = { kind: "item", item: { id: "0" } };
  expect([steps[0]?.elements, steps[3]?.elements]).toEqual([[item], [item]]);
  const backfill: DecodedRecord = { kind: "control", control: { kind: "backfill", meterKey: "m", tenancyVersion: 1 } };
  const [step] = planSteps([recordOf(backfill, 0)]);
  expect(step).toMatchObject({
    ...{ ticks: 0, refusedTicks: 0, elements: [{ kind: "control", control: { kind: "backfill", meterKey: "m" } }] },
  });
});
