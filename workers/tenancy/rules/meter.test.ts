import { describe, expect, test } from "vitest";
import { type MeterTerms, validateMeter } from "./meter.js";

const terms = (change: Partial<MeterTerms> = {}): MeterTerms => ({
  id: "tokens",
  name: "Tokens",
  eventType: "llm.completion",
  aggregation: "SUM",
  valueProperty: "tokens",
  dimensions: ["model"],
  unit: "token",
  ...change,
});

const DIMENSIONS = Array.from({ length: 10 }, (_, i) => `d${i}`);

describe("a meter", () => {
  test("that is sound has nothing against it", () => {
    expect(validateMeter(terms())).toEqual([]);
    expect(validateMeter(terms({ aggregation: "COUNT", valueProperty: null, unit: null }))).toEqual([]);
    const longest = {
      ...{ id: "k".repeat(64), name: "n".repeat(200), eventType: "é".repeat(128), valueProperty: "p".repeat(128) },
      ...{ unit: "u".repeat(32), dimensions: Array.from({ length: 10 }, (_, i) => `d${i}`) },
    };
    expect(validateMeter(terms(longest))).toEqual([]);
  });

  test.each<[string, Partial<MeterTerms>, string]>([
    ["a key with a space", { id: "two words" }, "key"],
    ["a key of 65 characters", { id: "k".repeat(65) }, "key"],
    ["a blank name", { name: " " }, "name"],
    ["a name with a control character", { name: "Tokens\u001b[31m" }, "name"],
    ["a unit of two lines", { unit: "to\nken" }, "unit"],
    ["a reserved event type", { eventType: "metrly.quota.warning.v1" }, "eventType"],
    ["a blank event type", { eventType: "" }, "eventType"],
    ["an event type of spaces", { eventType: "  " }, "eventType"],
    ["an empty property", { valueProperty: "" }, "valueProperty"],
    ["an empty dimension", { dimensions: ["a", ""] }, "dimensions[1]"],
    ["a SUM without a property", { valueProperty: null }, "valueProperty"],
    ["a COUNT with a property", { aggregation: "COUNT" }, "valueProperty"],
    ["a dimension twice", { dimensions: ["a", "a"] }, "dimensions[1]"],
    ["eleven dimensions", { dimensions: Array.from({ length: 11 }, (_, i) => `d${i}`) }, "dimensions"],
    ["eleven dimensions, the last without a name", { dimensions: [...DIMENSIONS, ""] }, "dimensions"],
    ["a blank unit", { unit: " " }, "unit"],
    ["a name of 201 characters", { name: "n".repeat(201) }, "name"],
    ["an event type of 257 bytes", { eventType: `${"é".repeat(128)}a` }, "eventType"],
    ["a property of 129 characters", { valueProperty: "p".repeat(129) }, "valueProperty"],
    ["a unit of 33 characters", { unit: "u".repeat(33) }, "unit"],
    ["very many dimensions", { dimensions: Array.from({ length: 200_000 }, (_, i) => `${i}`) }, "dimensions"],
  ])("refuses %s", (_, change, path) => {
    const reasons = validateMeter(terms(change));
    expect(reasons.map((reason) => reason.path)).toEqual([path]);
    expect(reasons.every(({ detail }) => detail.length > 10)).toBe(true);
  });
});
