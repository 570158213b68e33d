import { parse, validate } from "graphql";
import { expect, test } from "vitest";
import { publicSchema } from "./public-schema.js";

const schema = publicSchema(`
  scalar Decimal
  scalar DateTime
  enum QuotaWindow { HOUR DAY }
  input Limit { limit: Decimal!, window: QuotaWindow, until: DateTime }
  type Query { limit(limits: [Limit!]): Int }
`);
const problems = (input: string) =>
  validate(schema, parse(`{ limit(limits: [{ limit: "1" }, ${input}]) }`)).map(({ message }) => message);

test.each([
  ['{ limit: "0,01" }', 'found "0,01"; Decimal must be plain decimal text'],
  ["{ limit: true }", "found true; must be a string"],
  ['{ limit: "1", until: "next week" }', 'found "next week"; DateTime must be RFC 3339'],
  ['{ limit: "1", window: WEEK }', '"QuotaWindow" enum. Its values: HOUR, DAY.'],
])("%s is refused where it stands, with what is right", (input, reason) => {
  expect(problems(input)).toEqual([expect.stringContaining(reason)]);
});

test("what a scalar accepts is valid, and stays as it is written", () => {
  expect(problems('{ limit: 0.010, window: DAY, until: "2030-01-01T00:00:00Z" }')).toEqual([]);
});
