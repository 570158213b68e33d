import { expect, test } from "vitest";
import type { MeterState } from "../events/tenancy-changed.v1.js";
import { readMeter } from "./meter-reading.js";

const meter = (over: Partial<MeterState>): MeterState => ({
  kind: "meter",
  id: "m",
  version: 1,
  name: "m",
  eventType: "t",
  aggregation: "SUM",
  valueProperty: "n",
  dimensions: [],
  unit: null,
  createdInVersion: 1,
  archivedInVersion: null,
  ...over,
});

test.each([
  [1, "1"],
  ["1.50", "1.5"],
  [-0.1, "-0.1"],
  [1e-7, "0.0000001"],
  [123456789012345, "123456789012345"],
])("a SUM meter reads %j exactly", (n, value) => {
  expect(readMeter(meter({}), { n })).toEqual({ kind: "reading", value, dimensions: [] });
});

test.each([[undefined], [null], ["x"], [true], [{}], ["1e3"], [1e25], [1e-13], [0.1 + 0.2]])(
  "a SUM meter refuses %j with its path",
  (n) => {
    expect(readMeter(meter({}), { n })).toMatchObject({ kind: "invalid", path: "data.n" });
  },
);

test("dimensions read as text in the meter's order; a missing one is empty, a structure is refused", () => {
  const counted = meter({ aggregation: "COUNT", valueProperty: null, dimensions: ["region", "tier"] });
  expect(readMeter(counted, { tier: 2, region: "eu" })).toEqual({
    kind: "reading",
    value: "1",
    dimensions: ["eu", "2"],
  });
  expect(readMeter(counted, { region: false })).toEqual({ kind: "reading", value: "1", dimensions: ["false", ""] });
  expect(readMeter(counted, { region: [] })).toMatchObject({ kind: "invalid", path: "data.region" });
  expect(readMeter(counted, { region: "x".repeat(129) })).toMatchObject({ kind: "invalid" });
  expect(readMeter(counted, 7)).toMatchObject({ kind: "reading", dimensions: ["", ""] });
});

test("properties of Object.prototype are not data", () => {
  const counted = meter({ aggregation: "COUNT", valueProperty: null, dimensions: ["constructor"] });
  expect(readMeter(counted, JSON.parse("{}"))).toEqual({ kind: "reading", value: "1", dimensions: [""] });
  expect(readMeter(meter({ aggregation: "UNIQUE", valueProperty: "toString" }), {})).toMatchObject({ kind: "invalid" });
});

test("a UNIQUE meter counts values of up to 256 bytes", () => {
  const unique = meter({ aggregation: "UNIQUE", valueProperty: "n" });
  expect(readMeter(unique, { n: "x".repeat(256) })).toMatchObject({ kind: "reading" });
  expect(readMeter(unique, { n: "x".repeat(257) })).toMatchObject({ kind: "invalid", path: "data.n" });
});
