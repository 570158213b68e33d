import fc from "fast-check";
import { isLosslessNumber, type LosslessNumber, parse } from "lossless-json";
import { describe, expect, test } from "vitest";
import { runs } from "../tests/support/effort.js";
import { Decimal } from "./decimal.js";
import { inexactNumbers, mayHoldInexactNumbers } from "./exact-numbers.js";

/** JSON numbers as people and machines write them, many of them beyond a double. */
const numberText = fc.oneof(
  fc.stringMatching(/^-?(0|[1-9]\d{0,24})$/),
  fc.stringMatching(/^-?(0|[1-9]\d{0,12})\.\d{1,22}$/),
  fc.stringMatching(/^-?(0|[1-9]\d{0,5})(\.\d{1,5})?[eE][+-]?\d{1,3}$/),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
);
const stringText = fc.string({ unit: "binary" }).map((text) => JSON.stringify(text));
const trickyText = fc.constantFrom('", 12345678901234567890"', '"\\\\"', '"a\\"b:1e999"', '"{[,:"').map((text) => text);

const { value: jsonText } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    numberText,
    stringText,
    trickyText,
    fc.constantFrom("true", "false", "null"),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(" , ")}]`),
    fc
      .uniqueArray(fc.tuple(stringText, tie("value")), { maxLength: 4, selector: ([name]) => JSON.parse(name) })
      .map((members) => `{ ${members.map(([name, value]) => `${name}:\n${value}`).join(",")} }`),
  ),
}));

/** What lossless-json, which keeps each number's text, finds. */
function oracle(text: string): string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (isLosslessNumber(value)) {
      if (!survives(value)) found.push(value.value);
    } else if (typeof value === "object" && value !== null) {
      for (const member of Object.values(value)) visit(member);
    }
  };
  visit(parse(text));
  return found;
}

function survives({ value }: LosslessNumber): boolean {
  const printed = JSON.stringify(Number(value));
  return printed !== "null" && new Decimal(printed).equals(new Decimal(value));
}

/** All of them: each is a part of its own. */
function inexactOf(text: string) {
  let part = 0;
  return [...inexactNumbers(text, () => part++).values()];
}

describe("numbers that a double can't keep", () => {
  test("the scan finds exactly those that lossless-json finds", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const found = inexactOf(text).map(({ token }) => token);
        expect(found.sort()).toEqual(oracle(text).sort());
      }),
      { numRuns: runs(200) },
    );
  });

  test("the quick look never misses one", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        if (oracle(text).length > 0) expect(mayHoldInexactNumbers(text)).toBe(true);
      }),
      { numRuns: runs(200) },
    );
  });

  test.each(["9007199254740993", "[9007199254740993]", '{"n": -9007199254740993}', "[1,0.12345678901234567]"])(
    "the quick look sees the long number in %s",
    (text) => expect(mayHoldInexactNumbers(text)).toBe(true),
  );

  test("an ordinary event does not pay for the slow path", () => {
    const event = {
      id: "12345678901234567890",
      time: "2026-11-01T00:00:00.123Z",
      data: { tokens: 12.5, n: -999999999 },
    };
    expect(mayHoldInexactNumbers(JSON.stringify(event))).toBe(false);
  });

  test("the path leads to the number", () => {
    const text = '[{"data":{}}, {"x":[1],"data":{"a":[0,{"tokens":  9007199254740993}]}}]';
    expect(inexactOf(text)).toEqual([{ path: [1, "data", "a", 1, "tokens"], token: "9007199254740993" }]);
  });

  test("names in the path are those that JSON.parse reads", () => {
    const text = String.raw`{"a\u0062":{"c\"d":{"":1e400}}, "\\":[{}, 1e401]}`;
    expect(inexactOf(text).map(({ path }) => path)).toEqual([
      ["ab", 'c"d', ""],
      ["\\", 1],
    ]);
  });

  test("nesting without end does not overflow the stack", () => {
    const text = `${"[".repeat(100_000)}1e400${"]".repeat(100_000)}`;
    expect(inexactOf(text)).toHaveLength(1);
  });

  test("many numbers in deep nesting are found in time and memory of the text", () => {
    const text = `${"[".repeat(50_000)}${"1e400,".repeat(20_000)}1${"]".repeat(50_000)}`;
    const found = inexactOf(text);
    expect(found).toHaveLength(20_000);
    expect(found[0]?.path.length).toBeLessThan(100);
  });

  test("only the first of each part is kept", () => {
    const text = '[{"a":1e400},{"data":[1,1e400,1e401]},{"data":{"n":1e402}}]';
    const found = inexactNumbers(text, ([index, name]) => (name === "data" ? index : undefined));
    expect([...found]).toEqual([
      [1, { path: [1, "data", 1], token: "1e400" }],
      [2, { path: [2, "data", "n"], token: "1e402" }],
    ]);
  });
});
