import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal, ZERO } from "#kernel/decimal.js";
import { HOUR_MS } from "#kernel/duration.js";
import { hourOf } from "#kernel/period.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { runs } from "../../../tests/support/effort.js";
import { meter } from "../world.testing.js";
import { type Folded, foldEntries } from "./fold.js";
import { storedValue } from "./usage.js";

const METERS = [
  meter("calls", { eventType: "call", dimensions: ["region", "model"] }),
  meter("tokens", { eventType: "call", aggregation: "SUM", valueProperty: "n", dimensions: ["region"] }),
  meter("peak", { eventType: "call", aggregation: "MAX", valueProperty: "n" }),
  meter("late", { eventType: "call", aggregation: "UNIQUE", valueProperty: "n", createdInVersion: 2 }),
];
const metersOfType = (type: string): readonly MeterState[] => METERS.filter(({ eventType }) => eventType === type);

const event = (seq: number, changes: Partial<RecordedEvent> = {}): RecordedEvent => ({
  ...{ kind: "event", seq, recordedAt: 5, tenancyVersion: 1, tenantId: "a", source: "s", id: `${seq}`, type: "call" },
  ...{ time: 7, receivedAt: 5, data: '{"n":"1"}' },
  ...changes,
});
const voidOf = (seq: number, voided: RecordedEvent, recordedAt = 5): LedgerEntry => ({
  ...{ kind: "void", seq, recordedAt, tenancyVersion: 1, tenantId: voided.tenantId, reason: "r", actor: "a" },
  event: voided,
});

/** The entries that end deltas. */
const CONTROLS = {
  tick: { kind: "tick", at: 5 },
  close: { kind: "close", tenantId: "a", periodStart: 0, actor: "a" },
  backfill: { kind: "backfill", meterKey: "late" },
} as const;
const control = (kind: keyof typeof CONTROLS, seq: number): LedgerEntry => ({
  ...{ seq, recordedAt: 5, tenancyVersion: 1 },
  ...CONTROLS[kind],
});

/** Without the packed times, whose own test is elsewhere; in an order that does not depend on the fold's. */
const told = ({ deltas }: Folded): string[] =>
  deltas.map(({ quantity, times: _, ...delta }) => JSON.stringify({ ...delta, sum: quantity.toFixed() })).sort();

/** The same, said as simply as it can be: each event by itself, added up between control records. */
function naive(entries: readonly LedgerEntry[]): string[] {
  const cells = new Map<string, { sum: Decimal; delta: { seq: number; eventCount: number; lastEventAt: number } }>();
  let segment = 0;
  const feed = (of: RecordedEvent, carrier: LedgerEntry, part: string, sign: 1 | -1) => {
    const data = JSON.parse(of.data);
    for (const one of metersOfType(of.type).filter((known) => known.createdInVersion <= of.tenancyVersion)) {
      const read: string = one.aggregation === "COUNT" ? "1" : data.n;
      const named = {
        ...{ tenantId: of.tenantId, meter: one.id, hour: hourOf(of.time) },
        dimensions: JSON.stringify(one.dimensions.map((name) => data[name] ?? "")),
        ...{ value: storedValue(one.aggregation, read, of.time, of.seq), recordedHour: hourOf(carrier.recordedAt) },
      };
      const key = JSON.stringify([part, named]);
      const cell = cells.get(key) ?? { sum: ZERO, delta: { ...named, seq: 0, eventCount: 0, lastEventAt: 0 } };
      const counted = one.aggregation === "COUNT" || one.aggregation === "SUM" ? read : "0";
      cell.sum = cell.sum.plus(new Decimal(counted).times(sign));
      cell.delta.seq = carrier.seq;
      cell.delta.eventCount += sign;
      cell.delta.lastEventAt = Math.max(cell.delta.lastEventAt, of.time);
      cells.set(key, cell);
    }
  };
  for (const entry of entries) {
    if (entry.kind === "event") feed(entry, entry, `${segment}`, 1);
    else if (entry.kind === "void") feed(entry.event, entry, `void ${entry.seq}`, -1);
    else segment += 1;
  }
  return [...cells.values()].map(({ sum, delta }) => JSON.stringify({ ...delta, sum: sum.toFixed() })).sort();
}

const drafts = fc.array(
  fc.record({
    ...{
      kind: fc.oneof(
        { weight: 4, arbitrary: fc.constant("event" as const) },
        { weight: 1, arbitrary: fc.constant("void" as const) },
        { weight: 1, arbitrary: fc.constantFrom("tick", "close", "backfill") },
      ),
      tenantId: fc.constantFrom("a", "b"),
    },
    ...{ hour: fc.nat(1), offset: fc.nat(3), recordedHour: fc.nat(1), tenancyVersion: fc.constantFrom(1, 2) },
    type: fc.constantFrom("call", "call", "call", "other"),
    region: fc.constantFrom("", "eu"),
    n: fc.constantFrom("0.1", "0.2", "7", "-3", "999999999999999", "123456789012345678.5", "-999999999999999999"),
  }),
  { maxLength: 40 },
);

test("deltas are what each entry does by itself, added up between control records, voids apart", () => {
  fc.assert(
    fc.property(drafts, (story) => {
      const entries: LedgerEntry[] = [];
      for (const { kind, hour, offset, recordedHour, region, n, ...of } of story) {
        const seq = entries.length + 1;
        const recordedAt = recordedHour * HOUR_MS + 9;
        const before = entries.filter((entry) => entry.kind === "event").at(-1);
        if (kind in CONTROLS) entries.push(control(kind as keyof typeof CONTROLS, seq));
        else if (kind === "void" && before !== undefined) entries.push(voidOf(seq, before, recordedAt));
        else {
          const data = JSON.stringify({ n, ...(region && { region }), model: "m" });
          entries.push(event(seq, { ...of, recordedAt, time: hour * HOUR_MS + offset, data }));
        }
      }
      expect(told(foldEntries(entries, metersOfType))).toEqual(naive(entries));
    }),
    { numRuns: runs(100) },
  );
});

test.each(["999999999999999", "-999999999999999"])("very many of %s are summed exactly", (n) => {
  const entries = Array.from({ length: 41 }, (_, at) => event(at + 1, { data: JSON.stringify({ n }) }));
  const { deltas } = foldEntries(entries, metersOfType);
  expect(deltas.find((delta) => delta.meter === "tokens")?.quantity.toFixed()).toBe(new Decimal(n).times(41).toFixed());
});

test("events are counted by tenant and hour of arrival, those without a meter also by type", () => {
  const { counts, unmetered } = foldEntries(
    [
      event(1),
      event(2, { receivedAt: HOUR_MS }),
      event(3, { type: "other", time: 30 }),
      event(4, { type: "other", time: 20 }),
      event(5, { tenantId: "b", type: "other" }),
    ],
    metersOfType,
  );
  expect(counts).toEqual([
    { tenantId: "a", hour: 0, counted: 1, unmetered: 2 },
    { tenantId: "a", hour: HOUR_MS, counted: 1, unmetered: 0 },
    { tenantId: "b", hour: 0, counted: 0, unmetered: 1 },
  ]);
  expect(unmetered).toEqual([
    { tenantId: "a", eventType: "other", count: 2, lastAt: 30 },
    { tenantId: "b", eventType: "other", count: 1, lastAt: 7 },
  ]);
});

test("a ledger that a meter cannot read is a bug", () => {
  expect(() => foldEntries([event(3, { data: "{}" })], metersOfType)).toThrow(
    "ledger entry 3 of a does not fit meter tokens: data.n meter tokens needs this property",
  );
});
