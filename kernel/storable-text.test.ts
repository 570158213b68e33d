import { expect, test } from "vitest";
import { isStorable, storableText } from "./storable-text.js";

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
