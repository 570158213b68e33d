import { expect, test } from "vitest";
import { ZERO } from "#kernel/decimal.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { quantityOf, type UsageCell } from "./usage.js";
import { totalsOf } from "./usage-totals.js";

/** More than a function call takes arguments. */
const MANY = 200_000;
const cells: UsageCell[] = Array.from({ length: MANY }, (_, n) => ({
  meter: "peak",
  dimensions: [],
  value: `${n}.5`,
  quantity: ZERO,
  eventCount: 1,
  dominatedCount: 0,
  lastEventAt: n,
}));
const peak: MeterState = {
  kind: "meter",
  id: "peak",
  version: 1,
  name: "Peak",
  eventType: "job.run",
  aggregation: "MAX",
  valueProperty: "value",
  dimensions: [],
  unit: null,
  createdInVersion: 1,
  archivedInVersion: null,
};

test("a period may hold any number of different values", () => {
  expect(quantityOf("MAX", cells).toFixed()).toBe(`${MANY - 1}.5`);
  expect(quantityOf("UNIQUE", cells).toFixed()).toBe(String(MANY));
  expect(
    totalsOf(
      peak,
      cells.map((cell) => ({ ...cell, bucket: 0 })),
      [],
    ),
  ).toMatchObject([{ quantity: `${MANY - 1}.5`, eventCount: MANY, lastEventAt: MANY - 1 }]);
});

test("a value that every event was taken back of counts no more", () => {
  const cell = { meter: "peak", dimensions: [], quantity: ZERO, dominatedCount: 0, lastEventAt: 0 };
  const low: UsageCell = { ...cell, value: "-2", eventCount: 1 };
  const high: UsageCell = { ...cell, value: "7", eventCount: 0 };
  expect(quantityOf("MAX", [low, high]).toFixed()).toBe("-2");
  expect(quantityOf("MAX", [high]).toFixed()).toBe("0");
});
