import { expect, test } from "vitest";
import { Decimal, ZERO } from "#kernel/decimal.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { price } from "../world.testing.js";
import { CELL_KEEPS, cellsOf, quantityOf, storedValue, TOP_VALUE_BY, type UsageCell, unclaimedCells } from "./usage.js";
import { totalsOf } from "./usage-totals.js";

/** More than a function call takes arguments. */
const MANY = 200_000;
const cells = Array.from({ length: MANY }, (_, n): UsageCell & { bucket: number } => ({
  bucket: 0,
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
  expect(quantityOf("UNIQUE", cells).toFixed()).toBe(String(MANY));
  expect(totalsOf(peak, cells, [])).toMatchObject([
    { quantity: `${MANY - 1}.5`, eventCount: MANY, lastEventAt: MANY - 1 },
  ]);
});

test("a value that every event was taken back of counts no more", () => {
  const cell = { meter: "peak", dimensions: [], quantity: ZERO, dominatedCount: 0, lastEventAt: 0 };
  const low: UsageCell = { ...cell, value: "-2", eventCount: 1 };
  const high: UsageCell = { ...cell, value: "7", eventCount: 0 };
  expect(quantityOf("MAX", [low, high]).toFixed()).toBe("-2");
  expect(quantityOf("MAX", [high]).toFixed()).toBe("0");
  expect(quantityOf("MAX", [{ ...high, eventCount: 1 }, low]).toFixed(), "in whatever order").toBe("7");
});

test("the value of the latest event counts: by time, then by position, as long as it is not voided", () => {
  const reading = (value: string, time: number, seq: number, eventCount = 1): UsageCell => ({
    ...{ meter: "level", dimensions: [], quantity: ZERO, dominatedCount: 0, lastEventAt: time, eventCount },
    value: storedValue("LATEST", value, time, seq),
  });
  const latest = (...all: UsageCell[]) => quantityOf("LATEST", all).toFixed();
  expect(latest()).toBe("0");
  expect(latest(reading("5", 9, 1), reading("7", 10, 2), reading("6", 8, 3))).toBe("7");
  expect(latest(reading("5", 9, 2), reading("7", 9, 10), reading("-6.5", 8, 30))).toBe("7");
  expect(latest(reading("5", 9, 2), reading("7", 10, 10, 0))).toBe("5");
  expect(storedValue("LATEST", "-6.5", 1_700_000_000_000, 42)).toBe("0001700000000000|0000000000000042|-6.5");
});

test("a price claims its meter's cells with all values that it names, a catch-all those that no other price does", () => {
  const calls: MeterState = { ...peak, id: "calls", aggregation: "COUNT", dimensions: ["region", "model"] };
  const cell = (meter: string, ...dimensions: string[]): UsageCell => ({
    ...{ meter, dimensions, value: "", quantity: ZERO, eventCount: 1, dominatedCount: 0, lastEventAt: 0 },
  });
  const [both, europe, other] = [cell("calls", "eu", "a"), cell("calls", "eu", "b"), cell("calls", "us", "a")];
  const all = [both, europe, other, cell("tokens", "eu", "a")];
  const where = [
    { dimension: "region", value: "eu" },
    { dimension: "model", value: "a" },
  ];
  const named = price({ meter: "calls", model: "FLAT", where });
  const rest = price({ meter: "calls", model: "FLAT", catchAll: true });
  const foreign = price({ meter: "tokens", model: "FLAT", where: [{ dimension: "region", value: "us" }] });
  const prices = [named, foreign, rest];
  expect(cellsOf(named, prices, calls, all)).toEqual([both]);
  expect(cellsOf(rest, prices, calls, all)).toEqual([europe, other]);
  expect(unclaimedCells([named, foreign], calls, all)).toEqual([europe, other]);
  expect(unclaimedCells([named, { ...foreign, catchAll: true }], calls, all)).toEqual([europe, other]);
  expect(unclaimedCells(prices, calls, all)).toEqual([]);
});

test("a cell keeps what its aggregation needs", () => {
  const stored = (["COUNT", "SUM", "MAX", "UNIQUE"] as const).map((of) => storedValue(of, "7", 1, 2));
  expect(stored).toEqual(["", "", "7", '"7"']);
  expect(CELL_KEEPS).toEqual({ COUNT: "count", SUM: "sum", MAX: "value", UNIQUE: "value", LATEST: "value" });
  expect(TOP_VALUE_BY).toEqual({
    ...{ COUNT: undefined, SUM: undefined, MAX: "number", UNIQUE: undefined, LATEST: "text" },
  });
});

test("totals are by bucket and the requested dimensions that the meter has", () => {
  const calls: MeterState = { ...peak, id: "calls", aggregation: "COUNT", dimensions: ["region", "model"] };
  const cell = (bucket: number, dimensions: string[], quantity: number, changes: Partial<UsageCell> = {}) => ({
    ...{ meter: "calls", bucket, dimensions, value: "", quantity: new Decimal(quantity), eventCount: quantity },
    ...{ dominatedCount: 0, lastEventAt: quantity, ...changes },
  });
  const cells = [
    cell(0, ["eu", "a"], 2),
    cell(0, ["eu", "b"], 3, { dominatedCount: 1 }),
    cell(0, ["us"], 4),
    cell(1, ["eu"], 0),
  ];
  const total = (
    bucket: number,
    values: Record<string, string>,
    quantity: string,
    eventCount: number,
    last: number | null,
  ) => ({
    ...{ meter: "calls", bucket, quantity, eventCount, lastEventAt: last },
    dimensions: Object.entries(values).map(([dimension, value]) => ({ dimension, value })),
  });
  expect(totalsOf(calls, cells, ["region", "other"])).toEqual([
    total(0, { region: "eu" }, "5", 6, 3),
    total(0, { region: "us" }, "4", 4, 4),
    total(1, { region: "eu" }, "0", 0, null),
  ]);
  expect(totalsOf(calls, cells, ["model"]).map(({ dimensions: [of], quantity }) => [of?.value, quantity])).toEqual([
    ["a", "2"],
    ["b", "3"],
    ["", "4"],
    ["", "0"],
  ]);
  expect(totalsOf(calls, cells, [])).toEqual([total(0, {}, "9", 10, 4), total(1, {}, "0", 0, null)]);
});
