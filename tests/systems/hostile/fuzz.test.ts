import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { buildSchema } from "graphql";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { runs } from "../../support/effort.js";
import { faultOf } from "./answers.js";
import { anyRequest, nearlyEvent, nearlyJson, nearlyPost, nearlyQuotaRequest } from "./arbitraries.js";
import { anyOperation } from "./operations.js";
import { type Sent, send } from "./requests.js";
import { type Server, startServer } from "./server.js";
import { anyConversation, converse, messageOf, subscribing } from "./sockets.js";
import { forgedTokens } from "./tokens.js";

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.metrly.dispose());

/** Whatever is sent, the answer is honest. */
async function holds(requests: fc.Arbitrary<Sent>, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      const answer = await send(server.port, request);
      if (answer !== undefined) expect(faultOf(answer), JSON.stringify(request).slice(0, 2_000)).toBeUndefined();
    }),
    { numRuns },
  );
}

test("usage events of any form", async () => {
  const events = fc.oneof(nearlyEvent, fc.array(nearlyEvent, { maxLength: 4 }));
  await holds(nearlyPost("/v1/events", server.attacker.key, nearlyJson(events)), runs(120));
});

test("requests for decisions of any form", async () => {
  const one = nearlyJson(nearlyQuotaRequest);
  const paths = ["check", "consume", "release"].map((what) =>
    nearlyPost(`/v1/quota/${what}`, server.attacker.key, one),
  );
  const batch = nearlyPost(
    "/v1/quota/batch",
    server.attacker.key,
    nearlyJson(fc.array(nearlyQuotaRequest, { maxLength: 4 })),
  );
  await holds(fc.oneof(...paths, batch), runs(120));
});

test("a URL or an expectation that the server does not understand", async () => {
  const headers = { authorization: `Bearer ${server.attacker.key}` };
  for (const path of ["/%ff", "/%", "/v1/events%"]) {
    const answer = await send(server.port, { method: "GET", path, headers, body: "" });
    expect(answer).toMatchObject({ status: 400, type: "application/problem+json" });
  }
  const expecting = { method: "GET", path: "/healthz", headers: { ...headers, expect: "wonders" }, body: "" };
  expect(await send(server.port, expecting)).toMatchObject({ status: 200 });
});

test("any method on any path with any parameters", async () => {
  await holds(anyRequest(server.adminToken), runs(120));
});

test("operations with any arguments", async () => {
  const schema = buildSchema(readFileSync(path.join(packageRoot(), "schema/graphql/api.graphql"), "utf8"));
  const operations = nearlyJson(anyOperation(schema));
  await holds(nearlyPost("/graphql", server.adminToken, operations), runs(120));
});

/** What the server may close a socket with: RFC 6455 and graphql-transport-ws, but not 4500, which is a fault of its own. */
const CLOSE_CODES = [1000, 1002, 1005, 1007, 1009, 1013, 4400, 4401, 4403, 4406, 4408, 4409, 4429];

test.each([
  '{"type":"connection_ack"}',
  '{"type":"next","id":"1","payload":{"data":null}}',
  '{"id":"1","type":"error","payload":[{"message":"x"}]}',
])(
  "a client that sends what only servers send (%s) is closed with 4400, and leaves no stack in the log",
  async (text) => {
    const { close } = await converse(server.port, { frames: [messageOf(text)] });
    expect(close).toEqual({ code: 4400, reason: "Invalid message received" });
    expect(server.metrly.output()).not.toMatch(/Unexpected message|Internal error occurred/);
  },
);

test("WebSockets that speak any protocol", async () => {
  const schema = buildSchema(readFileSync(path.join(packageRoot(), "schema/graphql/api.graphql"), "utf8"));
  const operation = anyOperation(schema, ["query", "mutation", "subscription"]);
  const plain = await converse(server.port, subscribing(server.adminToken, "{ __typename }"));
  expect(plain.messages).toContain('{"id":"0","type":"next","payload":{"data":{"__typename":"Query"}}}');
  await fc.assert(
    fc.asyncProperty(anyConversation(server.adminToken, operation), async (script) => {
      const { status, messages, close } = await converse(server.port, script);
      expect(status).toContain(" 101 ");
      for (const text of messages) {
        const { type } = JSON.parse(text);
        expect(["connection_ack", "next", "error", "complete", "ping", "pong"]).toContain(type);
        expect(text).not.toMatch(/"INTERNAL"|node_modules|\\n\s+at /);
      }
      if (close !== undefined) expect(CLOSE_CODES, close.reason).toContain(close.code);
    }),
    { numRuns: runs(120) },
  );
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});

test("forged tokens", async () => {
  const published = await fetch(`${server.url}/.well-known/jwks.json`);
  const jwks = (await published.json()) as { readonly keys: readonly object[] };
  const ask = (token: string) =>
    send(server.port, {
      method: "POST",
      path: "/graphql",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ query: "{ viewer { id } }" }),
    });
  expect(await ask(server.adminToken)).toMatchObject({ status: 200 });
  for (const [name, token] of forgedTokens(server.adminToken, jwks)) {
    const answer = await ask(token);
    // Wrong credentials are slowed down after some.
    expect([401, 429], `${name}: ${answer?.text}`).toContain(answer?.status);
    expect(answer && faultOf(answer), name).toBeUndefined();
  }
  expect(await ask(server.adminToken)).toMatchObject({ status: 200 });
});
