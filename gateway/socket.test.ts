import { CloseCode } from "graphql-ws";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { MetrlyError } from "#kernel/errors.js";
import { createKeyThrottle } from "#platform/auth/key-throttle.js";
import { waitFor } from "../tests/servers/servers.js";
import { type GatewayWorld, startGatewayWorld } from "../tests/systems/gateway/world.js";
import { openKeyRing } from "./auth/signing-key.js";
import { keyFolder } from "./auth/token-issuer.js";
import { socketConformance } from "./socket.conformance.js";

describe("the WebSocket, with subgraphs in this process", () => socketConformance({ subgraphs: "local" }));
describe("the WebSocket, with subgraphs behind ports", () => socketConformance({ subgraphs: "remote" }));

/** Speaks the protocol by hand, so that it can stop reading. */
function connect(world: GatewayWorld, token: string) {
  return connectWith(world, { payload: { authorization: `Bearer ${token}` } });
}

interface Placed {
  readonly payload?: unknown;
  readonly headers?: Record<string, string>;
}

function connectWith(world: GatewayWorld, { payload, headers = {} }: Placed) {
  const socket = new WebSocket(`${world.url.replace("http", "ws")}/graphql`, "graphql-transport-ws", { headers });
  const state = { socket, got: [] as { id?: string; type: string; payload?: unknown }[], closed: undefined as unknown };
  socket.on("open", () => socket.send(JSON.stringify({ type: "connection_init", payload })));
  socket.on("message", (data) => state.got.push(JSON.parse(String(data))));
  socket.on("close", (code) => {
    state.closed = code;
  });
  const ask = (id: string, query: string, variables?: object) =>
    socket.send(JSON.stringify({ id, type: "subscribe", payload: { query, variables } }));
  return { socket, got: state.got, state, ask };
}

type Connection = ReturnType<typeof connectWith>;

/** Its greeting came too late: the machine may stop meanwhile. */
const isLate = ({ state }: Connection): boolean => state.closed === CloseCode.ConnectionInitialisationTimeout;

/** A connection that is acknowledged or refused. */
async function greeted(open: () => Connection): Promise<Connection> {
  for (;;) {
    const client = open();
    await waitFor(() => client.got.length > 0 || client.state.closed, { what: "an answer to the greeting" });
    if (!isLate(client)) return client;
  }
}

describe("a socket", () => {
  let world: GatewayWorld;
  beforeAll(async () => {
    world = await startGatewayWorld();
  });
  afterAll(() => world.stop());
  const opened = (token: string) => greeted(() => connect(world, token));

  test("runs a hundred operations at a time, no more", async () => {
    const { ask, got, socket } = await opened(world.admin);
    for (let n = 1; n <= 101; n += 1) ask(String(n), 'subscription { quotaAlerts(tenantId: "acme") { used } }');
    await waitFor(() => got.some(({ type }) => type === "error"), { what: "the refusal" });
    expect(got.filter(({ type }) => type === "error")).toMatchObject([
      { id: "101", payload: [{ extensions: { code: "TOO_COMPLEX" } }] },
    ]);
    socket.terminate();
    await waitFor(() => world.alerts.openCount === 0, { what: "the sources to close" });
  });

  test.each<[string, (value: string) => Placed]>([
    ["authorization", (value) => ({ payload: { authorization: value } })],
    ["Authorization", (value) => ({ payload: { Authorization: value } })],
    ["headers", (value) => ({ payload: { headers: { Authorization: value } } })],
    ["the upgrade request", (value) => ({ headers: { authorization: value } })],
  ])("takes its credentials from %s", async (_, placed) => {
    const { ask, got, socket } = await greeted(() => connectWith(world, placed(`Bearer ${world.admin}`)));
    ask("1", "{ whoAmI }");
    await waitFor(() => got.some(({ type }) => type === "next"), { what: "the answer" });
    expect(got.find(({ type }) => type === "next")?.payload).toEqual({ data: { whoAmI: "root" } });
    socket.terminate();
    const refused = await greeted(() => connectWith(world, placed("Bearer mtr_live_nonsense")));
    await waitFor(() => refused.state.closed, { what: "the refusal" });
    expect(refused.state.closed).toBe(4401);
  });

  test("opens no more subscriptions than memory allows, until some end", async () => {
    const { ask, got, socket } = await opened(world.issueKey("large", ["READ"], "acme"));
    const query = 'subscription { quotaAlerts(tenantId: "acme") { used } }';
    const isBusy = ({ type, payload }: (typeof got)[0]) => type === "next" && JSON.stringify(payload).includes("BUSY");
    let asked = 0;
    let askedAt = 0;
    const askOnce = () => {
      ask(String(asked), query, { fill: "x".repeat(260_000) });
      asked += 1;
      askedAt = performance.now();
    };
    while (asked < 100) askOnce();
    // Some may be refused for another reason, as when all arrive at once after a stop of the machine: then there is room for more.
    const isFull = () => {
      if (performance.now() - askedAt > 2_000) askOnce();
      return got.some(isBusy);
    };
    await waitFor(isFull, { what: "a refusal" });
    socket.terminate();
    const after = await opened(world.admin);
    await waitFor(
      async () => {
        after.ask(crypto.randomUUID(), query, { fill: "x".repeat(260_000) });
        await world.alerts.publish({ tenantId: "acme", used: 1 });
        return after.got.some(({ type }) => type === "next");
      },
      { what: "a subscription of another caller" },
    );
    after.socket.terminate();
  });

  test("keeps no long ids", async () => {
    const { ask, got, socket } = await opened(world.admin);
    for (const length of [256, 257]) ask("x".repeat(length), "{ whoAmI }");
    await waitFor(() => got.filter(({ type }) => type === "next" || type === "error").length === 2, {
      what: "answers",
    });
    expect(got.filter(({ type }) => type === "next").map(({ id }) => id?.length)).toEqual([256]);
    expect(got.filter(({ type }) => type === "error")).toMatchObject([
      { payload: [{ extensions: { code: "INVALID" } }] },
    ]);
    socket.terminate();
  });

  test("that nobody introduces itself on is closed", async () => {
    const socket = new WebSocket(`${world.url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    const code = await new Promise((resolve) => socket.on("close", resolve));
    expect(code).toBe(4408);
  });

  test("is closed when its client asks on and does not read", async () => {
    const key = world.issueKey("x".repeat(8_000), ["READ"], "acme");
    const { ask, socket, state } = await opened(key);
    const large = `{ ${Array.from({ length: 30 }, (_, n) => `a${n}: whoAmI`).join(" ")} }`;
    socket.pause();
    // Answers of 240 kB; the kernel's buffers take some of them.
    for (let n = 0; n < 300 && socket.readyState === WebSocket.OPEN; n += 1) {
      ask(String(n), large);
      if (n % 50 === 0) await (await opened(world.admin)).socket.terminate();
    }
    // A caller's operations take turns: when one on another socket is answered, these have their answers.
    const last = await opened(key);
    last.ask("last", "{ whoAmI }");
    await waitFor(() => last.got.some(({ id }) => id === "last"), { what: "the last answer" });
    last.socket.terminate();
    socket.resume();
    await waitFor(() => state.closed, { what: "the socket to close" });
    expect([1013, 1006]).toContain(state.closed);
  });

  test("is closed when the key that signed its token is revoked, long before the token expires", async () => {
    const { state } = await opened(
      await world.issuer.issue({ subject: "ada", roles: ["PLATFORM_ADMIN"], expiresInSeconds: 600 }),
    );
    const ring = await openKeyRing(keyFolder(world.dataDir));
    const before = await ring.current();
    await ring.rotate();
    expect(state.closed).toBeUndefined();
    await ring.revoke(before.id);
    await waitFor(() => state.closed, { what: "the socket to close" });
    expect(state.closed).toBe(4401);
  });

  test("is closed when its key has too many, and another key's is not", async () => {
    const key = world.issueKey("many", ["READ"], "acme");
    const clients = Array.from({ length: 501 }, () => connect(world, key));
    const areAnswered = () => {
      for (const [n, one] of clients.entries()) if (isLate(one)) clients[n] = connect(world, key);
      return clients.every(({ got, state }) => got.length > 0 || state.closed !== undefined);
    };
    await waitFor(areAnswered, { what: "every socket to be acknowledged or closed" });
    expect(clients.flatMap(({ state }) => state.closed ?? [])).toEqual([1013]);
    await opened(world.issueKey("other", ["READ"], "acme"));
    for (const { socket } of clients) socket.terminate();
  });

  test("is closed when the rights of its key change", async () => {
    const { state } = await opened(world.issueKey("demoted", ["ADMIN"], "acme"));
    world.changeKey("demoted", { scopes: ["READ"] });
    await waitFor(() => state.closed, { what: "the socket to close" });
    expect(state.closed).toBe(4401);
  });
});

test("nothing is sent on a socket while its key may be revoked without this process knowing", async () => {
  const lease = { current: true, isHeld: () => lease.current, held: async () => undefined };
  const world = await startGatewayWorld({ lease });
  try {
    const query = 'subscription { quotaAlerts(tenantId: "acme") { used } }';
    const keys = ["revoked", "good"].map((id) => world.issueKey(id, ["READ"], "acme"));
    const clients = await Promise.all(keys.map((key) => greeted(() => connect(world, key))));
    const [revoked, good] = clients as [(typeof clients)[0], (typeof clients)[0]];
    for (const { ask } of clients) ask("1", query);
    await waitFor(() => world.alerts.openCount === 2, { what: "the sources" });
    lease.current = false;
    await world.alerts.publish({ tenantId: "acme", used: 1 });
    revoked.ask("2", "{ whoAmI }");
    await waitFor(async () => (await world.ask("{ whoAmI }", world.admin)).status === 200, { what: "another answer" });
    world.revokeKey("revoked");
    await waitFor(() => revoked.state.closed, { what: "the socket to close" });
    expect(good.got.length).toBe(1);
    lease.current = true;
    await waitFor(() => good.got.some(({ type }) => type === "next"), { what: "the alert" });
    expect(revoked.got.map(({ type }) => type)).toEqual(["connection_ack"]);
    good.socket.terminate();
  } finally {
    await world.stop();
  }
});

test("an address with too many wrong keys is throttled, but a valid key is accepted", async () => {
  const good = new Set<string>();
  const judgeKey = async (authorization: string) => {
    if (!good.has(authorization)) throw new MetrlyError("UNAUTHENTICATED", "no");
  };
  const world = await startGatewayWorld({ throttle: createKeyThrottle({ judgeKey }) });
  try {
    const closeOf = (token: string) =>
      new Promise<readonly [number, string]>((resolve) => {
        const client = world.socket(token, (code, reason) => resolve([code, reason]));
        client.subscribe({ query: "{ whoAmI }" }, { next() {}, error() {}, complete() {} });
      });
    const burst = () => Promise.all(Array.from({ length: 60 }, (_, n) => closeOf(`mtr_live_wrong${n}`)));
    expect((await burst()).filter(([code]) => code === 4401).length).toBeGreaterThanOrEqual(50);
    // One attempt a second comes back, so that a slow machine needs more than one burst.
    const refused = await waitFor(async () => (await burst()).find(([code]) => code === 1013), { what: "a refusal" });
    expect(refused).toEqual([1013, "TOO_MANY_ATTEMPTS"]);
    const key = world.issueKey("good", ["READ"], "acme");
    good.add(`Bearer ${key}`);
    const { value } = await world.socket(key).iterate({ query: "{ whoAmI }" }).next();
    expect(value.data).toEqual({ whoAmI: "good" });
    const forged = await waitFor(async () => (await closeOf(`${world.admin}x`))[1] === "TOO_MANY_ATTEMPTS", {
      what: "a forged token to be refused",
    });
    expect(forged).toBe(true);
    const session = await world.socket(world.admin).iterate({ query: "{ whoAmI }" }).next();
    expect(session.value.data).toEqual({ whoAmI: "root" });
  } finally {
    await world.stop();
  }
});
