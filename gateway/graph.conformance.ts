import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../tests/servers/servers.js";
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

  /** Asks, and returns how to leave before the answer. */
  type Ask = (query: string) => () => void;
  const overHttp: Ask = (query) => {
    const leaving = new AbortController();
    const headers = { "content-type": "application/json", authorization: `Bearer ${world.admin}` };
    const { signal } = leaving;
    void world.send("/graphql", { method: "POST", headers, body: JSON.stringify({ query }), signal }).catch(() => {});
    return () => leaving.abort();
  };
  /** Warnings and errors in the log. */
  const faults = () => world.logged.filter((line) => Number(JSON.parse(line).level) >= 40);
  const answers: unknown[] = [];
  const overSocket = (query: string) => {
    const client = world.socket(world.admin);
    const note = (answer: unknown) => answers.push(answer);
    const unsubscribe = client.subscribe({ query }, { next: note, error: note, complete: () => undefined });
    return { client, unsubscribe };
  };
  const ways: [string, Ask][] = [
    ["closes its connection", overHttp],
    ["unsubscribes", (query) => overSocket(query).unsubscribe],
    ["closes its socket", (query) => overSocket(query).client.terminate],
  ];

  describe.each(ways)("a client that %s", (way, ask) => {
    const seen = (list: readonly string[], name: string) => waitFor(() => list.includes(name), { what: name });

    test("while its query waits for a turn gives up the place, and nothing is read for it", async () => {
      const { slow } = world;
      const [holder, waits, next] = ["holds", "waits", "next"].map((name) => `${way}: ${name}`) as [
        string,
        string,
        string,
      ];
      const first = world.ask(`{ slowRead(name: "${holder}") }`, world.admin);
      await seen(slow.begun, holder);
      const leave = ask(`{ slowRead(name: "${waits}") }`);
      await seen(slow.asked, waits);
      const third = world.ask(`{ slowRead(name: "${next}") }`, world.admin);
      await seen(slow.asked, next);
      leave();
      await seen(slow.ended, waits);
      slow.finish(holder);
      await seen(slow.begun, next);
      slow.finish(next);
      await Promise.all([first, third]);
      expect(slow.begun).not.toContain(waits);
    });

    test("in the middle of a query's long read ends it", async () => {
      const { slow } = world;
      const name = `${way}: reads`;
      world.logged.length = 0;
      const leave = ask(`{ slowRead(name: "${name}") }`);
      await seen(slow.begun, name);
      leave();
      await seen(slow.ended, name);
      expect(faults()).toEqual([]);
    });

    test("in the middle of a mutation lets it take effect, once", async () => {
      const { slow } = world;
      const name = `${way}: changes`;
      const query = `mutation { slowChange(name: "${name}") rename(name: "x") }`;
      const leave = ask(query);
      await seen(slow.begun, name);
      leave();
      // As long as it takes until a query has ended.
      const reads = `${way}: reads beside it`;
      const leaveRead = ask(`{ slowRead(name: "${reads}") }`);
      await seen(slow.begun, reads);
      leaveRead();
      await seen(slow.ended, reads);
      expect(slow.ended).not.toContain(name);
      slow.finish(name);
      await seen(slow.ended, name);
      expect(slow.begun.filter((one) => one === name)).toHaveLength(1);
    });
  });

  test("a client that has left gets nothing more, and is no fault that is logged", async () => {
    world.logged.length = 0;
    answers.length = 0;
    const { client, unsubscribe } = overSocket('{ slowRead(name: "leaves") }');
    await waitFor(() => world.slow.begun.includes("leaves"), { what: "the query" });
    unsubscribe();
    await waitFor(() => world.slow.ended.includes("leaves"), { what: "its end" });
    // Whatever was sent before comes before.
    await new Promise<void>((resolve, reject) => {
      client.subscribe(
        { query: "{ quotaReady }" },
        { next: () => resolve(), error: reject, complete: () => undefined },
      );
    });
    expect(answers).toEqual([]);
    expect(faults()).toEqual([]);
  });
}
