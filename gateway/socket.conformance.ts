import { type Client, CloseCode } from "graphql-ws";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { waitFor } from "../tests/servers/servers.js";
import { type GatewayWorld, type GatewayWorldOptions, startGatewayWorld } from "../tests/systems/gateway/world.js";
import { GRAPH_LIMITS } from "./operations/limits.js";

/** What the WebSocket promises, wherever the subgraphs run. */
export function socketConformance(options: GatewayWorldOptions): void {
  let world: GatewayWorld;
  const clients: Client[] = [];
  beforeAll(async () => {
    world = await startGatewayWorld(options);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.dispose();
    await waitFor(() => world.alerts.openCount === 0, { what: "all sources to close" });
  });
  afterAll(() => world.stop());

  function connect(token: string | undefined, onClose?: (code: number, reason: string) => void): Client {
    const client = world.socket(token, onClose);
    clients.push(client);
    return client;
  }

  /** Collects what a subscription delivers, until it ends or fails. */
  function collect(client: Client, query: string) {
    const got: unknown[] = [];
    let failure: unknown;
    let ended = false;
    const unsubscribe = client.subscribe<Record<string, unknown>>(
      { query },
      {
        next: (result) => got.push(result),
        error: (error) => {
          failure = error;
        },
        complete: () => {
          ended = true;
        },
      },
    );
    return { got, unsubscribe, failure: () => failure, ended: () => ended };
  }

  const ALERTS = (tenantId: string) =>
    `subscription { quotaAlerts(tenantId: "${tenantId}") { used seenBy tenant { name } } }`;
  const open = (count: number) => waitFor(() => world.alerts.openCount === count, { what: `${count} open sources` });

  test("live events reach permitted clients, with fields of other subgraphs, each under its own identity", async () => {
    const acme = collect(connect(world.issueKey("acme-reader", ["READ"], "acme")), ALERTS("acme"));
    const globex = collect(connect(world.issueKey("globex-reader", ["READ"], "globex")), ALERTS("globex"));
    const admin = collect(connect(world.admin), ALERTS("acme"));
    await open(3);
    world.alerts.publish({ tenantId: "acme", used: 80 });
    world.alerts.publish({ tenantId: "globex", used: 7 });
    await waitFor(() => acme.got.length + globex.got.length + admin.got.length === 3, { what: "three deliveries" });
    const alert = (used: number, seenBy: string, name: string) => ({
      data: { quotaAlerts: { used, seenBy, tenant: { name } } },
    });
    expect(acme.got).toEqual([alert(80, "acme-reader", "Acme")]);
    expect(globex.got).toEqual([alert(7, "globex-reader", "Globex")]);
    expect(admin.got).toEqual([alert(80, "root", "Acme")]);
  });

  test("another tenant's alerts are as if the tenant did not exist", async () => {
    const stranger = collect(connect(world.issueKey("stranger", ["READ"], "globex")), ALERTS("acme"));
    await waitFor(() => stranger.ended() || stranger.failure(), { what: "the refusal" });
    expect(JSON.stringify(stranger.got) + JSON.stringify(stranger.failure())).toContain("NOT_FOUND");
    expect(world.alerts.openCount).toBe(0);
  });

  test("unsubscribing and leaving close the source at once, also while it waits", async () => {
    const client = connect(world.admin);
    const first = collect(client, ALERTS("acme"));
    collect(client, ALERTS("globex"));
    await open(2);
    first.unsubscribe();
    await open(1);
    client.terminate();
    await open(0);
  });

  test("a failing source ends only its own subscription, and the socket stays open", async () => {
    const client = connect(world.admin);
    const broken = collect(client, ALERTS("acme"));
    await open(1);
    world.logged.length = 0;
    world.alerts.fail(new Error("the database password is hunter2"));
    await waitFor(() => broken.ended() || broken.failure(), { what: "the end" });
    expect(broken.got).toMatchObject([{ errors: [{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }] }]);
    expect(JSON.stringify(broken.got)).not.toContain("hunter2");
    expect(world.logged.join()).toContain("hunter2");
    const after = collect(client, "{ whoAmI }");
    await waitFor(() => after.ended(), { what: "the next operation" });
    expect(after.got).toEqual([{ data: { whoAmI: "root" } }]);
  });

  test("queries and mutations have the same errors as over HTTP", async () => {
    const client = connect(world.admin);
    const run = async (query: string) => {
      const running = collect(client, query);
      await waitFor(() => running.ended() || running.failure(), { what: query });
      return JSON.stringify([running.got, running.failure()]);
    };
    expect(await run("{ crash }")).toMatch(/"path":\["crash"\].*"code":"INTERNAL"/);
    expect(await run("{ crash }")).not.toContain("hunter2");
    expect(await run("{ conflict }")).toContain('"code":"CONFLICT"');
    expect(await run("{ whoAmI")).toContain('"code":"GRAPHQL_PARSE_FAILED"');
    expect(await run("{ nothing }")).toContain('"code":"GRAPHQL_VALIDATION_FAILED"');
    expect(await run("query ($n: Int!) { tenants(first: $n) { nodes { id } } }")).toContain('"code":"INVALID"');
    expect(await run(`{ ${"whoAmI ".repeat(GRAPH_LIMITS.tokens)} }`)).toContain('"code":"TOO_COMPLEX"');
    const deep = "{ tenants { nodes { invoices { nodes { tenant { invoices { nodes { tenant { id } } } } } } } } }";
    expect(await run(deep)).toContain('"code":"TOO_COMPLEX"');
  });

  test("a client without a valid key is refused", async () => {
    world.issueKey("gone", ["READ"], "acme");
    const gone = world.issueKey("revoked", ["READ"], "acme");
    world.revokeKey("revoked");
    for (const token of [undefined, "mtr_live_nonsense", "a.b.c", gone]) {
      let closed: [number, string] | undefined;
      const entry = collect(
        connect(token, (code, reason) => {
          closed = [code, reason];
        }),
        "{ whoAmI }",
      );
      await waitFor(() => entry.failure(), { what: "the refusal" });
      expect(closed).toEqual([4401, "UNAUTHENTICATED"]);
      expect(entry.got).toEqual([]);
    }
  });

  test("revoking a key closes its sockets, and only its", async () => {
    let closed: number | undefined;
    const key = world.issueKey("to-revoke", ["READ"], "acme");
    collect(
      connect(key, (code) => {
        closed = code;
      }),
      ALERTS("acme"),
    );
    const admin = collect(connect(world.admin), ALERTS("acme"));
    await open(2);
    world.revokeKey("to-revoke");
    await waitFor(() => closed, { what: "the socket to close" });
    expect(closed).toBe(4401);
    await open(1);
    world.alerts.publish({ tenantId: "acme", used: 1 });
    await waitFor(() => admin.got.length === 1, { what: "the other's delivery" });
  });

  test("nonsense on the socket closes that socket with a code, and nothing else happens", async () => {
    const url = `${world.url.replace("http", "ws")}/graphql`;
    const closeOf = (path: string, protocol: string, messages: string[]) =>
      waitFor(() => closeOnce(path, protocol, messages), { what: "an end that is no lack of a greeting" });
    const closeOnce = (path: string, protocol: string, messages: string[]) =>
      new Promise<number | string | undefined>((resolve) => {
        const socket = new WebSocket(url.replace("/graphql", path), protocol);
        socket.on("open", () => {
          for (const message of messages) socket.send(message);
        });
        socket.on("close", (code) => resolve(code === CloseCode.ConnectionInitialisationTimeout ? undefined : code));
        socket.on("error", (error) => resolve(error.message));
      });
    const subscribe = JSON.stringify({ id: "1", type: "subscribe", payload: { query: "{ whoAmI }" } });
    expect(await closeOf("/graphql", "graphql-transport-ws", ["{"])).toBe(4400);
    expect(await closeOf("/graphql", "graphql-transport-ws", [subscribe])).toBe(4401);
    expect(await closeOf("/graphql", "graphql-transport-ws", ["x".repeat(300_000)])).toBe(1009);
    expect(await closeOf("/graphql", "graphql-ws", [])).toContain("no subprotocol");
    expect(await closeOf("/elsewhere", "graphql-transport-ws", [])).toContain("404");
    expect((await world.ask("{ whoAmI }", world.admin)).status).toBe(200);
  });

  test("stopping closes open sockets", async () => {
    const other = await startGatewayWorld(options);
    let closed: number | undefined;
    const client = other.socket(other.admin, (code) => {
      closed = code;
    });
    collect(client, ALERTS("acme"));
    await waitFor(() => other.alerts.openCount === 1, { what: "the source" });
    await other.stop();
    await waitFor(() => closed, { what: "the client to hear of it" });
    expect(closed).toBe(1001);
    expect(other.alerts.openCount).toBe(0);
  });
}
