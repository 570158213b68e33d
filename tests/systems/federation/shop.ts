import { GraphQLError } from "graphql";
import { type CountedSubgraph, type Reference, type Resolvers, sdlSubgraph } from "./sdl-subgraph.js";

interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly region: "EU" | "US" | null;
  readonly parentId: string | null;
}
const TENANTS: readonly Tenant[] = [
  { id: "t1", name: "Acme", region: "EU", parentId: null },
  { id: "t2", name: "Globex", region: "US", parentId: "t1" },
  { id: "t3", name: "Initech", region: null, parentId: "t2" },
];
const tenantOf = (id: unknown) => ({ __typename: "Tenant", ...TENANTS.find((tenant) => tenant.id === id) });
const isTenant = (id: unknown) => TENANTS.some((tenant) => tenant.id === id);
const refuse = (message: string, code: string): never => {
  throw new GraphQLError(message, { extensions: { code } });
};

/**
 * Four subgraphs with every federation feature that Metrly uses or may use: entities with several owners, required fields,
 * interfaces, unions, enums, shared value types, nulls in each place, errors in each place, mutations.
 */
export function buildShop(): CountedSubgraph[] {
  return [tenancy(), quota(), billing(), notification()];
}

function tenancy(): CountedSubgraph {
  return subgraph(
    "tenancy",
    `
    enum Region { EU US }
    interface Node { id: ID! }
    type Settings @shareable { theme: String locale: String }
    type Tenant implements Node @key(fields: "id") {
      id: ID! name: String! region: Region tags: [String!]! matrix: [[Int!]!]! parent: Tenant plan: Plan! settings: Settings
      broken: String nameOr(fallback: String = "none", upper: Boolean): String
    }
    type Plan implements Node @key(fields: "id") { id: ID! name: String! tenants: [Tenant!]! }
    union Result = Tenant | Plan
    input Filter { region: Region ids: [ID!] }
    type Query {
      tenants(filter: Filter): [Tenant!]! maybeTenants: [Tenant] tenant(id: ID!): Tenant node(id: ID!): Node nodes: [Node!]!
      search(text: String!): [Result!]! version: String! failing: String failingRequired: String! nothing: Tenant
    }
    type Mutation { rename(id: ID!, name: String!): Tenant failToRename: Tenant count: Int! }
    `,
    {
      Node: { __resolveType: ({ __typename }: Reference) => __typename },
      Result: { __resolveType: ({ __typename }: Reference) => __typename },
      Query: {
        tenants: (_: unknown, { filter }: { filter?: { region?: string; ids?: string[] } | null }) =>
          TENANTS.filter(
            ({ id, region }) => (filter?.region ?? region) === region && (filter?.ids?.includes(id) ?? true),
          ).map(({ id }) => tenantOf(id)),
        maybeTenants: () => [tenantOf("t1"), null, tenantOf("t3")],
        tenant: (_: unknown, { id }: { id: string }) => (isTenant(id) ? tenantOf(id) : null),
        node: (_: unknown, { id }: { id: string }) =>
          isTenant(id) ? tenantOf(id) : { __typename: "Plan", id, name: id },
        nodes: () => [tenantOf("t1"), { __typename: "Plan", id: "pro", name: "Pro" }, tenantOf("t2")],
        search: () => [tenantOf("t2"), { __typename: "Plan", id: "pro", name: "Pro" }],
        version: () => "1",
        failing: () => refuse("no luck", "CONFLICT"),
        failingRequired: () => refuse("no luck at all", "CONFLICT"),
        nothing: () => null,
      },
      Mutation: {
        rename: (_: unknown, { id, name }: { id: string; name: string }) => ({ ...tenantOf(id), name }),
        failToRename: () => refuse("taken", "CONFLICT"),
        count: () => 1,
      },
      Tenant: {
        tags: ({ id }: Tenant) => [`${id}-a`, `${id}-b`],
        matrix: () => [[1, 2], [], [3]],
        parent: ({ parentId }: Tenant) => (parentId === null ? null : tenantOf(parentId)),
        plan: () => ({ __typename: "Plan", id: "pro", name: "Pro" }),
        settings: ({ id }: Tenant) => (id === "t3" ? null : { theme: "dark", locale: null }),
        broken: ({ id }: Tenant) => (id === "t2" ? refuse(`${id} is broken`, "UNAVAILABLE") : "fine"),
        nameOr: ({ name }: Tenant, { fallback, upper }: { fallback: string; upper?: boolean }) =>
          upper ? name.toUpperCase() : fallback,
      },
      Plan: { tenants: () => [tenantOf("t1"), tenantOf("t2")] },
    },
    ({ __typename, id }) => (__typename === "Plan" ? { id, name: "Pro" } : isTenant(id) ? tenantOf(id) : null),
    ["Tenant", "Plan"],
  );
}

function quota(): CountedSubgraph {
  return subgraph(
    "quota",
    `
    enum Region { EU US }
    enum Level { WARNING EXCEEDED }
    scalar Moment
    type Tenant @key(fields: "id") {
      id: ID! region: Region @external
      usage: Int limit(n: Int = 3): String @requires(fields: "region")
      sometimes: Int required: Int! alerts(first: Int!): [Alert!]! worst: Alert
    }
    type Alert { level: Level! percent: Float! at: Moment! tenant: Tenant! }
    type Query { worst: Tenant quotaOk: Boolean! alerts: [Alert] }
    `,
    {
      Query: {
        worst: () => ({ id: "t2" }),
        quotaOk: () => true,
        alerts: () => [alertOf("t1"), null, alertOf("t3")],
      },
      Tenant: {
        usage: ({ id }: Tenant) => (id === "t3" ? null : Number(id.slice(1)) * 10),
        limit: ({ region }: Tenant, { n }: { n: number }) => (region === undefined ? "unknown" : `${region}-${n}`),
        sometimes: ({ id }: Tenant) => (id === "t2" ? refuse("not this one", "BUSY") : 7),
        required: ({ id }: Tenant) => (id === "t3" ? refuse("is required", "UNAVAILABLE") : 1),
        alerts: ({ id }: Tenant, { first }: { first: number }) => [alertOf(id), alertOf("t1")].slice(0, first),
        worst: ({ id }: Tenant) => (id === "t1" ? null : alertOf(id)),
      },
    },
    ({ id, region }) => ({ id, ...(region !== undefined && { region }) }),
    ["Tenant"],
  );
}

const alertOf = (id: string) => ({
  level: id === "t1" ? "WARNING" : "EXCEEDED",
  percent: 99.5,
  at: "2026-01-01",
  tenant: { id },
});

function billing(): CountedSubgraph {
  const invoice = (id: string) => ({ __typename: "Invoice", id, tenantId: id.slice(0, 2) });
  return subgraph(
    "billing",
    `
    interface Node { id: ID! }
    enum Status { OPEN PAID }
    type Settings @shareable { theme: String locale: String }
    type Money { amount: String! currency: String }
    type Line { text: String! amount: Money steps: [Step!]! }
    type Step { quantity: Int failing: Int }
    type Tenant @key(fields: "id") { id: ID! invoices(status: Status = OPEN): [Invoice!]! due: Money billingSettings: Settings }
    type Invoice implements Node @key(fields: "id") {
      id: ID! status: Status! total: Money lines: [Line] tenant: Tenant! mandatory: String!
    }
    type Query { invoice(id: ID!): Invoice invoices: [Invoice!]! billingOk: Boolean }
    type Mutation { pay(id: ID!): Invoice! }
    `,
    {
      Node: { __resolveType: ({ __typename }: Reference) => __typename },
      Query: {
        invoice: (_: unknown, { id }: { id: string }) => (isTenant(id.slice(0, 2)) ? invoice(id) : null),
        invoices: () => ["t1-1", "t2-1", "t3-1"].map(invoice),
        billingOk: () => true,
      },
      Mutation: { pay: (_: unknown, { id }: { id: string }) => ({ ...invoice(id), status: "PAID" }) },
      Tenant: {
        invoices: ({ id }: Tenant) => [invoice(`${id}-1`), invoice(`${id}-2`)],
        due: ({ id }: Tenant) => (id === "t1" ? null : { amount: "12.50", currency: null }),
        billingSettings: () => ({ theme: "light", locale: "de" }),
      },
      Invoice: {
        status: ({ status }: { status?: string }) => status ?? "OPEN",
        total: ({ id }: Tenant) => (id.endsWith("2") ? null : { amount: id, currency: "EUR" }),
        lines: () => [{ text: "usage", amount: { amount: "1", currency: "EUR" }, steps: [{ quantity: 3 }] }, null],
        tenant: ({ tenantId }: { tenantId: string }) => ({ id: tenantId }),
        mandatory: ({ id }: Tenant) => (id === "t2-1" ? refuse("mandatory is missing", "CONFLICT") : "there"),
      },
      Step: { failing: () => refuse("this step", "CONFLICT") },
    },
    ({ __typename, id }) => (__typename === "Invoice" ? invoice(String(id)) : { id }),
    ["Tenant", "Invoice"],
  );
}

function notification(): CountedSubgraph {
  return subgraph(
    "notification",
    `
    type Money { amount: String! @external currency: String @external }
    type Invoice @key(fields: "id") {
      id: ID! total: Money @external
      summary: String @requires(fields: "total { amount currency }") deliveries(last: Int = 2): [Delivery!]
    }
    type Delivery { attempt: Int! invoice: Invoice! to: Tenant }
    type Tenant @key(fields: "id") { id: ID! endpoints: [String!] }
    type Query { delivery: Delivery }
    `,
    {
      Query: { delivery: () => ({ attempt: 1, invoice: { id: "t2-2" }, to: { id: "t2" } }) },
      Invoice: {
        summary: ({ total }: { total?: { amount: string; currency: string } | null }) =>
          total ? `${total.amount} ${total.currency}` : "nothing",
        deliveries: ({ id }: Tenant, { last }: { last: number }) =>
          id.startsWith("t3") ? null : [1, 2].slice(0, last).map((attempt) => ({ attempt, invoice: { id }, to: null })),
      },
      Tenant: { endpoints: ({ id }: Tenant) => (id === "t1" ? null : [`https://${id}`]) },
    },
    (reference) => reference,
    ["Tenant", "Invoice"],
  );
}

const subgraph = (
  name: string,
  types: string,
  resolvers: Resolvers,
  find: (reference: Reference) => unknown,
  entities: readonly string[],
): CountedSubgraph => sdlSubgraph({ name, types, resolvers, find, entities });
