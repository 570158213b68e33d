import { buildSchema, type GraphQLError, parse } from "graphql";
import { describe, expect, test } from "vitest";
import type { Identity } from "#schema/policy.js";
import { ANONYMOUS } from "../auth/authentication.js";
import { createOperations } from "./operation.js";

const SDL = "type Query { tenant(id: ID): Int, viewer: Int } type Mutation { createTenant: Int }";
const who = (roles: Identity["roles"]): Identity => ({ kind: "API_KEY", id: "k", tenantId: "t", roles, scopes: [] });
const viewer = who(["TENANT_VIEWER"]);

function world() {
  const operations = createOperations(buildSchema(SDL), SDL);
  const admit = (text: string, identity: Identity, variables: Record<string, unknown> = {}) => {
    const document = operations.kept(text) ?? parse(text);
    return operations.admitted({ text, document, operationName: undefined, variables, context: { identity } });
  };
  return { admit, isKept: (text: string) => operations.kept(text) !== undefined };
}

describe("an operation is kept", () => {
  test("once a caller who may run it has asked for it", () => {
    const { admit, isKept } = world();
    const text = '{ tenant(id: "a") }';
    admit(text, who([]));
    expect(isKept(text)).toBe(false);
    admit(text, viewer);
    expect(isKept(text)).toBe(true);
  });

  test.each([
    ["one of its fields is for others", "mutation { createTenant }", viewer],
    ["the caller did not sign in", "{ __schema { types { name } } }", ANONYMOUS],
    ["it is long", `{ tenant(id: "${"x".repeat(20_000)}") }`, viewer],
  ])("never if %s", (_, text, identity) => {
    const { admit, isKept } = world();
    admit(text, identity);
    expect(isKept(text)).toBe(false);
  });

  test("but its limits are judged each time", () => {
    const { admit } = world();
    const aliases = Array.from({ length: 31 }, (_, n) => `a${n}: viewer`).join(" ");
    for (const _ of [1, 2]) expect(() => admit(`{ ${aliases} }`, viewer)).toThrow("aliases may be at most");
  });
});

test("every problem of an invalid operation is told, with a code", () => {
  const problems = world().admit("{ nothing nowhere }", viewer) as readonly GraphQLError[];
  expect(problems.map(({ extensions }) => extensions.code)).toEqual(Array(2).fill("GRAPHQL_VALIDATION_FAILED"));
});

test("who did not sign in reads the schema only", () => {
  const { admit } = world();
  expect(admit("{ __schema { types { name } } }", ANONYMOUS)).toHaveProperty("document");
  expect(() => admit("{ viewer }", ANONYMOUS)).toThrow(expect.objectContaining({ code: "UNAUTHENTICATED" }));
});

test("the lists in the variables have at most 10,000 items together", () => {
  const { admit } = world();
  const ask = (items: number) => () => {
    const one = Array.from({ length: items - 1 }, (_, n) => n);
    return admit("{ viewer }", viewer, { input: { list: [one] } });
  };
  expect(ask(10_000)).not.toThrow();
  for (const items of [10_001, 300_000]) expect(ask(items)).toThrow(expect.objectContaining({ code: "TOO_COMPLEX" }));
});
