import { expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { HOUR_MS } from "#kernel/duration.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import type { Backfill } from "#schema/meters/counting-meters.js";
import type { Backfilled, CellPart, UsageDelta } from "../rules/fold.js";
import { meter } from "../world.testing.js";
import { foldBackfill, PART_LIMITS, type PartLimits } from "./fold.js";
import { mergeParts } from "./merge-parts.js";

const event = (seq: number, changes: Partial<RecordedEvent> = {}): RecordedEvent => ({
  ...{ kind: "event", seq, recordedAt: 5, tenancyVersion: 1, tenantId: "a", source: "s", id: `${seq}`, type: "other" },
  ...{ time: 7, receivedAt: 5, data: '{"n":"1"}' },
  ...changes,
});
const voidOf = (seq: number, voided: RecordedEvent): LedgerEntry => ({
  ...{ kind: "void", seq, recordedAt: 5, tenancyVersion: 1, tenantId: voided.tenantId, reason: "r", actor: "a" },
  event: voided,
});
const tick = (seq: number): LedgerEntry => ({ kind: "tick", seq, recordedAt: 5, tenancyVersion: 1, at: 5 });

const text = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
/** The order of staged parts. */
const byCell = (a: CellPart, b: CellPart): number =>
  text(a.tenantId, b.tenantId) ||
  a.hour - b.hour ||
  text(a.dimensions, b.dimensions) ||
  text(a.value, b.value) ||
  Number(b.isVoids) - Number(a.isVoids);

/** As a backfill's preparation folds one tenant, with the parts in memory. */
async function foldOf(
  entries: readonly LedgerEntry[],
  backfill: Backfill,
  {
    metersOfType = () => [],
    limits = PART_LIMITS,
    maxEvents,
    ...backfilled
  }: Partial<Backfilled> & {
    readonly metersOfType?: () => readonly MeterState[];
    readonly limits?: PartLimits;
    readonly maxEvents?: number;
  } = {},
) {
  const { backfills = [backfill], openStart = () => 0 } = backfilled;
  const fold = foldBackfill(backfill, RECORDED_AT, metersOfType, { backfills, openStart }, limits);
  const parts: CellPart[] = [];
  let taken = 0;
  for (const entry of entries) {
    fold.add(entry);
    if (!fold.isFull()) continue;
    parts.push(...fold.takePart());
    taken += 1;
  }
  parts.push(...fold.takePart());
  const deltas: UsageDelta[] = [];
  for await (const delta of mergeParts(parts.sort(byCell), backfill, RECORDED_AT, maxEvents)) deltas.push(delta);
  return { deltas, counts: fold.counts(), parts: taken + 1 };
}
const RECORDED_AT = 3 * HOUR_MS + 1;

test("a backfill counts what was there before it and not voided, at its own position, and moves it from unmetered once", async () => {
  const other = meter("other", { eventType: "other", aggregation: "SUM", valueProperty: "n", createdInVersion: 8 });
  const again = meter("again", { eventType: "other", createdInVersion: 9 });
  const backfills = [
    { meter: other, seq: 10 },
    { meter: again, seq: 20 },
  ];
  const entries = [
    ...[event(1, { data: '{"n":"2.5"}' }), event(2), event(3, { time: HOUR_MS, receivedAt: HOUR_MS })],
    ...[event(4, { data: "{}" }), event(5, { type: "call" }), event(6, { time: -HOUR_MS }), voidOf(7, event(2))],
    ...[tick(8), event(10)],
  ];
  const first = await foldOf(entries, { meter: other, seq: 10 }, { backfills });
  const cell = { tenantId: "a", meter: "other", dimensions: "[]", value: "", recordedHour: 3 * HOUR_MS, seq: 10 };
  const one = { ...cell, eventCount: 1, times: null };
  expect(first.deltas).toEqual([
    { ...one, hour: 0, lastEventAt: 7, quantity: new Decimal("2.5") },
    { ...one, hour: HOUR_MS, lastEventAt: HOUR_MS, quantity: new Decimal("1") },
  ]);
  expect(first.counts).toEqual([
    { tenantId: "a", hour: 0, counted: 1, unmetered: -1 },
    { tenantId: "a", hour: HOUR_MS, counted: 1, unmetered: -1 },
  ]);
  // The first one counted all but the entry that it cannot read, and the one of its own position.
  const second = await foldOf(entries, { meter: again, seq: 20 }, { backfills });
  expect(second.deltas.map(({ hour, eventCount }) => [hour, eventCount])).toEqual([
    [0, 3],
    [HOUR_MS, 1],
  ]);
  expect(second.counts).toEqual([{ tenantId: "a", hour: 0, counted: 2, unmetered: -2 }]);
});

test("a backfill leaves nothing of what was voided before it: no time, and no delta without events", async () => {
  const other = meter("other", { eventType: "other", createdInVersion: 9 });
  const [late, gone] = [event(2, { time: 9 }), event(4, { time: HOUR_MS })];
  const entries = [event(1), late, voidOf(3, late), gone, voidOf(5, gone)];
  for (const limits of [PART_LIMITS, { ...PART_LIMITS, changes: 1 }])
    expect((await foldOf(entries, { meter: other, seq: 10 }, { limits })).deltas).toMatchObject([
      { hour: 0, eventCount: 1, lastEventAt: 7, times: null },
    ]);
});

test("a cell of more events than one delta may have is several deltas, without any of its voided events", async () => {
  const other = meter("other", { eventType: "other", aggregation: "SUM", valueProperty: "n", createdInVersion: 9 });
  const of = (seq: number, n: string, time = 100 + seq) => event(seq, { time, data: JSON.stringify({ n }) });
  // Both voided events are of the times of others, and in the last parts nothing is left.
  const [third, last] = [of(3, "4"), of(9, "64", 101)];
  const events = [of(1, "1"), of(2, "2"), third, of(4, "8", 103), of(5, "16"), of(6, "32"), last];
  const entries = [...events, voidOf(10, third), voidOf(11, last)];
  const limits = { ...PART_LIMITS, changes: 1 };
  const { deltas } = await foldOf(entries, { meter: other, seq: 20 }, { limits, maxEvents: 2 });
  expect(deltas.map(({ eventCount, lastEventAt }) => [eventCount, lastEventAt])).toEqual([
    [2, 103],
    [2, 106],
    [1, 101],
  ]);
  expect(deltas.reduce((sum, { quantity }) => sum.plus(quantity), new Decimal(0)).toFixed()).toBe("59");
  for (const { eventCount, times } of deltas) expect(times?.length ?? 3).toBe(3 * eventCount);
  const { deltas: whole } = await foldOf(entries, { meter: other, seq: 20 });
  expect(whole.map(({ eventCount }) => eventCount)).toEqual([5]);
});
