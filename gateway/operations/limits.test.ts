import { readFile } from "node:fs/promises";
import path from "node:path";
import { buildSchema, getIntrospectionQuery, type OperationDefinitionNode, parse } from "graphql";
import { beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { fieldCostsOf } from "./costs.js";
import { fragmentsOf } from "./fragments.js";
import { createMeasure, GRAPH_LIMITS } from "./limits.js";

let measure: ReturnType<typeof createMeasure>;
beforeAll(async () => {
  const read = (name: string) => readFile(path.join(packageRoot(), "schema/graphql", name), "utf8");
  measure = createMeasure(buildSchema(await read("api.graphql")), fieldCostsOf(await read("supergraph.graphql")));
});

function refusal(text: string, variables: Record<string, unknown> = {}): string | undefined {
  const document = parse(text, { maxTokens: GRAPH_LIMITS.tokens });
  const operation = document.definitions.find((each) => each.kind === "OperationDefinition") as OperationDefinitionNode;
  try {
    measure({ operation, fragments: fragmentsOf(document), variables });
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i)).join(" ");

describe("questions about the schema", () => {
  const type = (depth: number): string => `kind name ${depth > 0 ? `ofType { ${type(depth - 1)} }` : ""}`;
  const value = `name description defaultValue type { ${type(8)} }`;
  /** Without fragments, as some code generators ask. */
  const spelled = `{ __schema { queryType { name } directives { name locations args { ${value} } }
    types { kind name description fields(includeDeprecated: true) { name description args { ${value} } type { ${type(8)} } }
    inputFields { ${value} } interfaces { ${type(8)} } enumValues { name } possibleTypes { ${type(8)} } } } }`;

  test.each([
    ["graphql-js", getIntrospectionQuery()],
    [
      "graphql-js with every option",
      getIntrospectionQuery({
        inputValueDeprecation: true,
        schemaDescription: true,
        directiveIsRepeatable: true,
        specifiedByUrl: true,
        oneOf: true,
      }),
    ],
    ["code generators, spelled out", spelled],
    ["one type", '{ __type(name: "Tenant") { name fields { name type { name } } } }'],
  ])("are answered as %s asks them", (_, text) => {
    expect(refusal(text)).toBeUndefined();
  });

  const fields = (inner: string) =>
    `fields { name description type { ${inner} ofType { ${inner} ofType { ${inner} } } } }`;
  /** A type's fields, so often, and those of their types. */
  const nested = (count: number, inner = fields("kind name")) => times(count, (i) => `a${i}: ${fields(inner)}`);
  const F = `fragment F on __Type { ${fields(fields("kind name"))} }`;
  const wrapped = (levels: number): string => (levels === 0 ? "name" : `ofType { ${wrapped(levels - 1)} }`);
  test.each([
    ["aliases", `{ __schema { ${times(31, (i) => `a${i}: types { name }`)} } }`],
    [
      "aliases",
      `{ __schema { ${times(6, (i) => `a${i}: types { ...F }`)} } } fragment F on __Type { ${times(6, (i) => `b${i}: name`)} }`,
    ],
    ["introspected", `{ __schema { types { ${nested(3)} } } }`],
    ["introspected", `{ __type(name: "Query") { ${nested(29, "...F")} } } ${F}`],
    ["introspected", `query ($n: String!) { __type(name: $n) { ${nested(29, "...F")} } } ${F}`],
    ["introspected", `query ($n: String = "Query") { __type(name: $n) { ${nested(29, "...F")} } } ${F}`],
    ["introspected", `{ __schema { types { ${times(60, () => "fields { name description type { name } }")} } } }`],
    ["introspectionDepth", `{ __schema { types { ${wrapped(18)} } } }`],
    [
      "selections",
      `{ ...F0 } ${times(20, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F20 on Query { __typename }`,
    ],
    ["directives", `{ __schema { types { ${times(31, () => "name @include(if: true)")} } } }`],
  ])("count like everything else: %s of %s", (limit, text) => {
    expect(refusal(text, { n: "Query" })).toContain(`${limit} may be at most`);
  });

  test("cost the server no more to refuse than what it answers", () => {
    const bomb = `{ __schema { types { ${nested(25)} } } }`;
    const fastestMs = (text: string) =>
      Math.min(
        ...Array.from({ length: 5 }, () => {
          const beganMs = performance.now();
          refusal(text);
          return performance.now() - beganMs;
        }),
      );
    expect(refusal(bomb)).toContain("may be at most");
    expect(fastestMs(bomb) / fastestMs(spelled)).toBeLessThan(50);
  });
});

test("fragments that spread themselves are refused before anything follows them", () => {
  expect(refusal("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }")).toContain("within itself");
  expect(
    refusal(
      "{ __schema { ...A } } fragment A on __Schema { types { ...B } } fragment B on __Type { fields { type { ...B } } }",
    ),
  ).toContain("within itself");
});

describe("what is costly counts as such", () => {
  const aliased = (count: number, field: string) => `{ ${times(count, (i) => `a${i}: ${field}`)} }`;
  const page = (first: number, fields: string) =>
    `quarantinedEvents(tenantId: "t", first: ${first}) { nodes { ${fields} } }`;
  test.each([
    [4, 'verifyInvoice(id: "i") { matches }'],
    [20, 'previewPlan(tenantId: "t", planId: "p", periodStart: "2026-01-01T00:00:00Z") { currency }'],
    [30, 'unmeteredTypes(tenantId: "t") { eventType }'],
    [2, page(200, "id data")],
    [30, page(200, "id source")],
    [3, "auditLog(first: 200) { nodes { before after } }"],
    [30, "auditLog(first: 200) { nodes { at } }"],
    [1, "tenants(first: 200) { nodes { id upcomingInvoice { total { amount } } } }"],
  ])("%d times is within the limits: %s", (count, field) => {
    expect(refusal(aliased(count, field))).toBeUndefined();
  });
  test.each([
    [5, 'verifyInvoice(id: "i") { matches }'],
    [30, 'previewPlan(tenantId: "t", planId: "p", periodStart: "2026-01-01T00:00:00Z") { currency }'],
    [3, page(200, "id data")],
    [4, "auditLog(first: 200) { nodes { before after } }"],
    [1, "tenants(first: 200) { nodes { id webhookEndpoints { deliveries { nodes { payload } } } } }"],
  ])("%d times is too much: %s", (count, field) => {
    expect(refusal(aliased(count, field))).toContain("cost may be at most");
  });
});

test.each(["constructor", "toString", "__proto__", "nothing"])(
  "a spread of %s, which is not there, counts nothing",
  (name) => {
    expect(refusal(`{ ...${name} __schema { ...${name} types { ...${name} name } } }`)).toBeUndefined();
  },
);
