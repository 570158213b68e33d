import { expect, test } from "vitest";
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
