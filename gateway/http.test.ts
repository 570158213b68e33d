import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isErrorCode } from "#kernel/errors.js";
import { STALE_AFTER_MS } from "#platform/tenancy-client/copy.js";
import { type GatewayWorld, startGatewayWorld } from "../tests/systems/gateway/world.js";
import { GRAPH_LIMITS } from "./operations/limits.js";

let world: GatewayWorld;
beforeAll(async () => {
  world = await startGatewayWorld();
});
afterAll(() => world.stop());

describe("authentication", () => {
  test("missing, malformed, foreign, expired and revoked credentials are 401", async () => {
    const key = world.issueKey("short-lived", ["READ"], "acme");
    world.revokeKey("short-lived");
    const expired = await world.issuer.issue({ subject: "u", roles: ["TENANT_VIEWER"], expiresInSeconds: -1 });
    const [head, , signature] = world.admin.split(".");
    const forged = `${head}.${Buffer.from('{"roles":["PLATFORM_ADMIN"],"sub":"x","exp":9999999999,"iss":"metrly","aud":"metrly"}').toString("base64url")}.${signature}`;
    const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${world.admin.split(".")[1]}.`;
    for (const token of [undefined, "x", "mtr_live_x", key, expired, forged, unsigned]) {
      const answer = await world.ask("{ whoAmI }", token);
      expect(answer.status, String(token)).toBe(401);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      expect(answer.errors).toMatchObject([{ extensions: { code: "UNAUTHENTICATED" } }]);
      expect(answer.data).toBeUndefined();
    }
  });

  test.each([
    ["and ends", (id: string) => world.revokeKey(id)],
    ["and does not end", (id: string) => world.revokeKey(id)],
    ["and does not end, like one whose rights change,", (id: string) => world.changeKey(id, { scopes: ["INGEST"] })],
  ])("a key that is revoked while its request arrives %s runs nothing", async (end, revoke) => {
    const key = world.issueKey(`slow ${end}`, ["READ"], "acme");
    const body = JSON.stringify({ query: "{ whoAmI }" });
    const socket = connect(Number(new URL(world.url).port), "127.0.0.1");
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    await once(world.app.server, "request");
    // Lets the first check pass.
    await new Promise((resolve) => setImmediate(resolve));
    revoke(`slow ${end}`);
    if (end === "and ends") socket.write(body.slice(5));
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /);
    socket.destroy();
  });

  test("outside demo mode even the schema is for those signed in", async () => {
    expect((await world.ask("{ __schema { queryType { name } } }")).status).toBe(401);
    expect((await world.ask("{ __schema { queryType { name } } }", world.admin)).status).toBe(200);
  });

  test("keys are refused while tenancy's copy is too old to know of revocations", async () => {
    const stale = await startGatewayWorld();
    try {
      const key = stale.issueKey("k", ["READ"], "acme");
      expect((await stale.ask("{ whoAmI }", key)).status).toBe(200);
      expect((await stale.service.readiness()).ready).toBe(true);
      stale.clock.advance(STALE_AFTER_MS + 1);
      const answer = await stale.ask("{ whoAmI }", key);
      expect(answer.status).toBe(503);
      expect(answer.headers.get("retry-after")).toBe("1");
      expect(answer.errors).toMatchObject([{ extensions: { code: "UNAVAILABLE" } }]);
      expect((await stale.service.readiness()).ready).toBe(false);
    } finally {
      await stale.stop();
    }
  });
});

describe("limits", () => {
  const tooComplex = async (query: string, variables?: Record<string, unknown>) => {
    const answer = await world.ask(query, world.admin, variables);
    expect(answer.status).toBe(400);
    expect(answer.errors).toMatchObject([{ extensions: { code: "TOO_COMPLEX" } }]);
    return answer.errors?.[0]?.message;
  };

  test("depth 8 is the deepest, through fragments too", async () => {
    const deepest =
      "{ tenants(first: 1) { nodes { invoices(first: 1) { nodes { tenant { invoices(first: 1) { nodes { id } } } } } } } }";
    expect((await world.ask(deepest, world.admin)).status).toBe(200);
    expect(await tooComplex(deepest.replace("{ id }", "{ tenant { id } }"))).toContain("depth may be at most 8");
    const hidden = `${deepest.replace("{ id }", "{ ...Deep }")} fragment Deep on Invoice { tenant { ... { id } } }`;
    expect(await tooComplex(hidden)).toContain("depth");
  });

  test("the cost counts pages by their size, wherever it is given", async () => {
    const query = (first: string) =>
      `query ${first.startsWith("$") ? "($n: Int)" : ""} { tenants(first: ${first}) { nodes { invoices(first: ${first}) { nodes { lines { arithmetic { quantity } } } } } } }`;
    expect((await world.ask(query("10"), world.admin)).status).toBe(200);
    expect(await tooComplex(query("200"))).toContain("cost");
    expect(await tooComplex(query("$n"), { n: 200 })).toContain("cost");
    const byDefault = (n: number) =>
      query("10").replace("query ", `query ($n: Int = ${n}) `).replaceAll("first: 10", "first: $n");
    expect((await world.ask(byDefault(20), world.admin)).status).toBe(200);
    expect(await tooComplex(byDefault(200))).toContain("cost");
    expect(await tooComplex(query("-5"))).toContain("cost");
  });

  test("aliases, directives and tokens are bounded", async () => {
    const times = (n: number, text: (i: number) => string) => Array.from({ length: n }, (_, i) => text(i)).join(" ");
    expect(await tooComplex(`{ ${times(GRAPH_LIMITS.aliases + 1, (i) => `a${i}: whoAmI`)} }`)).toContain("aliases");
    expect(await tooComplex(`{ ${times(31, () => "whoAmI @include(if: true)")} }`)).toContain("directives");
    expect(await tooComplex(`{ ${times(GRAPH_LIMITS.tokens, () => "whoAmI")} }`)).toContain("tokens");
  });

  test("fragments that double each other end at a limit at once", async () => {
    const bomb = Array.from({ length: 30 }, (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`).join(
      " ",
    );
    await tooComplex(`{ ...F0 } ${bomb} fragment F30 on Query { whoAmI }`);
  });

  test("GraphiQL's own introspection passes", async () => {
    const { getIntrospectionQuery } = await import("graphql");
    const answer = await world.ask(getIntrospectionQuery({ inputValueDeprecation: true }), world.admin);
    expect(answer.errors).toBeUndefined();
    expect(JSON.stringify(answer.data)).not.toMatch(/_entities|_service|join__|"_Any"/);
  });
});

describe("bad input", () => {
  const json = { "content-type": "application/json" };

  test("whatever is sent, the answer is a client error with a code of the closed list", async () => {
    const authorization = `Bearer ${world.admin}`;
    const cases: readonly [status: number, body: string | undefined, headers?: Record<string, string>][] = [
      [400, "{"],
      [400, ""],
      [400, "null"],
      [400, "5"],
      [400, '"{ whoAmI }"'],
      [400, "[]"],
      [400, '[{"query":"{ whoAmI }"}]'],
      [400, "{}"],
      [400, '{"query":5}'],
      [400, '{"query":"{ whoAmI }","variables":7}'],
      [400, '{"query":"{ whoAmI }","operationName":{}}'],
      [400, '{"query":"{ whoAmI }","extensions":[1]}'],
      [400, '{"query":"{ whoAmI }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"aa"}}}'],
      [400, '{"query":"{ whoAmI"}'],
      [400, '{"query":"{ nothing }"}'],
      [400, '{"query":"query A { whoAmI } query B { whoAmI }"}'],
      [400, '{"query":"query A { whoAmI }","operationName":"B"}'],
      [400, '{"query":"query ($n: Int!) { tenants(first: $n) { nodes { id } } }","variables":{"n":"x"}}'],
      [400, '{"query":"query ($n: Int!) { tenants(first: $n) { nodes { id } } }"}'],
      [400, '{"query":"subscription { quotaAlerts(tenantId: 1) { used } }"}'],
      [400, '{"__proto__":{"query":"{ whoAmI }"}}'],
      [400, '{"query":"mutation ($n: String!) { rename(name: $n) }","variables":{"n":"\\u0000"}}'],
      [415, "{ whoAmI }", { "content-type": "text/plain" }],
      [415, "query=x", { "content-type": "application/x-www-form-urlencoded" }],
      [406, '{"query":"{ whoAmI }"}', { ...json, accept: "image/png" }],
      [413, JSON.stringify({ query: `{ whoAmI } #${"x".repeat(1_100_000)}` })],
    ];
    for (const [status, body, headers = json] of cases) {
      const answer = await world.send("/graphql", {
        method: "POST",
        headers: { ...headers, authorization },
        ...(body !== undefined && { body }),
      });
      const what = `${JSON.stringify(headers)} ${body?.slice(0, 100)} -> ${answer.text}`;
      expect(answer.status, what).toBe(status);
      expect(answer.errors?.length, what).toBeGreaterThan(0);
      for (const error of answer.errors ?? []) expect(isErrorCode(error.extensions.code), what).toBe(true);
      expect(answer.text, what).not.toMatch(/node_modules|\bat .*:\d+:\d+/);
      if (status === 415) expect(answer.text, what).toContain("Send the body with `Content-Type: application/json`");
    }
  });

  test.each([
    ["that is the bare operation", "{ whoAmI }"],
    ["that is empty", ""],
  ])("a body %s is answered with what to send", async (_, body) => {
    const headers = { ...json, authorization: `Bearer ${world.admin}` };
    const answer = await world.send("/graphql", { method: "POST", headers, body });
    expect(answer.errors).toMatchObject([{ message: expect.stringContaining('{"query": ') }]);
  });

  test("a person who opens /graphql in a browser comes to the explorer", async () => {
    const visit = await fetch(new URL("/graphql", world.url), {
      redirect: "manual",
      headers: { accept: "text/html,*/*;q=0.8" },
    });
    expect([visit.status, visit.headers.get("location")]).toEqual([303, "./"]);
    expect((await world.send("/graphql", { headers: { accept: "application/json" } })).status).toBe(401);
  });

  test("a query by GET needs a header that foreign pages cannot set; nothing changes by GET", async () => {
    const headers = { authorization: `Bearer ${world.admin}` };
    const query = `/graphql?query=${encodeURIComponent("{ whoAmI }")}`;
    expect((await world.send(query, { headers })).data).toEqual({ whoAmI: "root" });
    expect((await world.send(query, {})).status).toBe(401);
    const change = await world.send(`/graphql?query=${encodeURIComponent('mutation { rename(name: "x") }')}`, {
      headers,
    });
    expect(change.status).toBe(405);
    expect(change.errors).toMatchObject([{ extensions: { code: "METHOD_NOT_ALLOWED" } }]);
  });

  test("an operation is as long as its limit at most, whatever its tokens are", async () => {
    for (const text of [
      `{ ${"a".repeat(GRAPH_LIMITS.characters)} }`,
      `{ tenant(id: "${"x".repeat(900_000)}") { id } }`,
    ])
      expect((await world.ask(text, world.admin)).errors).toMatchObject([
        { message: expect.stringContaining("characters"), extensions: { code: "TOO_COMPLEX" } },
      ]);
    expect((await world.ask(`{ whoAmI } #${"x".repeat(GRAPH_LIMITS.characters - 12)}`, world.admin)).status).toBe(200);
  });

  test("batched operations are refused with what to switch off", async () => {
    const answer = await world.send("/graphql", {
      method: "POST",
      headers: { authorization: `Bearer ${world.admin}`, "content-type": "application/json" },
      body: JSON.stringify([{ query: "{ whoAmI }" }]),
    });
    expect(answer.status).toBe(400);
    expect(answer.errors).toMatchObject([
      { message: expect.stringContaining("switch off"), extensions: { code: "MALFORMED" } },
    ]);
  });

  test("other methods are 405", async () => {
    for (const method of ["PUT", "DELETE", "PATCH", "HEAD"]) {
      const answer = await world.send("/graphql", { method });
      expect(answer.status, method).toBe(405);
      expect(answer.headers.get("allow")).toBe("GET, POST");
    }
  });

  test("a nonsensical Host header is the client's error", async () => {
    const raw = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(world.url).port), "127.0.0.1", () =>
        socket.write(
          `GET /graphql?query={whoAmI} HTTP/1.1\r\nHost: %%%\r\nauthorization: Bearer ${world.admin}\r\napollo-require-preflight: 1\r\nconnection: close\r\n\r\n`,
        ),
      );
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("end", () => resolve(text));
      socket.on("error", reject);
    });
    expect(raw).toMatch(/^HTTP\/1.1 400 /);
    expect(raw).toContain("MALFORMED");
  });
});

test("the public half of the signing key is published, the private one is not", async () => {
  const answer = await world.send("/.well-known/jwks.json", {});
  const { keys } = JSON.parse(answer.text);
  expect(keys).toMatchObject([{ kty: "EC", crv: "P-256", alg: "ES256", use: "sig" }]);
  expect(keys[0].d).toBeUndefined();
});
