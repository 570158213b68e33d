import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { composeSupergraph } from "../gateway/composition.js";
import { buildTestSubgraphs } from "../tests/systems/gateway/subgraphs.js";
import { breakingChanges, compareContract } from "./graphql-contract.js";

const CONTRACT = `
  type Query { tenant(id: ID!): Tenant tenants(first: Int = 50): [Tenant!]! }
  type Tenant { id: ID! name: String! status: Status! }
  enum Status { ACTIVE CLOSED }
  input NewTenant { name: String! graceDays: Int = 3 }
  type Mutation { create(input: NewTenant!): Tenant! }
`;
const KEPT = { missing: [], different: [], notPending: [] };
const change = (from: string, to: string) => {
  expect(CONTRACT).toContain(from);
  return compareContract(CONTRACT.replace(from, to), CONTRACT, []);
};

describe("the composed API against the contract", () => {
  test("the contract itself keeps it, and so does more of everything optional", () => {
    expect(compareContract(CONTRACT, CONTRACT, [])).toEqual(KEPT);
    const more = CONTRACT.replace("name: String! status", "name: String! note: String status")
      .replace("ACTIVE CLOSED", "ACTIVE CLOSED FROZEN")
      .replace("(id: ID!)", "(id: ID!, at: Int)")
      .replace("graceDays: Int = 3", "graceDays: Int = 3 note: String")
      .replace("type Mutation {", "type Extra { must(x: Int!): Int } type Mutation { extra: Extra ");
    expect(compareContract(more, CONTRACT, [])).toEqual(KEPT);
  });

  test("missing members are named", () => {
    expect(change("name: String! status", "status").missing).toEqual(["Tenant.name"]);
    expect(change("(id: ID!)", "").missing).toEqual(["Query.tenant(id:)"]);
    expect(change("ACTIVE CLOSED", "ACTIVE").missing).toEqual(["Status.CLOSED"]);
    expect(change("graceDays: Int = 3", "").missing).toEqual(["NewTenant.graceDays"]);
  });

  test("another type, nullability, default or kind is a difference", () => {
    for (const [from, to] of [
      ["tenant(id: ID!): Tenant", "tenant(id: ID!): Tenant!"],
      ["status: Status!", "status: String!"],
      ["first: Int = 50", "first: Int = 20"],
      ["first: Int = 50", "first: Int"],
      ["graceDays: Int = 3", "graceDays: Int! = 3"],
      ["enum Status { ACTIVE CLOSED }", "scalar Status"],
    ] as const) {
      expect(change(from, to).different, `${from} -> ${to}`).toHaveLength(1);
    }
  });

  test("something new that clients must send breaks them", () => {
    expect(change("(id: ID!)", "(id: ID!, at: Int!)").different).toEqual([
      "Query.tenant(at:) is required, but not in the contract",
    ]);
    expect(change("graceDays: Int = 3", "graceDays: Int = 3 region: String!").different).toHaveLength(1);
  });

  test("members not built yet may be listed, with everything below them, until they exist", () => {
    const less = CONTRACT.replace("tenant(id: ID!): Tenant tenants", "tenants").replace(
      "enum Status { ACTIVE CLOSED }",
      "scalar Status",
    );
    expect(compareContract(less, CONTRACT, ["Query.tenant", "Status"])).toEqual(KEPT);
    expect(compareContract(less, CONTRACT, ["Query.tenant"]).missing).toContain("Status.ACTIVE");
    expect(compareContract(CONTRACT, CONTRACT, ["Query.tenant", "Status"]).notPending).toEqual([
      "Query.tenant",
      "Status",
    ]);
    expect(compareContract(less, CONTRACT, ["Query.tenant", "Status", "Query.typo"]).notPending).toEqual([
      "Query.typo",
    ]);
  });
});

describe("composition", () => {
  test("gives the public API without anything of the federation, the same each time", async () => {
    const [first, second] = [await buildTestSubgraphs(), await buildTestSubgraphs()];
    const { publicSdl, supergraphSdl } = composeSupergraph(first.all);
    expect(composeSupergraph(second.all)).toEqual({ publicSdl, supergraphSdl });
    expect(publicSdl).not.toMatch(/_entities|_service|_Any|join__|@key|@join|federation/);
    expect(publicSdl).toContain("usage: Int");
    expect(supergraphSdl).toContain('@join__graph(name: "quota", url: "http://quota/graphql")');
  });

  test("subgraphs that contradict each other are refused with the reasons", () => {
    const sdl = (type: string) =>
      `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])
       type Query { a${type}: T } type T @shareable { x: ${type}! }`;
    const composing = () =>
      composeSupergraph([
        { name: "one", sdl: sdl("Int") },
        { name: "two", sdl: sdl("String") },
      ]);
    expect(composing).toThrow(/do not compose:\n {2}- .*T\.x/);
  });

  test("the fixed contract is the one that the committed copy names", async () => {
    const contract = await readFile(path.join(packageRoot(), "schema/graphql/contract.graphql"), "utf8");
    expect(compareContract(contract, contract, [])).toEqual(KEPT);
  });
});

test("a change that breaks clients of the released API is refused unless it is marked, and a mark must mark something", () => {
  const broken = CONTRACT.replace("status: Status!", "").replace("enum Status { ACTIVE CLOSED }", "");
  const { unmarked } = breakingChanges(broken, CONTRACT, []);
  expect(unmarked).toEqual(["Status was removed.", "Tenant.status was removed."]);
  expect(breakingChanges(broken, CONTRACT, unmarked)).toEqual({ unmarked: [], stale: [] });
  expect(breakingChanges(CONTRACT, CONTRACT, unmarked)).toEqual({ unmarked: [], stale: unmarked });
  const more = CONTRACT.replace("name: String! status", "name: String! note: String status");
  expect(breakingChanges(more, CONTRACT, [])).toEqual({ unmarked: [], stale: [] });
});
