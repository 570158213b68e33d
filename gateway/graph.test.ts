import { createDefaultExecutor } from "@graphql-tools/delegate";
import { graphql } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import type { Identity } from "#schema/policy.js";
import { buildTestSubgraphs } from "../tests/gateway/subgraphs.js";
import { type GatewayWorld, startGatewayWorld } from "../tests/gateway/world.js";
import { composeSupergraph } from "./composition.js";
import { buildGatewaySchema, guarded } from "./execution.js";

const ADMIN: Identity = { kind: "USER", id: "u", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };

let world: GatewayWorld;
beforeAll(async () => {
  world = await startGatewayWorld();
});
afterAll(() => world.stop());

describe("one graph over the subgraphs", () => {
  test("an entity's fields come from the subgraphs that own them, in one call for all of them", async () => {
    world.usageCalls.length = 0;
    const answer = await world.ask(
      "{ tenants { nodes { name usage invoices(first: 1) { nodes { id tenant { name } } } } } quotaReady billingReady }",
      world.admin,
    );
    expect(answer.status).toBe(200);
    expect(answer.data).toMatchObject({
      tenants: {
        nodes: [
          { name: "Acme", usage: 4, invoices: { nodes: [{ id: "acme-1", tenant: { name: "Acme" } }] } },
          { name: "Globex", usage: 6 },
          { name: "Initech", usage: null },
        ],
      },
      quotaReady: true,
      billingReady: true,
    });
    expect(world.usageCalls).toEqual([["acme", "globex", "initech"]]);
  });

  test("what one operation asks of a subgraph at once goes there in one call", async () => {
    const { all } = await buildTestSubgraphs();
    const calls: string[] = [];
    const schema = buildGatewaySchema(
      composeSupergraph(all).supergraphSdl,
      all,
      () => undefined,
      (target) => {
        const execute = createDefaultExecutor(target.schema);
        return (request) => {
          calls.push(target.name);
          return execute(request);
        };
      },
    );
    await graphql({
      schema,
      source: '{ whoAmI echo(amount: "1") tenants { nodes { name usage invoices { nodes { id } } } } quotaReady }',
      contextValue: { identity: ADMIN },
    });
    expect(calls.sort()).toEqual(["billing", "quota", "quota", "tenancy"]);
  });

  test("what fails in one subgraph keeps its code and path and leaves the rest", async () => {
    const answer = await world.ask('{ tenant(id: "initech") { name usage } conflict quotaReady }', world.admin);
    expect(answer.status).toBe(200);
    expect(answer.data).toEqual({ tenant: { name: "Initech", usage: null }, conflict: null, quotaReady: true });
    expect(answer.errors).toHaveLength(2);
    expect(answer.errors).toContainEqual({
      message: "This counter is being rebuilt",
      path: ["tenant", "usage"],
      locations: expect.anything(),
      extensions: { code: "UNAVAILABLE" },
    });
    expect(answer.errors).toContainEqual({
      message: "The id is taken",
      path: ["conflict"],
      locations: [{ line: 1, column: 40 }],
      extensions: { code: "CONFLICT", takenBy: "acme" },
    });
  });

  test("an error in a list says at which of its items", async () => {
    const { data, errors } = await world.ask(
      "{ tenants { nodes { usage invoices { nodes { lines { faulty } } } } } }",
      world.admin,
    );
    const paths = errors?.map(({ path }) => path);
    expect(data).toMatchObject({ tenants: { nodes: [{ usage: 4 }, { usage: 6 }, { usage: null }] } });
    expect(paths).toContainEqual(["tenants", "nodes", 2, "usage"]);
    for (const tenant of [0, 1, 2])
      expect(paths).toContainEqual(["tenants", "nodes", tenant, "invoices", "nodes", 0, "lines", 0, "faulty"]);
    expect(paths).toHaveLength(4);
  });

  test("a null that rose from deeper inside still says where it began", async () => {
    const { data, errors } = await world.ask('{ tenant(id: "acme") { invoices { nodes { required } } } }', world.admin);
    expect(data).toEqual({ tenant: { invoices: null } });
    expect(errors).toMatchObject([
      { path: ["tenant", "invoices", "nodes", 0, "required"], extensions: { code: "CONFLICT" } },
    ]);
  });

  test("a bug is logged and shows nothing of itself", async () => {
    for (const field of ["crash", "uncoded"]) {
      world.logged.length = 0;
      const answer = await world.ask(`{ ${field} }`, world.admin);
      expect(answer.errors).toMatchObject([{ path: [field], extensions: { code: "INTERNAL" } }]);
      expect(answer.text).not.toMatch(/hunter2|app_secret|stack|node_modules|\.ts/);
      expect(world.logged.join()).toMatch(/hunter2|app_secret/);
    }
  });

  test("values are judged by the scalars of the subgraph, on every way in", async () => {
    const literal = await world.ask('{ echo(amount: "1.50") }', world.admin);
    expect(literal.data).toEqual({ echo: "1.5" });
    const wrong = await world.ask("query ($a: Decimal!) { echo(amount: $a) }", world.admin, { a: "1e99" });
    expect(wrong.status).toBe(400);
    expect(wrong.errors).toMatchObject([{ extensions: { code: "INVALID" } }]);
  });

  test("what each asker may see is decided by who they are", async () => {
    const acmeKey = world.issueKey("acme-key", ["READ"], "acme");
    const ingestKey = world.issueKey("ingest-key", ["INGEST"], "acme");
    expect((await world.ask("{ whoAmI }", acmeKey)).data).toEqual({ whoAmI: "acme-key" });
    expect((await world.ask('{ tenant(id: "acme") { name } }', acmeKey)).data).toEqual({ tenant: { name: "Acme" } });
    const other = await world.ask('{ tenant(id: "globex") { name } }', acmeKey);
    expect(other.errors).toMatchObject([{ extensions: { code: "NOT_FOUND" } }]);
    const listed = await world.ask("{ tenants { nodes { name } } }", acmeKey);
    expect(listed.status).toBe(403);
    expect(listed.errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
    const denied = await world.ask('mutation { rename(name: "x") }', ingestKey);
    expect(denied.status).toBe(403);
    expect(denied.errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
  });
});

describe("a subgraph that does not answer", () => {
  test("is SUBGRAPH_UNAVAILABLE at its paths, and the others' data is there", async () => {
    const { all } = await buildTestSubgraphs();
    const failures: string[] = [];
    const schema = buildGatewaySchema(
      composeSupergraph(all).supergraphSdl,
      all,
      (name) => failures.push(name),
      (target) =>
        target.name === "billing"
          ? () => {
              throw new Error("connect ECONNREFUSED 10.0.0.3:4000");
            }
          : createDefaultExecutor(target.schema),
    );
    const result = await graphql({
      schema,
      source: '{ tenant(id: "acme") { name usage invoices { nodes { id } } } billingReady }',
      contextValue: { identity: ADMIN },
    });
    expect(result.data).toEqual({ tenant: { name: "Acme", usage: 4, invoices: null }, billingReady: null });
    const seen = result.errors?.map(({ path, message, extensions }) => ({ path, message, code: extensions.code }));
    const message = "The service billing does not answer";
    expect(seen).toContainEqual({ path: ["billingReady"], message, code: "SUBGRAPH_UNAVAILABLE" });
    expect(seen).toContainEqual({ path: ["tenant", "invoices"], message, code: "SUBGRAPH_UNAVAILABLE" });
    expect(new Set(failures)).toEqual(new Set(["billing"]));
  });

  test("a stream that breaks says so once and ends", async () => {
    const failures: unknown[] = [];
    async function* breaking() {
      yield { data: { n: 1 } };
      throw new Error("socket hang up");
    }
    const stream = await guarded(
      "quota",
      () => breaking() as AsyncIterable<never>,
      (error) => failures.push(error),
    )({
      document: { kind: "Document", definitions: [] } as never,
    });
    const got: unknown[] = [];
    for await (const result of stream as AsyncIterable<unknown>) got.push(result);
    expect(got).toMatchObject([{ data: { n: 1 } }, { errors: [{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }] }]);
    expect(failures).toHaveLength(1);
  });

  test("an error with a meaning keeps it", async () => {
    const busy = guarded(
      "quota",
      () => {
        throw new MetrlyError("BUSY", "full");
      },
      () => undefined,
    );
    expect(await busy({ document: { kind: "Document", definitions: [] } as never })).toMatchObject({
      errors: [{ message: "full", extensions: { code: "BUSY" } }],
    });
  });
});
