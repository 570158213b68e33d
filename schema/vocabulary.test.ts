import { readdirSync, readFileSync } from "node:fs";
import { buildSchema, isEnumType } from "graphql";
import { expect, test } from "vitest";
import {
  AGGREGATIONS,
  API_KEY_SCOPES,
  BILLING_PERIOD_STATUSES,
  INVOICE_LINE_KINDS,
  LIMIT_KINDS,
  PRICE_MODELS,
  QUOTA_WINDOWS,
  ROLES,
  TENANT_STATUSES,
  USAGE_EVENT_STATUSES,
  VIEWER_KINDS,
} from "./vocabulary.js";

const read = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), "utf8");
const sorted = (members: Iterable<string>): string[] => [...members].sort();

/** The vocabulary that clients see, by its name in the graph. */
const PUBLIC: readonly (readonly [string, readonly string[]])[] = [
  ["Aggregation", AGGREGATIONS],
  ["ApiKeyScope", API_KEY_SCOPES],
  ["BillingPeriodStatus", BILLING_PERIOD_STATUSES],
  ["InvoiceLineKind", INVOICE_LINE_KINDS],
  ["LimitKind", LIMIT_KINDS],
  ["PriceModel", PRICE_MODELS],
  ["QuotaWindow", QUOTA_WINDOWS],
  ["Role", ROLES],
  ["TenantStatus", TENANT_STATUSES],
  ["UsageEventStatus", USAGE_EVENT_STATUSES],
  ["ViewerKind", VIEWER_KINDS],
];

const api = buildSchema(read("schema/graphql/api.graphql"));
test.each(PUBLIC)("schema/graphql/api.graphql has every %s", (name, members) => {
  const type = api.getType(name);
  expect(isEnumType(type) && sorted(type.getValues().map((value) => value.name))).toEqual(sorted(members));
});

const sdk = new Map(
  [...read("sdk/src/operations.ts").matchAll(/^export type (\w+) =((?:\s+(?:\/\*\* .* \*\/\s+)?\| '\w+')+);$/gm)].map(
    ([, name = "", union = ""]) => [name, [...union.matchAll(/\| '(\w+)'/g)].map(([, member = ""]) => member)],
  ),
);
test.each(PUBLIC.filter(([name]) => sdk.has(name)))("sdk/src/operations.ts has every %s", (name, members) => {
  expect(sorted(sdk.get(name) ?? [])).toEqual(sorted(members));
});

test("the SDK has the types that it was looked through for", () => {
  expect([...sdk.keys()]).toEqual(expect.arrayContaining(["Aggregation", "LimitKind", "PriceModel", "QuotaWindow"]));
});

/** A later migration replaces the list of an earlier one; migrations themselves never change. */
test.each([
  ["tenancy", "aggregation", AGGREGATIONS],
  ["tenancy", "status", TENANT_STATUSES],
] as const)("prisma/%s/migrations allow every %s", (service, column, members) => {
  const folder = `prisma/${service}/migrations`;
  const migrations = readdirSync(new URL(`../${folder}`, import.meta.url)).filter((name) => /^\d/.test(name));
  const sql = sorted(migrations).map((name) => read(`${folder}/${name}/migration.sql`));
  const lists = [...sql.join("\n").matchAll(new RegExp(`"?${column}"? IN \\(([^)]*)\\)`, "g"))];
  expect(lists.at(-1)?.[1]?.match(/\w+/g)).toEqual(members);
});
