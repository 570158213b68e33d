import { expect, test } from "vitest";
import { ZERO } from "#kernel/decimal.js";
import { HOUR_MS } from "#kernel/duration.js";
import { meter, planVersion, price } from "../world.testing.js";
import type { Folded, UsageDelta } from "./fold.js";
import { type PricedPeriod, unbilledIn, unpricedMeters } from "./unbilled.js";

const tokens = meter("tokens", { aggregation: "SUM", valueProperty: "n", dimensions: ["model", "region"] });
const seats = meter("seats");
const meterOf = (key: string) => [tokens, seats].find(({ id }) => id === key);
const large = price({
  ...{ meter: "tokens", model: "PER_UNIT", unitAmount: "1" },
  where: [{ dimension: "model", value: "large" }],
});
const plan = { ref: { id: "pro", version: 1 }, terms: planVersion({ prices: [large] }) };
const periods = [0, 10 * HOUR_MS].map((start) => ({ start, end: start + 10 * HOUR_MS }));

const delta = (changes: Partial<UsageDelta>): UsageDelta => ({
  ...{ tenantId: "acme", meter: "tokens", hour: 0, dimensions: '["new","eu"]', value: "", recordedHour: 0, seq: 1 },
  ...{ quantity: ZERO, eventCount: 1, lastEventAt: 0, times: null },
  ...changes,
});
const folded = (...deltas: UsageDelta[]): Folded => ({ deltas, counts: [], unmetered: [] });
const named = (model: string) => [
  { dimension: "model", value: model },
  { dimension: "region", value: "eu" },
];

test("unpriced usage is told once per tenant, meter and period, with the first combination that no price claims", () => {
  const asked: string[] = [];
  const pricedPeriodAt = (tenantId: string, at: number): PricedPeriod | undefined => {
    asked.push(`${tenantId} ${at / HOUR_MS}`);
    const period = periods.find(({ start, end }) => start <= at && at < end);
    return tenantId === "planless" || period === undefined ? undefined : { period, plan };
  };
  const found = unbilledIn(
    folded(
      delta({ dimensions: '["large","eu"]' }),
      delta({ dimensions: '["gone","eu"]', eventCount: 0 }),
      delta({}),
      delta({ dimensions: '["newer","eu"]', hour: HOUR_MS }),
      delta({ meter: "seats", dimensions: "[]", hour: HOUR_MS }),
      delta({ meter: "unknown" }),
      delta({ tenantId: "planless" }),
      delta({ hour: 11 * HOUR_MS }),
      delta({ tenantId: "other", hour: 11 * HOUR_MS, dimensions: '["x"]' }),
    ),
    pricedPeriodAt,
    meterOf,
  );
  const of = { kind: "unpriced", tenantId: "acme", meter: "tokens", plan: plan.ref, reason: "NO_PRICE_FOR_DIMENSIONS" };
  expect(found).toEqual([
    { ...of, period: periods[0], dimensions: named("new") },
    { ...of, meter: "seats", period: periods[0], reason: "NO_PRICE_FOR_METER", dimensions: [] },
    { ...of, period: periods[1], dimensions: named("new") },
    {
      ...{ ...of, tenantId: "other", period: periods[1] },
      dimensions: [
        { dimension: "model", value: "x" },
        { dimension: "region", value: "" },
      ],
    },
  ]);
  expect(asked).toEqual(["acme 0", "acme 1", "acme 0", "planless 0", "acme 11", "other 11"]);
});

test("unmetered events are told by type", () => {
  const unmetered = ["a", "b"].map((eventType) => ({ tenantId: "acme", eventType, count: 2, lastAt: 0 }));
  expect(unbilledIn({ ...folded(), unmetered }, () => undefined, meterOf)).toEqual([
    { kind: "unmetered", tenantId: "acme", eventType: "a" },
    { kind: "unmetered", tenantId: "acme", eventType: "b" },
  ]);
});

test("of a period each meter is told once, with its first combination", () => {
  const [period = { start: 0, end: 0 }] = periods;
  const usage = { quantity: ZERO, eventCount: 1, reason: "NO_PRICE_FOR_DIMENSIONS" as const };
  const unpriced = ["new", "newer"].map((model) => ({ ...usage, meter: "tokens", dimensions: named(model) }));
  const of = { period, plan: plan.ref, unpriced: [...unpriced, { ...usage, meter: "seats", dimensions: [] }] };
  const told = { kind: "unpriced", tenantId: "acme", period, plan: plan.ref, reason: "NO_PRICE_FOR_DIMENSIONS" };
  expect(unpricedMeters("acme", of)).toEqual([
    { ...told, meter: "tokens", dimensions: named("new") },
    { ...told, meter: "seats", dimensions: [] },
  ]);
});
