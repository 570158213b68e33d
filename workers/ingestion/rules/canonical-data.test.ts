import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "#schema/canonical-json.js";
import { runs } from "../../../tests/support/effort.js";
import { canonicalData, MAX_DATA_DEPTH } from "./canonical-data.js";

test("data is canonical JSON as RFC 8785 has it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const parsed: unknown = JSON.parse(JSON.stringify(value));
      expect(canonicalData(parsed)).toBe(canonicalJson(parsed));
    }),
    { numRuns: runs(200) },
  );
});

test("the order of members and the spelling of numbers do not matter", () => {
  const one = canonicalData(JSON.parse('{"b":1.0,"a":"\\u0041","__proto__":1e2}'));
  expect(one).toBe(canonicalData(JSON.parse('{"a":"A", "__proto__":100,"b":1}')));
  expect(one).toBe('{"__proto__":100,"a":"A","b":1}');
});

test("too deep nesting is refused, at any depth", () => {
  const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
  expect(canonicalData(nested(MAX_DATA_DEPTH))).toBeDefined();
  expect(canonicalData(nested(MAX_DATA_DEPTH + 1))).toBeUndefined();
  expect(canonicalData(nested(400_000))).toBeUndefined();
});
