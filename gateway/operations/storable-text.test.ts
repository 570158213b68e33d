import { parse } from "graphql";
import { expect, test } from "vitest";
import { assertStorableText } from "./storable-text.js";

const code = (document: string, variables: Record<string, unknown> = {}): string => {
  try {
    assertStorableText(parse(document), variables);
    return "fine";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "a bug";
  }
};

test("text that no database keeps is refused in variables, at any depth", () => {
  expect(code("{ a }", { id: "a\0" })).toBe("INVALID");
  expect(code("{ a }", { input: { list: ["fine", { name: "\ud800" }] } })).toBe("INVALID");
  expect(code("{ a }", { input: { list: ["\\u0000", "ünï 😀"], n: 1, none: null } })).toBe("fine");
});

test("and in literals, escaped or not", () => {
  expect(code(String.raw`{ a(id: "a\u0000") }`)).toBe("INVALID");
  expect(code(String.raw`{ a(id: "a\\u0000 \u00e9 😀") }`)).toBe("fine");
});

test("variables too deep to be walked are refused, however they were sent", () => {
  expect(code("{ a }", { a: JSON.parse("[".repeat(63) + "]".repeat(63)) })).toBe("fine");
  expect(code("{ a }", { a: JSON.parse("[".repeat(50_000) + "]".repeat(50_000)) })).toBe("INVALID");
});
