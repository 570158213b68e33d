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
