import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { HOUR_MS } from "#kernel/duration.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { amountOf, ONE_UNIT } from "./rules/amount.js";
import type { CounterKey } from "./rules/limits.js";
import type { UsageReading } from "./rules/usage-reading.js";
import { changedTotals, settleRequests } from "./settlement.js";

const NOW = Date.UTC(2026, 10, 20, 12);
const tenant: TenantState = {
  ...{ kind: "tenant", id: "acme", version: 1, name: "Acme", status: "ACTIVE", createdAt: 0, createdInVersion: 1 },
  ...{ billingAnchorDay: 1, startsAt: 0, currency: null, testClock: null, assignments: [], closedInVersion: null },
  graceDays: [{ days: 3, inVersion: 1 }],
};
const counted: readonly CounterKey[] = [
  { meter: "calls", window: "DAY" },
  { meter: "calls", window: "BILLING_PERIOD" },
  { meter: "tokens", window: "HOUR" },
  { meter: null, window: "MINUTE" },
];
const reading = (seq: number, changed: Partial<UsageReading> = {}): UsageReading => ({
  ...{ seq, meter: "calls", eventId: `e${seq}`, value: new Decimal("0.25"), time: NOW },
  ...{ arrivedAt: NOW, recordedAt: NOW, tenancyVersion: 1 },
  ...changed,
});

test("an event settles its key once for all its meters, by its own time, and only with meters that are limited", () => {
  const readings = [
    reading(3, { time: NOW - HOUR_MS }),
    reading(3, { meter: "tokens", value: new Decimal("7.5") }),
    reading(4, { meter: "free" }),
    reading(5, { eventId: undefined }),
    reading(6, { time: NOW + 1, value: new Decimal(-1) }),
  ];
  expect(settleRequests({ tenant, readings, previousSeq: 1, seq: 9 }, counted, [])).toEqual([
    {
      ...{ tenantId: "acme", previousSeq: 1, seq: 9, now: undefined, totals: [] },
      counted: ["calls|DAY", "calls|BILLING_PERIOD", "tokens|HOUR", "|MINUTE"],
      events: [
        {
          ...{ key: "e3", meters: ["calls", "tokens"] },
          charges: [
            { counter: "calls|DAY", amount: ONE_UNIT / 4n, at: NOW - HOUR_MS },
            { counter: "tokens|HOUR", amount: amountOf(new Decimal("7.5")), at: NOW },
          ],
        },
        { key: "e6", meters: ["calls"], charges: [{ counter: "calls|DAY", amount: -ONE_UNIT, at: NOW }] },
      ],
    },
  ]);
});

test("the totals of every period that changed are set, a correction's too", () => {
  const october = Date.UTC(2026, 9, 20);
  const readings = [
    reading(1),
    reading(2),
    reading(3, { time: october, eventId: undefined }),
    reading(4, { meter: "tokens" }),
  ];
  const total = (_: string, __: string, start: number) => new Decimal(new Date(start).getUTCMonth());
  const totals = changedTotals({ tenant, readings }, counted, total);
  expect(totals).toEqual([
    { counter: "calls|BILLING_PERIOD", periodStart: Date.UTC(2026, 10, 1), total: 10n * ONE_UNIT },
    { counter: "calls|BILLING_PERIOD", periodStart: Date.UTC(2026, 9, 1), total: 9n * ONE_UNIT },
  ]);
});

test("however much it is, each event is in one settlement, positions join, and totals come first", () => {
  const gaps = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 1_600, size: "max" });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 0, max: 5 }), (between, after) => {
      let last = 10;
      const readings = between.map((gap) => {
        last += gap;
        return reading(last);
      });
      const totals = [{ counter: "calls|BILLING_PERIOD", periodStart: 0, total: 1n }];
      const requests = settleRequests({ tenant, readings, previousSeq: 10, seq: last + after }, counted, totals);
      expect(requests.flatMap(({ events }) => events.map(({ key }) => key))).toEqual(
        readings.map(({ eventId }) => eventId),
      );
      expect(requests.map(({ totals: own }) => own.length)).toEqual(requests.map((_, index) => (index === 0 ? 1 : 0)));
      let position = 10;
      for (const { previousSeq, seq, events } of requests) {
        expect(previousSeq).toBe(position);
        expect(events.length).toBeLessThanOrEqual(500);
        for (const { key } of events) expect(Number(key?.slice(1))).toBeLessThanOrEqual(seq);
        position = seq;
      }
      expect(position).toBe(last + after);
    }),
    { numRuns: 30 },
  );
});

test("a settlement counts meters: each of an event's may end a reservation", () => {
  const meters = Array.from({ length: 20 }, (_, n) => `m${n}`);
  const many = meters.map((meter): CounterKey => ({ meter, window: "BILLING_PERIOD" }));
  const readings = Array.from({ length: 60 }, (_, seq) => meters.map((meter) => reading(seq + 1, { meter }))).flat();
  const requests = settleRequests({ tenant, readings, previousSeq: 0, seq: 60 }, many, []);
  expect(requests.map(({ previousSeq, seq, events }) => [previousSeq, seq, events.length])).toEqual([
    [0, 25, 25],
    [25, 50, 25],
    [50, 60, 10],
  ]);
});

test("a test tenant settles at its own time", () => {
  const usage = { tenant: { ...tenant, testClock: NOW }, readings: [], previousSeq: 0, seq: 1 };
  expect(settleRequests(usage, counted, [])).toMatchObject([{ now: NOW, events: [], seq: 1 }]);
});
