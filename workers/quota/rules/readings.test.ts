import { expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { DAY_MS } from "#kernel/duration.js";
import type { MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { foldBackfill } from "./backfill.js";
import { usageReadings } from "./usage.js";

const NOVEMBER = Date.UTC(2026, 10, 1);
const DECEMBER = Date.UTC(2026, 11, 1);
const meter = (id: string, changes: Partial<MeterState> = {}): MeterState => ({
  ...{ kind: "meter", id, version: 1, name: id, eventType: "call", aggregation: "SUM", valueProperty: "n" },
  ...{ dimensions: [], unit: null, createdInVersion: 1, archivedInVersion: null },
  ...changes,
});
const event = (seq: number, changes: Partial<RecordedEvent> = {}): RecordedEvent => ({
  ...{ kind: "event", seq, recordedAt: NOVEMBER + 9, tenancyVersion: 1, tenantId: "acme", source: "s", id: `e${seq}` },
  ...{ type: "call", time: NOVEMBER + 5, receivedAt: NOVEMBER + 8, data: '{"n":"2.5"}' },
  ...changes,
});
const voidOf = (seq: number, voided: RecordedEvent): LedgerEntry => ({
  ...{ kind: "void", seq, recordedAt: NOVEMBER + 20, tenancyVersion: 3, tenantId: "acme", reason: "r", actor: "a" },
  event: voided,
});

const tick: LedgerEntry = { kind: "tick", seq: 8, recordedAt: 0, tenancyVersion: 1, at: 0 };

const tokens = meter("tokens");
const calls = meter("calls", { aggregation: "COUNT", valueProperty: null });
const peak = meter("peak", { aggregation: "MAX" });
const later = meter("later", { createdInVersion: 2 });
const metersOfType = (type: string) => (type === "call" ? [tokens, calls, peak, later] : []);
const brief = (readings: ReturnType<typeof usageReadings>) =>
  readings.map((one) => `${one.meter} ${one.value} ${one.eventId ?? "-"}`);

test("an event is read by the COUNT and SUM meters of its version, and settles its reservations", () => {
  const readings = usageReadings(event(7), metersOfType, { testClock: null });
  const common = { seq: 7, eventId: "e7", time: NOVEMBER + 5, arrivedAt: NOVEMBER + 9, recordedAt: NOVEMBER + 9 };
  expect(readings).toEqual([
    { ...common, meter: "tokens", value: new Decimal("2.5"), tenancyVersion: 1 },
    { ...common, meter: "calls", value: new Decimal(1), tenancyVersion: 1 },
  ]);
  expect(usageReadings(event(7), metersOfType, { testClock: 5 })[0]?.arrivedAt).toBe(5);
  expect(brief(usageReadings(event(7, { tenancyVersion: 2 }), metersOfType, { testClock: null }))).toHaveLength(3);
});

test("an imported event settles nothing and says that it was imported, and so does its void", () => {
  const imported = event(7, { imported: true });
  for (const entry of [imported, voidOf(9, imported)]) {
    const [reading] = usageReadings(entry, metersOfType, { testClock: null });
    expect(reading).toMatchObject({ eventId: undefined, imported: true });
  }
  const [own] = usageReadings(event(7), metersOfType, { testClock: null });
  expect(own).not.toHaveProperty("imported");
});

test("what a meter cannot read, another meter may; what no meter counts is no reading", () => {
  expect(brief(usageReadings(event(7, { data: "{}" }), metersOfType, { testClock: null }))).toEqual(["calls 1 e7"]);
  expect(usageReadings(event(7, { type: "other" }), metersOfType, { testClock: null })).toEqual([]);
  expect(usageReadings(event(7, { data: "no JSON" }), () => [peak], { testClock: null })).toEqual([]);
  expect(usageReadings(tick, metersOfType, { testClock: null })).toEqual([]);
});

test("a void retracts from the meters that counted its event, by then also through a backfill, and settles nothing", () => {
  const readings = usageReadings(voidOf(9, event(7)), metersOfType, { testClock: null });
  expect(brief(readings)).toEqual(["tokens -2.5 -", "calls -1 -"]);
  expect(readings[0]).toMatchObject({ seq: 9, time: NOVEMBER + 5, recordedAt: NOVEMBER + 20, tenancyVersion: 3 });
  const unmetered = event(1, { type: "other" });
  const backfills = [{ meter: meter("other", { eventType: "other" }), seq: 5 }];
  expect(brief(usageReadings(voidOf(9, unmetered), metersOfType, { testClock: null }, { backfills }))).toEqual([
    "other -2.5 -",
  ]);
  expect(usageReadings(voidOf(9, unmetered), metersOfType, { testClock: null })).toEqual([]);
});

test("a backfill sums what no meter counted, by tenant and day, in the windows that are current at it", () => {
  const tenant = { id: "acme", billingAnchorDay: 1, testClock: null } as TenantState;
  const onOwnClock = { ...tenant, id: "test", testClock: DECEMBER + 1 };
  const added = meter("added", { eventType: "other", createdInVersion: 9 });
  const at = { recordedAt: DECEMBER, tenancyVersion: 9 };
  const fold = foldBackfill({ meter: added, seq: 50 }, at, metersOfType, (id) =>
    [tenant, onOwnClock].find((one) => one.id === id),
  );
  const other = (seq: number, changes: Partial<RecordedEvent> = {}) => event(seq, { type: "other", ...changes });
  for (const entry of [
    ...[other(1, { time: DECEMBER - 1 }), other(2, { time: DECEMBER }), other(3, { time: DECEMBER + 31 * DAY_MS })],
    ...[other(4, { time: DECEMBER + 5 }), event(5, { time: DECEMBER }), other(6, { time: DECEMBER, data: "{}" })],
    ...[other(7, { time: DECEMBER, tenantId: "nobody" }), voidOf(8, other(4, { time: DECEMBER + 5 }))],
    ...[other(9, { time: DECEMBER, tenantId: "test" }), other(10, { time: DECEMBER - 1, tenantId: "test" })],
    ...[other(11, { time: DECEMBER + 6, data: '{"n":"4"}' }), other(50, { time: DECEMBER }), other(51)],
    ...[event(12, { type: "third", time: DECEMBER }), tick],
  ])
    fold.add(entry);
  const of = { seq: 50, meter: "added", eventId: undefined, ...at, backfilled: { period: true, calendar: true } };
  // In the week that runs, which began on 30 November, but not in the billing period.
  const before = { time: DECEMBER - DAY_MS, backfilled: { period: false, calendar: true }, value: new Decimal("2.5") };
  expect([...fold.readings()]).toEqual([
    [
      "acme",
      [
        { ...of, arrivedAt: DECEMBER, ...before },
        { ...of, arrivedAt: DECEMBER, time: DECEMBER, value: new Decimal("6.5") },
        { ...of, arrivedAt: DECEMBER, time: DECEMBER + 31 * DAY_MS, value: new Decimal("2.5") },
      ],
    ],
    [
      "test",
      [
        { ...of, arrivedAt: DECEMBER + 1, ...before },
        { ...of, arrivedAt: DECEMBER + 1, time: DECEMBER, value: new Decimal("2.5") },
      ],
    ],
  ]);
});

test("a backfill takes nothing that a meter of its type counted at recording", () => {
  const tenant = { id: "acme", billingAnchorDay: 1, testClock: null } as TenantState;
  const fold = foldBackfill(
    { meter: later, seq: 50 },
    { recordedAt: NOVEMBER, tenancyVersion: 9 },
    metersOfType,
    () => tenant,
  );
  fold.add(event(1));
  expect([...fold.readings()]).toEqual([]);
});

test("a backfill counts in the windows that run at it, what was imported in its billing period only", () => {
  const tenants = new Map([["acme", { id: "acme", billingAnchorDay: 15, testClock: null } as TenantState]]);
  const added = meter("added", { eventType: "other", createdInVersion: 9 });
  const at = { recordedAt: DECEMBER + 4 * DAY_MS, tenancyVersion: 9 };
  const fold = foldBackfill({ meter: added, seq: 50 }, at, metersOfType, (id) => tenants.get(id));
  const days = [-31, -20, -17, -16, -2, -1, 0, 3];
  for (const [index, day] of days.entries())
    fold.add(event(index + 1, { type: "other", time: DECEMBER + day * DAY_MS, data: JSON.stringify({ n: `${day}` }) }));
  fold.add(event(20, { type: "other", time: DECEMBER + 4 * DAY_MS, imported: true, data: '{"n":"20"}' }));
  // The period began 16 days before December, the week that runs at its last of November.
  const readings = fold.readings().get("acme") ?? [];
  expect(
    readings.map(({ time, value, backfilled }) => [(time - DECEMBER) / DAY_MS, value.toNumber(), backfilled]),
  ).toEqual([
    [-16, -16, { period: true, calendar: false }],
    [-2, -2, { period: true, calendar: false }],
    [-1, -1, { period: true, calendar: true }],
    [0, 0, { period: true, calendar: true }],
    [3, 3, { period: true, calendar: true }],
    [4, 20, { period: true, calendar: false }],
  ]);
  tenants.clear();
  expect(fold.readings().get("acme")?.[0]?.arrivedAt, "of a tenant that is not known any more").toBe(at.recordedAt);
});
