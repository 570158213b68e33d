import { buildSchema } from "graphql";
import { expect, test } from "vitest";
import { createGraphqlDocuments } from "./documents.js";

const documents = () => createGraphqlDocuments(buildSchema("type Query { a: Int, b: Int }"));

test("a text is parsed and validated once while it is in use", () => {
  const kept = documents();
  const first = kept.get("{ a }");
  for (let index = 0; index < 3_000; index += 1) {
    kept.get(`{ b${index}: b }`);
    if (index % 900 === 0) expect(kept.get("{ a }")).toBe(first);
  }
});

test("the cache is bounded, in number and in length", () => {
  const kept = documents();
  const first = kept.get("{ a }");
  for (let index = 0; index < 1_000; index += 1) kept.get(`{ b${index}: b }`);
  expect(kept.get("{ a }")).not.toBe(first);
  const long = `{ a }${" ".repeat(20_000)}`;
  expect(kept.get(long)).not.toBe(kept.get(long));
});

test("an invalid document is refused each time", () => {
  const kept = documents();
  for (const _ of [1, 2]) {
    expect(() => kept.get("{ a")).toThrow(expect.objectContaining({ code: "GRAPHQL_PARSE_FAILED" }));
    expect(() => kept.get("{ c }")).toThrow(expect.objectContaining({ code: "GRAPHQL_VALIDATION_FAILED" }));
  }
});
