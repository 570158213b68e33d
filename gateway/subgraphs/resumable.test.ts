import { buildSchema, parse, validate } from "graphql";
import { expect, test } from "vitest";
import { createSubscriptionPreparation, resumableFields } from "./resumable.js";

const SDL = /* GraphQL */ `
  scalar Cursor
  type Query { ok: Boolean }
  type Alert { cursor: Cursor! used: Int! tenant: Tenant! }
  type Tenant { alerts(after: Cursor): [Alert!]! }
  type Plain { used: Int! }
  type Subscription {
    alerts(tenantId: ID!, after: Cursor): Alert!
    noCursor(after: Cursor): Plain!
    noAfter: Alert!
  }
`;
const SCHEMA = buildSchema(SDL);
const FIELDS = resumableFields(SDL);
const prepareSubscription = createSubscriptionPreparation(FIELDS);

function prepare(document: string, variables: Record<string, unknown> = {}) {
  expect(validate(SCHEMA, parse(document))).toEqual([]);
  const prepared = prepareSubscription(parse(document), variables);
  expect(validate(SCHEMA, parse(prepared.query))).toEqual([]);
  return prepared;
}

test("resumable fields are found in the SDL: they have `after` and `cursor`", () => {
  expect([...FIELDS.keys()]).toEqual(["alerts"]);
  for (const document of ["subscription { noAfter { used } }", 'subscription { noCursor(after: "1") { used } }']) {
    const prepared = prepare(document);
    expect(prepared.after).toBeUndefined();
    expect(prepared.query).not.toContain("metrly");
  }
});

test.each([
  ["given as text", 'subscription { alerts(tenantId: "a", after: "7") { used } }', {}, "7"],
  ["given as a variable", 'subscription ($c: Cursor) { alerts(tenantId: "a", after: $c) { used } }', { c: "7" }, "7"],
  ["left out", 'subscription { alerts(tenantId: "a") { used } }', {}, undefined],
  ["null", 'subscription { alerts(tenantId: "a", after: null) { used } }', {}, undefined],
  ["a variable left out", 'subscription ($c: Cursor) { alerts(tenantId: "a", after: $c) { used } }', {}, undefined],
])("the first attempt begins where the client said: %s", (_, document, variables, after) => {
  const prepared = prepare(document, variables);
  expect(prepared.after).toBe(after);
  expect(prepared.variables(undefined)).toEqual({ metrlyAfter: after ?? null });
  expect(prepared.variables("9")).toEqual({ metrlyAfter: "9" });
});

test("other uses of the client's variable keep its value", () => {
  const prepared = prepare(
    `subscription ($t: ID!, $c: Cursor) { alerts(tenantId: $t, after: $c) { tenant { alerts(after: $c) { used } } } }`,
    { t: "a", c: "7" },
  );
  expect(prepared.variables("9")).toEqual({ t: "a", c: "7", metrlyAfter: "9" });
});

test("the position is removed from the result, under any alias of the field", () => {
  const prepared = prepare('subscription { mine: alerts(tenantId: "a") { cursor used } }');
  const data = { mine: { cursor: "8", used: 3, metrlyCursor: "8" } };
  expect(prepared.takeCursor(data)).toBe("8");
  expect(data).toEqual({ mine: { cursor: "8", used: 3 } });
  expect(prepared.takeCursor({ mine: null })).toBeUndefined();
});

test("a document is rewritten once, whatever the variables are", () => {
  const document = parse('subscription ($c: Cursor) { alerts(tenantId: "a", after: $c) { used } }');
  const [one, other] = [prepareSubscription(document, { c: "7" }), prepareSubscription(document, { c: "8" })];
  expect(other.document).toBe(one.document);
  expect([one.after, other.after]).toEqual(["7", "8"]);
});
