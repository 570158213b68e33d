import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayWorld, type GatewayWorldOptions, startGatewayWorld } from "../tests/systems/gateway/world.js";

/** What a client gets of the one graph, wherever the subgraphs run. */
export function graphConformance(options: GatewayWorldOptions): void {
  let world: GatewayWorld;
  beforeAll(async () => {
    world = await startGatewayWorld(options);
  });
  afterAll(() => world.stop());

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

  test("an error of one subgraph keeps its code and path and leaves the rest", async () => {
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

  test("errors have locations in the document as it was sent, however it is formatted", async () => {
    for (const [query, line, column] of [
      ["{ conflict whoAmI }", 1, 3],
      ["{\n  conflict\n  whoAmI\n}", 2, 3],
    ] as const) {
      const { errors } = await world.ask(query, world.admin);
      expect(errors).toMatchObject([{ path: ["conflict"], locations: [{ line, column }] }]);
    }
  });

  test("an error in a list has the index of its item", async () => {
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

  test("a propagated null's error has its original path", async () => {
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

  test("an answer says how far the change of its mutations has got", async () => {
    const propagation = { version: 7, complete: false, missing: [{ role: "quota", instance: "quota-1" }] };
    const changed = await world.ask('mutation { a: rename(name: "a") b: rename(name: "b") }', world.admin);
    expect(changed).toMatchObject({ data: { a: "a", b: "b" }, extensions: { propagation } });
    const refused = await world.ask('mutation { rename(name: "x") }', world.issueKey("reader", ["READ"], "acme"));
    expect(refused).not.toHaveProperty("extensions");
    expect(await world.ask("{ whoAmI }", world.admin)).not.toHaveProperty("extensions");
  });

  test("each caller's identity determines what it can see", async () => {
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
}
