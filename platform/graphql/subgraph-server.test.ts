import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { type Client, createClient } from "graphql-ws";
import { SignJWT } from "jose";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { MetrlyError } from "#kernel/errors.js";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { createHttpServer } from "#platform/http/server.js";
import type { Identity } from "#schema/policy.js";
import { waitFor } from "../../tests/servers/servers.js";
import { GREETING_AGAIN } from "../../tests/support/client.js";
import { buildTestSubgraphs, type TestSubgraphs } from "../../tests/systems/gateway/subgraphs.js";
import { registerSubgraphServer } from "./subgraph-server.js";

const SECRET = "a secret of at least 32 characters";
const tokens = createIdentityTokens(SECRET);
const reader = (id: string, tenantId: string): Identity => ({
  kind: "API_KEY",
  id,
  tenantId,
  roles: ["TENANT_VIEWER"],
  scopes: ["READ"],
});
const bugs: unknown[] = [];
const apps: { app: FastifyInstance; stop(): Promise<void> }[] = [];
const clients: Client[] = [];
let subgraphs: TestSubgraphs;
let tenancy: string;
let quota: string;

async function serve(name: string, admission?: { held(): Promise<void> }): Promise<string> {
  const subgraph = subgraphs.all.find((candidate) => candidate.name === name);
  if (subgraph === undefined) throw new Error(`no subgraph ${name}`);
  const logger = pino({ level: "silent" });
  const app = createHttpServer(logger);
  app.get("/v1/own", async () => ({ own: true }));
  const options = { subgraph, identityTokens: tokens, logger, onBug: (error: unknown) => bugs.push(error), admission };
  apps.push({ app, ...registerSubgraphServer(app, options) });
  await app.listen({ host: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  subgraphs = await buildTestSubgraphs();
  tenancy = await serve("tenancy");
  quota = await serve("quota");
});
afterAll(async () => {
  for (const client of clients) await client.dispose();
  for (const { app, stop } of apps) {
    await stop();
    await app.close();
  }
});

async function ask(url: string, token: string | undefined, body: unknown, path = "/graphql") {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { "x-metrly-identity": token }) },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const answer = (await response.json()) as { data?: unknown; errors?: unknown; code?: string };
  return { status: response.status, ...answer };
}

function connect(url: string): Client {
  const client = createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    ...GREETING_AGAIN,
  });
  clients.push(client);
  return client;
}

/** What one operation on a socket delivers, until it ends or fails. */
function collect(client: Client, query: string, identity?: string) {
  const state = { got: [] as unknown[], failure: undefined as unknown, ended: false };
  const leave = client.subscribe(
    { query, ...(identity !== undefined && { extensions: { identity } }) },
    {
      next: (result) => state.got.push(result),
      error: (error) => Object.assign(state, { failure: error, ended: true }),
      complete: () => Object.assign(state, { ended: true }),
    },
  );
  return Object.assign(state, { leave });
}

async function expired(audience: string): Promise<string> {
  const past = Math.floor(Date.now() / 1000) - 120;
  return new SignJWT({ identity: reader("late", "acme") })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("metrly-internal")
    .setAudience(audience)
    .setIssuedAt(past)
    .setExpirationTime(past + 60)
    .sign(Buffer.from(SECRET));
}

async function badTokens(audience: string): Promise<Record<string, string | undefined>> {
  const other = createIdentityTokens("another secret of at least 32 characters");
  return {
    missing: undefined,
    forged: await other.sign(reader("forger", "acme"), audience),
    expired: await expired(audience),
    "for another subgraph": await tokens.sign(reader("replayed", "acme"), "billing"),
    nonsense: "a.b.c",
  };
}

test("each operation is answered under the identity that was signed for it", async () => {
  const token = await tokens.sign(reader("k1", "acme"), "tenancy");
  const answer = await ask(tenancy, token, { query: '{ whoAmI tenant(id: "acme") { name } }' });
  expect(answer).toEqual({ status: 200, data: { whoAmI: "k1", tenant: { name: "Acme" } } });
  const named = { query: "query A { whoAmI } query B { crash }", operationName: "A", variables: null };
  expect(await ask(tenancy, token, named)).toMatchObject({ data: { whoAmI: "k1" } });
});

test("an identity that is missing, forged, expired or meant for another subgraph is refused, on both ways in", async () => {
  for (const [how, token] of Object.entries(await badTokens("tenancy"))) {
    const answer = await ask(tenancy, token, { query: "{ whoAmI }" });
    expect([how, answer.status, answer.code]).toEqual([how, 401, "UNAUTHENTICATED"]);
    expect(answer.data).toBeUndefined();
  }
  const client = connect(quota);
  for (const [how, token] of Object.entries(await badTokens("quota"))) {
    const refused = collect(client, 'subscription { quotaAlerts(tenantId: "acme") { used } }', token);
    await waitFor(() => refused.ended, { what: `the refusal of one ${how}` });
    expect(refused.failure, how).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }]);
  }
  expect(subgraphs.alerts.openCount).toBe(0);
});

test("callers on a shared socket see only their own data", async () => {
  const client = connect(quota);
  const follow = async (id: string, own: string, asked = own) =>
    collect(
      client,
      `subscription { quotaAlerts(tenantId: "${asked}") { used seenBy } }`,
      await tokens.sign(reader(id, own), "quota"),
    );
  const acme = await follow("acme-key", "acme");
  const globex = await follow("globex-key", "globex");
  const stranger = await follow("globex-key", "globex", "acme");
  await waitFor(() => subgraphs.alerts.openCount === 2 && stranger.ended, { what: "two sources and a refusal" });
  subgraphs.alerts.publish({ tenantId: "acme", used: 80 });
  subgraphs.alerts.publish({ tenantId: "globex", used: 7 });
  await waitFor(() => acme.got.length + globex.got.length === 2, { what: "two deliveries" });
  expect(acme.got).toEqual([{ data: { quotaAlerts: { used: 80, seenBy: "acme-key" } } }]);
  expect(globex.got).toEqual([{ data: { quotaAlerts: { used: 7, seenBy: "globex-key" } } }]);
  expect(stranger.got).toMatchObject([{ errors: [{ extensions: { code: "NOT_FOUND" } }] }]);
  acme.leave();
  await waitFor(() => subgraphs.alerts.openCount === 1, { what: "the left source to close" });
  client.terminate();
  await waitFor(() => subgraphs.alerts.openCount === 0, { what: "the sources of a dead socket to close" });
});

test("operations on a socket wait until the process may decide, and are refused if it may not", async () => {
  const waiting: { resolve(): void; reject(error: Error): void }[] = [];
  const held = () => new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
  const client = connect(await serve("quota", { held }));
  const token = await tokens.sign(reader("k", "acme"), "quota");
  const [admitted, refused] = [collect(client, "{ quotaReady }", token), collect(client, "{ quotaReady }", token)];
  await waitFor(() => waiting.length === 2, { what: "both to wait" });
  expect(admitted.got).toEqual([]);
  waiting[0]?.resolve();
  waiting[1]?.reject(new MetrlyError("UNAVAILABLE", "not yet"));
  await waitFor(() => admitted.ended && refused.ended, { what: "both to end" });
  expect(admitted.got).toEqual([{ data: { quotaReady: true } }]);
  expect(refused.failure).toMatchObject([{ extensions: { code: "UNAVAILABLE" } }]);
});

test("errors keep their code and path, a bug is masked, an invalid variable is reported", async () => {
  const token = await tokens.sign({ ...reader("k1", "acme"), roles: ["PLATFORM_ADMIN"] }, "tenancy");
  const known = await ask(tenancy, token, { query: "{ conflict }" });
  expect(known).toEqual({
    status: 200,
    data: { conflict: null },
    errors: [{ message: "The id is taken", path: ["conflict"], extensions: { code: "CONFLICT", takenBy: "acme" } }],
  });
  bugs.length = 0;
  const bug = await ask(tenancy, token, { query: "{ crash whoAmI }" });
  expect(bug).toMatchObject({ data: { crash: null, whoAmI: "k1" }, errors: [{ extensions: { code: "INTERNAL" } }] });
  expect(JSON.stringify(bug)).not.toContain("hunter2");
  expect(String(bugs)).toContain("hunter2");
  const wrong = { query: "query ($n: Int!) { tenants(first: $n) { nodes { id } } }", variables: { n: "x" } };
  expect((await ask(tenancy, token, wrong)).errors).toMatchObject([{ extensions: { code: "INVALID" } }]);
});

test("a source that breaks ends its subscription with a code, and the socket lives on", async () => {
  const client = connect(quota);
  const token = await tokens.sign(reader("k", "acme"), "quota");
  const broken = collect(client, 'subscription { quotaAlerts(tenantId: "acme") { used } }', token);
  await waitFor(() => subgraphs.alerts.openCount === 1, { what: "the source" });
  subgraphs.alerts.fail(new Error("the database password is hunter2"));
  await waitFor(() => broken.ended, { what: "the end" });
  expect(broken.failure).toMatchObject([{ extensions: { code: "SUBGRAPH_UNAVAILABLE" } }]);
  expect(JSON.stringify(broken.failure)).not.toContain("hunter2");
  const after = collect(client, "{ quotaReady }", token);
  await waitFor(() => after.ended, { what: "the next operation" });
  expect(after.got).toEqual([{ data: { quotaReady: true } }]);
});

test("an operation of another schema is refused before anything runs", async () => {
  const token = await tokens.sign(reader("k1", "acme"), "quota");
  const codeOf = async (body: unknown) => (await ask(quota, token, body)).code;
  expect(await codeOf("{")).toBe("MALFORMED");
  expect(await codeOf({ query: 1 })).toBe("MALFORMED");
  expect(await codeOf({ query: "{ quotaReady" })).toBe("GRAPHQL_PARSE_FAILED");
  expect(await codeOf({ query: "{ billingReady }" })).toBe("GRAPHQL_VALIDATION_FAILED");
  expect(await codeOf({ query: "query A { quotaReady } query B { quotaReady }" })).toBe("INVALID");
  expect(await codeOf({ query: 'subscription { quotaAlerts(tenantId: "acme") { used } }' })).toBe("INVALID");
  expect(await codeOf({ query: `{ quotaReady }${" ".repeat(9_000_000)}` })).toBe("TOO_LARGE");
});

test("the service's own routes and other upgrades are as they were", async () => {
  expect(await (await fetch(`${quota}/v1/own`)).json()).toEqual({ own: true });
  const closed = new Promise<string>((resolve) => {
    const socket = new WebSocket(`${quota.replace("http", "ws")}/elsewhere`, "graphql-transport-ws");
    socket.on("error", (error) => resolve(error.message));
  });
  expect(await closed).toContain("404");
});
