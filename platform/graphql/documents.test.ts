import { buildSchema } from "graphql";
import { expect, test } from "vitest";
import type { Identity } from "#schema/policy.js";
import { createGraphqlDocuments } from "./documents.js";
import { KEPT_DOCUMENT_LIMITS } from "./kept-documents.js";

const documents = () => createGraphqlDocuments(buildSchema("type Query { a: Int, b: Int, tenant(id: ID): Int }"));
const who = (roles: Identity["roles"]): Identity => ({ kind: "USER", id: "u", tenantId: null, roles, scopes: [] });
const viewer = who(["TENANT_VIEWER"]);

/** Documents of the largest length that is kept, each other than all before. */
const long = (n: number): string => `{ a${n}: a }`.padEnd(KEPT_DOCUMENT_LIMITS.length);
const FILLING = Math.ceil(KEPT_DOCUMENT_LIMITS.totalBytes / (KEPT_DOCUMENT_LIMITS.length * 256));

test("a text is parsed and validated once while it is in use", () => {
  const kept = documents();
  const first = kept.get("{ a }", viewer);
  for (let n = 0; n < 2 * FILLING; n += 1) {
    kept.get(long(n), viewer);
    if (n % 10 === 0) expect(kept.get("{ a }", viewer)).toBe(first);
  }
});

test("what is kept is bounded in bytes", () => {
  const kept = documents();
  const first = kept.get("{ a }", viewer);
  for (let n = 0; n < FILLING; n += 1) kept.get(long(n), viewer);
  expect(kept.get("{ a }", viewer)).not.toBe(first);
  const longer = `${long(0)} `;
  expect(kept.get(longer, viewer)).not.toBe(kept.get(longer, viewer));
});

test("nothing is kept for a caller who may not run it", () => {
  const kept = documents();
  const text = '{ tenant(id: "t") }';
  const nobody = who([]);
  expect(kept.get(text, nobody)).not.toBe(kept.get(text, nobody));
  expect(kept.get(text, viewer)).toBe(kept.get(text, viewer));
});

test("an invalid document is refused each time", () => {
  const kept = documents();
  for (const _ of [1, 2]) {
    expect(() => kept.get("{ a", viewer)).toThrow(expect.objectContaining({ code: "GRAPHQL_PARSE_FAILED" }));
    expect(() => kept.get("{ c }", viewer)).toThrow(expect.objectContaining({ code: "GRAPHQL_VALIDATION_FAILED" }));
  }
});
