import http from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import Fastify from "fastify";
import { afterAll, afterEach, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { WebSocket as WebSocketOfNode } from "ws";
import type { ErrorCode as ErrorCodeOfServer } from "#kernel/errors.js";
import type { Reason } from "#schema/openapi/decision.js";
import { quotaMiddleware } from "../../../sdk/src/express.js";
import { quotaHook, quotaOf } from "../../../sdk/src/fastify.js";
import {
  createMetrly,
  type DecisionReason,
  type ErrorCode,
  type Metrly,
  MetrlyError,
  type MetrlyOptions,
  operations,
  type TrackedEvent,
} from "../../../sdk/src/index.js";
import { waitFor } from "../../servers/servers.js";
import { ask } from "../../support/client.js";
import { graphql } from "../../support/graphql/index.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { packSdk } from "../../support/sdk-package.js";
import { accountingOf, CREATE_METER, CREATE_PLAN, CREATE_TENANT, ISSUE_KEY } from "../whole-path/world.js";

const LAST_USE = graphql(`query SdkLastUse($id: ID!) { tenant(id: $id) { apiKeys { lastUsedAt } } }`);

let metrly: MetrlyProcess;
let admin: string;
const keys = new Map<string, string>();
const opened: Metrly[] = [];

beforeAll(async () => {
  metrly = await startMetrly("embedded");
  admin = await metrly.adminToken();
  const calls = { key: "calls", name: "Calls", eventType: "api.call", aggregation: "COUNT" };
  await ask(metrly.url, admin, CREATE_METER, { input: calls });
  const limits = [{ meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "2" }];
  await ask(metrly.url, admin, CREATE_PLAN, {
    input: { id: "two", name: "Two", version: { currency: "EUR", prices: [], limits } },
  });
  const warned = limits.map((limit) => ({ ...limit, limit: "4", warnAt: ["0.25", "0.5", "0.75"] }));
  await ask(metrly.url, admin, CREATE_PLAN, {
    input: { id: "warned", name: "Warned", version: { currency: "EUR", prices: [], limits: warned } },
  });
  for (const id of ["tracked", "large", "flaky", "exiting", "decided", "express", "fastify", "followed"]) {
    const planId = id === "followed" ? "warned" : ["decided", "express", "fastify"].includes(id) ? "two" : undefined;
    await ask(metrly.url, admin, CREATE_TENANT, { input: { id, name: id, planId } });
    const { issueApiKey } = await ask(metrly.url, admin, ISSUE_KEY, {
      input: { tenantId: id, name: "sdk", scopes: ["INGEST", "QUOTA", "READ"] },
    });
    keys.set(id, issueApiKey.secret);
  }
  await waitFor(async () => (await sdk("express").check({ meter: "calls" })).allowed, { what: "the keys to be known" });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
afterAll(() => metrly.dispose());

/** The defaults are for a machine that is not as busy as a test's. */
const PATIENT_MS = 60_000;

function sdk(tenant: string, options: Partial<MetrlyOptions> = {}): Metrly {
  const apiKey = keys.get(tenant) ?? "";
  const one = createMetrly({
    url: metrly.url,
    apiKey,
    quota: { whenUnreachable: "deny", timeoutMs: PATIENT_MS },
    ...options,
    tracking: { timeoutMs: PATIENT_MS, ...options.tracking },
  });
  opened.push(one);
  return one;
}

const counted = async (tenant: string): Promise<number> => (await accountingOf(metrly.url, admin, tenant)).counted;

describe("track", () => {
  test("buffers, batches and sends; rejected events are reported with their code", async () => {
    const refused: [TrackedEvent, string][] = [];
    const { track, flush, close } = sdk("tracked", {
      tracking: { batchSize: 100, onRejected: (event, code) => refused.push([event, code]) },
    });
    for (let n = 0; n < 250; n += 1) track({ type: "api.call", data: { n } });
    const bad = track({ type: "api.call", time: new Date(0) });
    await flush();
    expect(refused).toEqual([[bad, "TIME_OUT_OF_RANGE"]]);
    await waitFor(async () => (await counted("tracked")) === 250, { what: "250 counted" });
    expect(await close()).toEqual([]);
  });

  test("events that no meter counts are reported", async () => {
    const unmetered: TrackedEvent[] = [];
    const { track, flush, close } = sdk("tracked", { tracking: { onUnmetered: (event) => unmetered.push(event) } });
    track({ type: "api.call" });
    const typo = track({ type: "api.cal" });
    await flush();
    expect(unmetered).toEqual([typo]);
    await close();
  });

  test("events too large for one request are sent in several; data that JSON cannot represent is refused immediately", async () => {
    const { track, flush } = sdk("large", { tracking: { batchSize: 60 } });
    expect(() => track({ type: "api.call", data: { n: 1n } })).toThrow(TypeError);
    expect(() => sdk("no key", { apiKey: "" })).toThrow("apiKey is empty");
    const withoutQuota = { url: "http://127.0.0.1:1", apiKey: "k" } as MetrlyOptions;
    expect(() => createMetrly(withoutQuota)).toThrow("quota is missing or incomplete");
    for (let n = 0; n < 60; n += 1) track({ type: "api.call", data: { note: "x".repeat(40_000) } });
    await flush();
    await waitFor(async () => (await counted("large")) === 60, { what: "60 counted" });
  });

  test("a batch with a lost response, or during an outage, is retried and counts once", async () => {
    let failures = 0;
    const flaky = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", async () => {
        failures += 1;
        if (failures === 1) return void response.writeHead(503, { "retry-after": "0" }).end();
        const answer = await fetch(`${metrly.url}${request.url}`, {
          method: "POST",
          headers: {
            authorization: String(request.headers.authorization),
            "content-type": String(request.headers["content-type"]),
          },
          body: Buffer.concat(chunks),
        });
        if (failures < 4) return void request.socket.destroy();
        response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
      });
    });
    await new Promise<void>((resolve) => flaky.listen(0, "127.0.0.1", resolve));
    const tried: number[] = [];
    const { track, flush } = sdk("flaky", {
      url: `http://127.0.0.1:${(flaky.address() as AddressInfo).port}`,
      tracking: { onRetry: (_, attempt) => tried.push(attempt) },
    });
    for (let n = 0; n < 40; n += 1) track({ type: "api.call" });
    await flush();
    expect(tried).toEqual([0, 1, 2]);
    await waitFor(async () => (await counted("flaky")) === 40, { what: "40 counted" });
    flaky.close();
  });

  test("events beyond the buffer, or left at the end, are reported and not lost silently", async () => {
    const lost: [number, string][] = [];
    const { track, close } = sdk("tracked", {
      url: "http://127.0.0.1:1",
      tracking: { maxBuffered: 3, onLost: (events, why) => lost.push([events.length, why]), onRetry: () => undefined },
    });
    for (let n = 0; n < 4; n += 1) track({ type: "api.call" });
    expect(lost).toEqual([[1, "BUFFER_FULL"]]);
    expect(await close(300)).toHaveLength(3);
    expect(lost).toEqual([
      [1, "BUFFER_FULL"],
      [3, "CLOSED"],
    ]);
  });

  test("the published package flushes its buffer when a process becomes idle", async () => {
    const options = { url: metrly.url, apiKey: keys.get("exiting"), quota: { whenUnreachable: "deny" } };
    const packed = await packSdk();
    const { run } = await packed.project("module");
    await run(`import { createMetrly } from "@metrly/sdk";
      const { track } = createMetrly(${JSON.stringify(options)});
      for (let n = 0; n < 3; n += 1) track({ type: "api.call" });`);
    await waitFor(async () => (await counted("exiting")) === 3, { what: "3 counted" });
  });

  test("a refused key is reported once, ends the attempts, and costs no event", async () => {
    const [refusals, retries]: [string[], unknown[]] = [[], []];
    let asked = 0;
    const { track, flush, close } = sdk("tracked", {
      apiKey: "mtr_live_wrong",
      fetch: (...request) => {
        asked += 1;
        return fetch(...request);
      },
      tracking: {
        flushAfterMs: 1,
        onRefused: ({ code }) => refusals.push(code),
        onRetry: (error) => retries.push(error),
      },
    });
    track({ type: "api.call", id: "kept" });
    await waitFor(() => refusals.length > 0, { what: "the refusal" });
    track({ type: "api.call", id: "kept too" });
    await expect(flush()).rejects.toMatchObject({ code: "UNAUTHENTICATED", status: 401 });
    const left = await close();
    expect(left.map(({ id }) => id)).toEqual(["kept", "kept too"]);
    expect([refusals, retries]).toEqual([["UNAUTHENTICATED"], []]);
    // In the background, by `flush` and by `close`.
    expect(asked).toBe(3);
  });

  test("numbers that are not exact are refused where they are given, or rounded if asked", async () => {
    const { track, check } = sdk("tracked", { tracking: { onLost: () => undefined } });
    for (const [data, message] of [
      [{ gb: 0.1 + 0.2 }, /gb is 0.30000000000000004/],
      [{ deep: [{ gb: 1 / 3 }] }, /gb is 0.333/],
      [{ gb: 10n }, /gb is a BigInt/],
      [{ gb: Number.NaN }, /gb is NaN/],
    ] as const)
      expect(() => track({ type: "api.call", data })).toThrow(message);
    await expect(check({ meter: "calls", amount: 0.1 + 0.2 })).rejects.toThrow(/amount is 0.3/);
    expect(await check({ meter: "calls", amount: 10n ** 15n + 1n }).catch(String)).toMatch(/BigInt/);

    const sent: string[] = [];
    const rounding = sdk("tracked", {
      fetch: (_url, init) => {
        sent.push(String(init?.body));
        return Promise.reject(new Error("not sent"));
      },
      quota: { whenUnreachable: "deny", numbers: "round" },
      tracking: { numbers: "round", onRetry: () => undefined, onLost: () => undefined, flushAfterMs: 1 },
    });
    rounding.track({ type: "api.call", data: { gb: 0.1 + 0.2, many: 10n ** 17n, exact: 0.25 } });
    await rounding.check({ meter: "calls", amount: 0.1 + 0.2 });
    await waitFor(() => sent.some((body) => body.includes("specversion")), { what: "an attempt" });
    await rounding.close(1);
    expect(sent.join()).toContain('"gb":0.3,"many":"100000000000000000","exact":0.25');
    expect(sent.join()).toContain('"amount":0.3');
  });
});

describe("quotas", () => {
  test("decide, retry, release, and report an unreachable server", async () => {
    const quota = sdk("decided");
    const first = await quota.consume({ meter: "calls", idempotencyKey: "a" });
    expect(first).toMatchObject({ allowed: true, reason: "WITHIN_LIMITS", limits: [{ limit: "2", reserved: "1" }] });
    expect(first.headers.ratelimit).toMatch(/^"calls:BILLING_PERIOD";r=1;/);
    expect((await quota.consume({ meter: "calls", idempotencyKey: "a" })).reservationId).toBe(first.reservationId);
    const other = quota.consume({ meter: "calls", amount: "2", idempotencyKey: "a" });
    await expect(other).rejects.toThrow(expect.objectContaining({ code: "CONFLICT", status: 409 }));
    expect(await quota.consume({ meter: "calls", amount: "2", idempotencyKey: "b" })).toMatchObject({
      allowed: false,
      reason: "LIMIT_EXCEEDED",
    });
    expect(await quota.release({ idempotencyKey: "a" })).toBe(true);
    expect((await quota.check({ meter: "calls", amount: 2 })).allowed).toBe(true);
    const wrong = quota.consume({ meter: "nothing", idempotencyKey: "c" });
    await expect(wrong).rejects.toThrow(expect.objectContaining({ code: "INVALID", status: 400 }));
    expect(await wrong.catch((error: unknown) => error)).toBeInstanceOf(MetrlyError);

    for (const whenUnreachable of ["allow", "deny"] as const) {
      const alone = sdk("decided", { url: "http://127.0.0.1:1", quota: { whenUnreachable } });
      expect(await alone.consume({ idempotencyKey: "d" })).toMatchObject({
        allowed: whenUnreachable === "allow",
        reason: "UNREACHABLE",
        cause: expect.stringMatching(/^http:\/\/127\.0\.0\.1:1: .*\(.+\)$/),
      });
    }
    const silent = http.createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const hanging = sdk("decided", { url, quota: { whenUnreachable: "deny", timeoutMs: 200 } });
    expect((await hanging.consume({ idempotencyKey: "e" })).reason).toBe("UNREACHABLE");
    silent.closeAllConnections();
    silent.close();
  });

  test("several meters are asked for in one request, with exact amounts", async () => {
    const quota = sdk("decided");
    const usage = [{ meter: "calls", amount: 1 }];
    expect(await quota.check({ usage })).toMatchObject({ allowed: true, limits: [{ meter: "calls" }] });
    const inexact = quota.check({ usage: [...usage, { meter: "calls", amount: 0.1 + 0.2 }] });
    await expect(inexact).rejects.toThrow(/^usage\.1\.amount is 0\.30000000000000004/);
    const wrong = quota.consume({ usage: [...usage, { meter: "nothing", amount: "2" }], idempotencyKey: "several" });
    await expect(wrong).rejects.toThrow(/usage\.1\.meter: there is no meter "nothing"/);
  });

  test("reasons and codes are those of the server", () => {
    expectTypeOf<DecisionReason>().toEqualTypeOf<Reason | "UNREACHABLE">();
    expectTypeOf<ErrorCode>().toEqualTypeOf<ErrorCodeOfServer | "HTTP_ERROR">();
  });

  test("a refusal with a denial's status is no outage", async () => {
    const full = http.createServer((_, response) => {
      const problem = { code: "TOO_MANY_KEYS", detail: "as many as it may have" };
      response.writeHead(429, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
    });
    await new Promise<void>((resolve) => full.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(full.address() as AddressInfo).port}`;
    const quota = sdk("decided", { url, quota: { whenUnreachable: "allow" } });
    const refused = quota.consume({ meter: "calls", idempotencyKey: "a" });
    await expect(refused).rejects.toThrow(expect.objectContaining({ code: "TOO_MANY_KEYS", status: 429 }));
    full.close();
  });

  test("the key's last use is reported to the control plane", async () => {
    const { tenant } = await waitFor(
      async () => {
        const found = await ask(metrly.url, admin, LAST_USE, { id: "tracked" });
        return found.tenant.apiKeys[0]?.lastUsedAt === null ? undefined : found;
      },
      { what: "the use to be reported" },
    );
    expect(Math.abs(Date.parse(tenant.apiKeys[0]?.lastUsedAt ?? "") - Date.now())).toBeLessThan(300_000);
  });

  test("the control plane answers, or throws with the error's code", async () => {
    const { graph } = sdk("decided");
    expect(await graph("query ($id: ID!) { tenant(id: $id) { id } }", { id: "decided" })).toEqual({
      tenant: { id: "decided" },
    });
    await expect(graph('mutation { suspendTenant(id: "decided", reason: "no") { id } }')).rejects.toThrow(
      expect.objectContaining({ code: "FORBIDDEN" }),
    );
  });
});

/** Two pass; a failed one releases its reservation; the third success exceeds the limit. */
async function expectGuarded(url: string): Promise<void> {
  // A client's own request ids must not make its requests free.
  const get = (where: string) => fetch(`${url}${where}`, { headers: { "idempotency-key": "always the same" } });
  expect((await get("/fails")).status).toBe(500);
  const answers: string[] = [];
  await waitFor(
    async () => {
      const answer = await get("/works");
      if (answer.status === 200) answers.push(await answer.text());
      return answers.length === 2;
    },
    { what: "what failed to be given back" },
  );
  expect(answers).toEqual(["WITHIN_LIMITS", "WITHIN_LIMITS"]);
  const denied = await get("/works");
  expect([denied.status, denied.headers.get("content-type")]).toEqual([
    429,
    expect.stringMatching(/^application\/problem\+json/),
  ]);
  expect(Number(denied.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(denied.headers.get("ratelimit")).toMatch(/^"calls:BILLING_PERIOD";r=0;/);
  expect(await denied.json()).toMatchObject({ code: "QUOTA_EXCEEDED", reason: "LIMIT_EXCEEDED" });
}

describe("middleware", () => {
  test("for Express", async () => {
    const app = express();
    app.use(quotaMiddleware(sdk("express"), { meter: "calls" }));
    app.get("/works", (_, response) => void response.send(response.locals.quota.decision.reason));
    app.get("/fails", (_, response) => void response.status(500).end());
    const server = app.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    await expectGuarded(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.close();
  });

  test("for Fastify", async () => {
    const app = Fastify();
    app.addHook("preHandler", quotaHook(sdk("fastify"), { meter: "calls" }));
    app.get("/works", async (request) => quotaOf(request)?.decision.reason);
    app.get("/fails", async (_, reply) => reply.code(500).send());
    await expectGuarded(await app.listen({ host: "127.0.0.1", port: 0 }));
    await app.close();
  });
});

describe("the control plane", () => {
  let isCutOff = false;
  class Cuttable extends WebSocketOfNode {
    constructor(url: string, protocol: string) {
      super(isCutOff ? "ws://127.0.0.1:1" : url, protocol);
    }
  }
  const admins = () =>
    createMetrly({
      ...{ url: metrly.url, apiKey: admin, quota: { whenUnreachable: "deny" } },
      webSocket: Cuttable,
    });
  interface Alert {
    readonly kind: string;
    readonly used: string;
    readonly cursor: string;
  }
  const alertsInTheGraph = async () => {
    const { tenant } = await admins().graph<{ tenant: { alerts: { nodes: readonly Alert[] } } }>(
      '{ tenant(id: "followed") { alerts { nodes { kind used cursor } } } }',
    );
    return tenant.alerts.nodes;
  };
  const shown = ({ kind, used }: Pick<Alert, "kind" | "used">) => `${kind} ${used}`;

  test("operations come with their types, and any text will do", async () => {
    const { tenant } = await admins().graph(operations.quotas, { tenantId: "followed" });
    expect(tenant?.quotas.map(({ limit }) => limit.limit)).toEqual(["4"]);
    expect(await admins().graph("{ viewer { roles } }")).toEqual({ viewer: { roles: ["PLATFORM_ADMIN"] } });
    await expect(admins().graph(operations.createMeter, { input: meterTwice() })).rejects.toMatchObject({
      code: "CONFLICT",
    });
  });

  test("a subscription resumes after the last event following an outage, without gaps or duplicates", async () => {
    const leaving = new AbortController();
    const interruptions: string[] = [];
    const alerts: string[] = [];
    const use = (id: string) => sdk("followed").track({ type: "api.call", id });
    use("1");
    // Nobody tells when a subscription begins: this one follows an alert that is there.
    const first = await waitFor(async () => (await alertsInTheGraph())[0], { what: "alert 1" });
    const following = (async () => {
      const stream = admins().subscribe(
        operations.quotaAlerts,
        { tenantId: "followed" },
        { after: first.cursor, signal: leaving.signal, onInterruption: (reason) => interruptions.push(reason) },
      );
      for await (const { quotaAlerts } of stream) alerts.push(shown(quotaAlerts));
    })();
    use("2");
    await waitFor(() => alerts.length >= 1, { what: "alert 2" });
    const before = [...alerts];
    isCutOff = true;
    await metrly.kill();
    await metrly.restart();
    await waitFor(() => interruptions.length > 0, { what: "the interruption" });
    use("3");
    await waitFor(async () => (await alertsInTheGraph()).length > 1 + before.length, {
      what: "an alert that nobody hears",
    });
    expect(alerts).toEqual(before);
    isCutOff = false;
    use("4");
    const all = await waitFor(
      async () => {
        const found = await alertsInTheGraph();
        return found.length >= 4 ? found : undefined;
      },
      { what: "alert 4" },
    );
    const followed = all.slice(1).map(shown);
    await waitFor(() => alerts.length >= followed.length, { what: "every alert" });
    expect(alerts).toEqual(followed);
    expect(alerts.slice(0, before.length)).toEqual(before);
    leaving.abort();
    await following;
  });

  test("a refused key ends it with an error instead of a retry", async () => {
    const stream = createMetrly({
      ...{ url: metrly.url, apiKey: "wrong", quota: { whenUnreachable: "deny" } },
      webSocket: WebSocketOfNode,
    }).subscribe(operations.quotaAlerts, { tenantId: "followed" });
    await expect(stream.next()).rejects.toMatchObject({ code: "UNAUTHENTICATED", status: 401 });
    const forbidden = createMetrly({
      ...{ url: metrly.url, apiKey: keys.get("tracked") ?? "", quota: { whenUnreachable: "deny" } },
      webSocket: WebSocketOfNode,
    }).subscribe(operations.quotaAlerts, { tenantId: "followed" });
    await expect(forbidden.next()).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  const meterTwice = () => ({ key: "calls", name: "Other", eventType: "other", aggregation: "COUNT" as const });
});
