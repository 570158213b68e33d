import { type CountedSubgraph, type Reference, sdlSubgraph } from "../../tests/systems/federation/sdl-subgraph.js";

/** A tenant with 4 quotas, 24 usage rows and 5 invoices, from 4 subgraphs. */
export const QUERY = `query Overview($id: ID!) {
  tenant(id: $id) {
    id name status plan
    quotas { meter window limit used remaining resetAt }
    usage { meter start end quantity unit }
    invoices(first: 5) { nodes { id number status total currency periodStart periodEnd } }
  }
}`;

const quotas = Array.from({ length: 4 }, (_, index) => ({
  ...{ meter: `meter_${index}`, window: "MONTH", limit: "100000", used: "4711", remaining: "95289" },
  resetAt: "2026-12-01T00:00:00.000Z",
}));
const usage = Array.from({ length: 24 }, (_, hour) => ({
  ...{ meter: "api_calls", quantity: String(1_000 + hour), unit: "calls" },
  ...{ start: `2026-11-01T${String(hour).padStart(2, "0")}:00:00.000Z`, end: "2026-11-02T00:00:00.000Z" },
}));
const invoices = Array.from({ length: 5 }, (_, index) => ({
  ...{ id: `inv_${index}`, number: index, status: "ISSUED", total: "119.40", currency: "EUR" },
  ...{ periodStart: "2026-10-01T00:00:00.000Z", periodEnd: "2026-11-01T00:00:00.000Z" },
}));

export function buildOverview(): CountedSubgraph[] {
  const entities = ["Tenant"];
  const find = ({ id }: Reference) => ({ id });
  const tenant = { __typename: "Tenant", name: "Acme", status: "ACTIVE", plan: "growth" };
  return [
    sdlSubgraph({
      ...{ name: "tenancy", entities, find },
      types: `type Tenant @key(fields: "id") { id: ID! name: String! status: String! plan: String }
        type Query { tenant(id: ID!): Tenant }`,
      resolvers: { Query: { tenant: async (_: unknown, { id }: { id: string }) => ({ ...tenant, id }) } },
    }),
    sdlSubgraph({
      ...{ name: "quota", entities, find },
      types: `type Tenant @key(fields: "id") { id: ID! quotas: [Quota!]! }
        type Quota { meter: String! window: String! limit: String! used: String! remaining: String! resetAt: String! }
        type Query { quotaOk: Boolean }`,
      resolvers: { Tenant: { quotas: async () => quotas } },
    }),
    sdlSubgraph({
      ...{ name: "ingestion", entities, find },
      types: `type Tenant @key(fields: "id") { id: ID! usage: [Usage!]! }
        type Usage { meter: String! start: String! end: String! quantity: String! unit: String }
        type Query { ingestionOk: Boolean }`,
      resolvers: { Tenant: { usage: async () => usage } },
    }),
    sdlSubgraph({
      ...{ name: "billing", entities, find },
      types: `type Tenant @key(fields: "id") { id: ID! invoices(first: Int = 50): Invoices! }
        type Invoices { nodes: [Invoice!]! }
        type Invoice { id: ID! number: Int! status: String! total: String! currency: String! periodStart: String! periodEnd: String! }
        type Query { billingOk: Boolean }`,
      resolvers: {
        Tenant: { invoices: async (_: unknown, { first }: { first: number }) => ({ nodes: invoices.slice(0, first) }) },
      },
    }),
  ];
}
