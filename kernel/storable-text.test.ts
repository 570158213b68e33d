import { expect, test } from "vitest";
import { isClientId } from "./ids.js";
import { heldBytes, isDeeperThan, isJsonObject } from "./json.js";
import { holdsUnstorable, isStorable, storableText } from "./storable-text.js";

test.each([
  ["", true],
  ["ünï 😀 \\u0000", true],
  ["a\0b", false],
  ["half \ud83d", false],
  ["\ude00\ud83d", false],
])("%j is storable: %s", (text, storable) => {
  expect(isStorable(text)).toBe(storable);
  expect(isStorable(storableText(text))).toBe(true);
  if (storable) expect(storableText(text)).toBe(text);
  else expect(storableText(text)).toHaveLength(text.length);
});

test.each([
  [{ a: ["b", { c: null, d: 1 }] }, false],
  ["a\0b", true],
  [["a", "\ud83d"], true],
  [{ "a\0": 1 }, true],
  [{ a: { b: ["\0"] } }, true],
  [null, false],
  [7, false],
])("%j holds what cannot be stored: %s", (value, holds) => {
  expect(holdsUnstorable(value)).toBe(holds);
});

test("an object is neither a list, null nor a scalar", () => {
  expect([{}, { a: [] }].every(isJsonObject)).toBe(true);
  expect([[], null, "a", 1, true, undefined].some(isJsonObject)).toBe(false);
});

test.each([
  [1, 0, false],
  [null, 0, false],
  [[], 0, true],
  [{}, 0, true],
  [[], 1, false],
  [{ a: 1, b: [2] }, 1, true],
  [{ a: 1, b: [2] }, 2, false],
  [[1, [2, [3]]], 2, true],
  [[1, [2, [3]]], 3, false],
])("%j nests deeper than %i: %s", (value, levels, deeper) => {
  expect(isDeeperThan(value, levels)).toBe(deeper);
});

test.each([
  [1, 8],
  [null, 8],
  [true, 8],
  ["ab", 68],
  [[], 64],
  [{}, 64],
  [[1, "a"], 64 + 8 + 8 + 8 + 66],
  [{ ab: 1, c: [] }, 64 + 8 + 4 + 8 + 8 + 2 + 64],
])("%j holds about %i bytes", (value, bytes) => {
  expect(heldBytes(value)).toBe(bytes);
});

test("a client's id has 1 to 64 letters, digits, _, - and ., and starts with a letter or digit", () => {
  expect(["a", "Z", "0", "a_-.9Z", `a${"-".repeat(63)}`].every(isClientId)).toBe(true);
  expect(["", "_a", "-a", ".a", "a b", "a/", " a", "a\n", "é", "a".repeat(65)].some(isClientId)).toBe(false);
});
