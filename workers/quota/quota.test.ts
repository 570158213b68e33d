import { connect, createServer, type Socket } from "node:net";
import { graphql } from "graphql";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { hasPostgres, hasRedis, redisUrl, waitFor } from "../../tests/servers/servers.js";
import { openWorld, type StartedService, type World } from "./world.testing.js";

interface Answer {
  readonly allowed: boolean;
  readonly reason: string;
  readonly reservationId?: string;
  readonly expiresAt?: string;
  readonly limits: readonly {
    meter: string | null;
    used: string;
    reserved: string;
    remaining: string;
    resetAt: string;
  }[];
}

for (const backend of ["in process", "Redis"] as const) {
  describe.skipIf(!hasPostgres || (backend === "Redis" && !hasRedis))(`quota, counters ${backend}`, () => {
    let world: World;
    let service: StartedService;

    beforeAll(async () => {
      world = await openWorld(backend === "Redis" ? { redisUrl: redisUrl() } : {});
      world.meter("calls");
      world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
      world.plan("ten", [{ limit: "10", warnAt: ["0.5", "0.8"] }]);
      world.plan("soft", [{ limit: "2", kind: "SOFT" }]);
      world.plan("requests", [{ limit: "3", meter: null, window: "HOUR" }]);
      world.plan("both", [
        { limit: "5", meter: "calls", window: "DAY" },
        { limit: "2.5", meter: "calls", window: "HOUR" },
      ]);
      world.plan("tokens", [{ limit: "1.5", meter: "tokens" }]);
    });
    beforeEach(async () => {
      service = await world.startService();
    });
    afterEach(async () => service.stop());
    afterAll(async () => world.close());

    const post = async (path: string, headers: Record<string, string>, payload: object, on = service) => {
      const response = await on.app.inject({ method: "POST", url: `/v1/quota/${path}`, headers, payload });
      return { status: response.statusCode, headers: response.headers, body: response.json<Answer>() };
    };
    const tenant = (id: string, planId: string | null, changed: Parameters<World["tenant"]>[2] = {}) => {
      const unique = `${id}-${backend === "Redis" ? "r" : "m"}`;
      world.tenant(unique, planId, changed);
      return { id: unique, headers: world.key(unique) };
    };

    test("consume reserves until the hard limit, then denies with the reason, headers and the same body", async () => {
      const { headers } = tenant("consume", "ten");
      const allowed = await post("consume", headers, { meter: "calls", amount: "8", idempotencyKey: "a" });
      expect(allowed.status).toBe(200);
      expect(allowed.body).toMatchObject({
        allowed: true,
        reason: "WITHIN_LIMITS",
        plan: { id: "ten", version: 1 },
        limits: [
          {
            meter: "calls",
            window: "BILLING_PERIOD",
            kind: "HARD",
            limit: "10",
            used: "0",
            reserved: "8",
            remaining: "2",
          },
        ],
      });
      expect(allowed.body.reservationId).toBeDefined();
      expect(Date.parse(allowed.body.expiresAt ?? "") - Date.now()).toBeGreaterThan(295_000);
      const denied = await post("consume", headers, { meter: "calls", amount: "3", idempotencyKey: "b" });
      expect(denied.status).toBe(429);
      expect(denied.body).toMatchObject({
        allowed: false,
        reason: "LIMIT_EXCEEDED",
        limits: [{ reserved: "8", remaining: "2" }],
      });
      expect(denied.headers["content-type"]).toMatch(/^application\/json/);
      expect(denied.headers["ratelimit-policy"]).toMatch(/^"calls:BILLING_PERIOD";q=10;w=\d+$/);
      expect(denied.headers.ratelimit).toMatch(/^"calls:BILLING_PERIOD";r=2;t=\d+$/);
      expect(Number(denied.headers["retry-after"])).toBeGreaterThan(0);
      expect(
        (await post("consume?denyStatus=403", headers, { meter: "calls", amount: "3", idempotencyKey: "b" })).status,
      ).toBe(403);
      expect((await post("consume", headers, { meter: "calls", amount: "11", idempotencyKey: "c" })).body.reason).toBe(
        "AMOUNT_EXCEEDS_LIMIT",
      );
    });

    test("a denial can be looked up by its key, by its own tenant", async () => {
      const { id, headers } = tenant("explained", "ten");
      const denied = { meter: "calls", amount: "11", idempotencyKey: "job/1?x" };
      const look = async (query: Record<string, string>, as = headers) => {
        const url = `/v1/quota/denial?${new URLSearchParams(query)}`;
        const response = await service.app.inject({ method: "GET", url, headers: as });
        return { status: response.statusCode, body: response.json() };
      };
      expect((await look({ idempotencyKey: denied.idempotencyKey })).status).toBe(404);
      await post("consume", headers, { ...denied, amount: "10.5" });
      await post("consume", headers, denied);
      const found = await waitFor(
        async () => {
          const answer = await look({ idempotencyKey: denied.idempotencyKey });
          return answer.status === 200 && answer.body.amount === "11" && answer.body;
        },
        { what: "the denial to be found" },
      );
      expect(found).toMatchObject({
        allowed: false,
        reason: "AMOUNT_EXCEEDS_LIMIT",
        explanation: "Denied: the amount alone exceeds a hard limit",
        plan: { id: "ten", version: 1 },
        limits: [{ meter: "calls", limit: "10", used: "0", reserved: "0", denies: true }],
      });
      expect(Math.abs(Date.parse(found.deniedAt) - Date.now())).toBeLessThan(HOUR_MS);
      const { headers: other } = tenant("other", "ten");
      expect((await look({ idempotencyKey: denied.idempotencyKey }, other)).status).toBe(404);
      expect((await look({ idempotencyKey: denied.idempotencyKey, tenantId: id }, other)).body.code).toBe(
        "SUBJECT_MISMATCH",
      );
      expect((await look({})).body.code).toBe("INVALID");
      const schema = service.service.subgraph?.schema;
      if (schema === undefined) throw new Error("no subgraph");
      const { data } = await graphql({
        schema,
        source: `query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
          quotaDenial(idempotencyKey: "job/1?x") { amount reason limits { denies } } } } }`,
        variableValues: { id },
        contextValue: {
          identity: { kind: "SERVICE", id: "test", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] },
        },
      });
      expect(JSON.parse(JSON.stringify(data))).toEqual({
        _entities: [{ quotaDenial: { amount: "11", reason: "AMOUNT_EXCEEDS_LIMIT", limits: [{ denies: true }] } }],
      });
    });

    test("an override applies immediately and until its end, including existing reservations", async () => {
      const { id, headers } = tenant("overridden", "ten");
      const consume = async (amount: string, idempotencyKey: string) => {
        const { body } = await post("consume", headers, { meter: "calls", amount, idempotencyKey });
        return [body.allowed, body.limits[0]?.remaining];
      };
      const override = { meter: "calls", window: "BILLING_PERIOD", limit: "12", reason: "a launch" } as const;
      expect(await consume("10", "a")).toEqual([true, "0"]);
      expect(await consume("1", "b")).toEqual([false, "0"]);
      const until = Date.now() + 1_500;
      world.tenant(id, "ten", { quotaOverrides: [{ ...override, until, inVersion: 1 }] });
      expect(await consume("2", "c")).toEqual([true, "0"]);
      expect(await consume("1", "d")).toEqual([false, "0"]);
      await waitFor(() => Date.now() > until, { what: "the override to end" });
      const after = await post("check", headers, { meter: "calls" });
      expect(after.body.limits[0]).toMatchObject({ limit: "10", reserved: "12", remaining: "0" });
    });

    test("the same key again answers the same and charges once; release gives back", async () => {
      const { headers } = tenant("idempotent", "ten");
      const request = { meter: "calls", amount: "6", idempotencyKey: "a" };
      const first = await post("consume", headers, request);
      const again = await post("consume", headers, request);
      expect([again.status, again.body]).toEqual([200, first.body]);
      expect((await post("release", headers, { idempotencyKey: "a" })).body).toEqual({ released: true });
      expect((await post("release", headers, { idempotencyKey: "a" })).body).toEqual({ released: false });
      expect((await post("check", headers, { meter: "calls" })).body.limits[0]).toMatchObject({
        reserved: "0",
        remaining: "10",
      });
    });

    test("a meter that is called all is a meter, and not all of them", async () => {
      world.meter("all");
      world.plan("named", [
        { limit: "1", meter: "calls" },
        { limit: "5", meter: "all" },
      ]);
      const { headers } = tenant("named", "named");
      const { body } = await post("consume", headers, { meter: "all", amount: "3", idempotencyKey: "a" });
      expect([body.allowed, body.limits.map(({ meter, reserved }) => [meter, reserved])]).toEqual([
        true,
        [["all", "3"]],
      ]);
    });

    test("check looks and charges nothing; amounts are rounded up to the limit's scale", async () => {
      const { headers } = tenant("check", "tokens");
      const check = await post("check", headers, { meter: "tokens", amount: "1.51" });
      expect([check.status, check.body.allowed]).toEqual([200, false]);
      const consumed = await post("consume", headers, { meter: "tokens", amount: "0.01", idempotencyKey: "a" });
      expect(consumed.body.limits[0]).toMatchObject({ reserved: "0.1", remaining: "1.4" });
    });

    test("several windows of a meter are charged together or not at all", async () => {
      const { headers } = tenant("windows", "both");
      expect((await post("consume", headers, { meter: "calls", amount: "2", idempotencyKey: "a" })).status).toBe(200);
      const denied = await post("consume", headers, { meter: "calls", amount: "1", idempotencyKey: "b" });
      expect(denied.status).toBe(429);
      expect(denied.body.limits.map((limit) => limit.reserved)).toEqual(["2", "2"]);
    });

    test("requests count one per consume, for any amount, and release returns them", async () => {
      const { headers } = tenant("requests", "requests");
      for (const key of ["a", "b", "c"]) {
        expect((await post("consume", headers, { amount: "50", idempotencyKey: key })).status).toBe(200);
      }
      expect((await post("consume", headers, { meter: "calls", idempotencyKey: "d" })).body).toMatchObject({
        allowed: false,
        limits: [{ meter: null, used: "3", remaining: "0" }],
      });
      await post("release", headers, { idempotencyKey: "a" });
      expect((await post("consume", headers, { idempotencyKey: "d" })).status).toBe(200);
    });

    test("a soft limit never denies and reports that it is exceeded", async () => {
      const { headers } = tenant("soft", "soft");
      const answer = await post("consume", headers, { meter: "calls", amount: "7", idempotencyKey: "a" });
      expect([answer.status, answer.body.reason]).toEqual([200, "SOFT_LIMIT_EXCEEDED"]);
    });

    test("suspended and closed tenants are denied with their reason; without limits everything is allowed", async () => {
      const suspended = tenant("suspended", "ten", { status: "SUSPENDED" });
      const closed = tenant("closed", "ten", { status: "CLOSED" });
      const free = tenant("free", null);
      const request = { meter: "calls", idempotencyKey: "a" };
      expect(await post("consume", suspended.headers, request)).toMatchObject({
        status: 429,
        body: { reason: "TENANT_SUSPENDED" },
      });
      expect((await post("check", closed.headers, request)).body).toMatchObject({
        allowed: false,
        reason: "TENANT_CLOSED",
      });
      expect((await post("consume", free.headers, request)).body).toMatchObject({
        allowed: true,
        reason: "NO_LIMITS",
        limits: [],
      });
    });

    test("a batch answers in order, and one bad item spoils no other", async () => {
      const { headers } = tenant("batch", "ten");
      const response = await service.app.inject({
        method: "POST",
        url: "/v1/quota/batch",
        headers,
        payload: [
          { meter: "calls", amount: "6", idempotencyKey: "a" },
          { meter: "nothing", idempotencyKey: "b" },
          { meter: "calls", amount: "6", idempotencyKey: "c" },
          { operation: "check", meter: "calls", amount: "4" },
        ],
      });
      expect(response.statusCode).toBe(200);
      expect(response.json()).toMatchObject([
        { allowed: true },
        { code: "INVALID", detail: expect.stringContaining("meter") },
        { allowed: false },
        { allowed: true },
      ]);
    });

    test("unauthorized and invalid requests get a problem document", async () => {
      const { id, headers } = tenant("errors", "ten");
      const ingest = world.key(id, ["INGEST"]);
      const platform = world.key(null);
      const ok = { meter: "calls", idempotencyKey: "a" };
      const cases: [Record<string, string>, object, number, string][] = [
        [{}, ok, 401, "UNAUTHENTICATED"],
        [ingest, ok, 403, "FORBIDDEN"],
        [platform, ok, 400, "SUBJECT_REQUIRED"],
        [platform, { ...ok, tenantId: "nobody" }, 404, "NOT_FOUND"],
        [headers, { ...ok, tenantId: "other" }, 400, "SUBJECT_MISMATCH"],
        [headers, { meter: "calls" }, 400, "INVALID"],
        [headers, { ...ok, amount: "-1" }, 400, "INVALID"],
        [headers, { ...ok, amount: 0.1 }, 400, "NUMBER_NOT_EXACT"],
        [headers, { ...ok, amount: "1e3" }, 400, "INVALID"],
        [headers, { ...ok, ttlSeconds: 0 }, 400, "INVALID"],
        [headers, { ...ok, meter: 7 }, 400, "INVALID"],
        [headers, { ...ok, idempotencyKey: "nul\0" }, 400, "INVALID"],
        [headers, { ...ok, idempotencyKey: "half \ud800" }, 400, "INVALID"],
        [headers, [], 400, "MALFORMED"],
      ];
      for (const [who, payload, status, code] of cases) {
        const response = await service.app.inject({ method: "POST", url: "/v1/quota/consume", headers: who, payload });
        expect([payload, response.statusCode, response.json<{ code: string }>().code]).toEqual([payload, status, code]);
        expect(response.headers["content-type"]).toMatch(/^application\/problem\+json/);
      }
      expect((await post("consume", platform, { ...ok, tenantId: id })).status).toBe(200);
    });

    test("the recorded event settles its reservation with the actual amount, and its key is not charged again", async () => {
      const { id, headers } = tenant("settle", "ten");
      await post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "job-1" });
      await world.record(id, [{ id: "job-1" }, { id: "unasked" }]);
      await waitFor(() => world.appliedSeq(id), { what: "the settlement" });
      const settled = await waitFor(
        async () => {
          const { body } = await post("check", headers, { meter: "calls" });
          return body.limits[0]?.used === "2" ? body : undefined;
        },
        { what: "the counters" },
      );
      expect(settled.limits[0]).toMatchObject({ used: "2", reserved: "0" });
      const again = await post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "job-1" });
      expect(again.body.limits[0]).toMatchObject({ used: "2", reserved: "0" });
    });

    test("a void gives back in the billing period", async () => {
      const { id, headers } = tenant("void", "ten");
      const [recorded] = await world.record(id, [{ id: "a" }, { id: "b" }]);
      if (recorded?.kind !== "event") throw new Error("not recorded");
      await world.publish(id, [{ kind: "void", tenantId: id, reason: "wrong", actor: "me", event: recorded }]);
      await waitFor(() => world.appliedSeq(id), { what: "the void" });
      expect((await post("check", headers, { meter: "calls" })).body.limits[0]).toMatchObject({ used: "1" });
    });

    test("each threshold and the limit are reported once and in order, also when usage jumps over them and is replayed", async () => {
      const { id } = tenant("alerts", "ten");
      const entries = await world.record(
        id,
        Array.from({ length: 9 }, (_, n) => ({ id: `e${n}` })),
      );
      await world.record(
        id,
        Array.from({ length: 9 }, (_, n) => ({ id: `f${n}` })),
      );
      await waitFor(async () => (await world.alerts(id)).length >= 3, { what: "alerts" });
      await world.republish(id, entries);
      await world.record(id, [{ id: "g" }]);
      await waitFor(() => world.appliedSeq(id), { what: "everything applied" });
      const alerts = await world.alerts(id);
      expect(alerts.map(({ type, data }) => [type, data.threshold, data.used])).toEqual([
        ["metrly.quota.warning.v1", "0.5", "5"],
        ["metrly.quota.warning.v1", "0.8", "8"],
        ["metrly.quota.exceeded.v1", "1", "10"],
      ]);
      expect(alerts[0]?.id).toMatch(new RegExp(`^${id}:calls:BILLING_PERIOD:ten@1:.*T00:00:00\\.000Z:0\\.5$`));
    });

    test("the first denial of a window emits exceeded, once", async () => {
      const { id, headers } = tenant("denied", "ten");
      await post("consume", headers, { meter: "calls", amount: "10", idempotencyKey: "a" });
      for (const key of ["b", "c", "d"]) await post("consume", headers, { meter: "calls", idempotencyKey: key });
      await waitFor(async () => (await world.alerts(id)).length > 0, { what: "the alert" });
      await world.record(
        id,
        Array.from({ length: 10 }, (_, n) => ({ id: `e${n}` })),
      );
      await waitFor(async () => (await world.alerts(id)).length >= 3, { what: "the warnings" });
      expect((await world.alerts(id)).map(({ data }) => data.threshold)).toEqual(["1", "0.5", "0.8"]);
    });

    test("the graph waits for a tenant that was created a moment ago", async () => {
      const { graphql } = await import("graphql");
      const schema = service.service.subgraph?.schema;
      if (schema === undefined) throw new Error("no subgraph");
      const id = `newcomer-${backend === "Redis" ? "r" : "m"}`;
      const answer = graphql({
        schema,
        source: `query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant { quotas { used } } } }`,
        variableValues: { id },
        contextValue: { identity: { kind: "USER", id: "u", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] } },
      });
      setTimeout(() => world.tenant(id, "ten"), 50);
      expect(JSON.parse(JSON.stringify((await answer).data))).toEqual({ _entities: [{ quotas: [{ used: "0" }] }] });
    });

    test("the graph shows the data plane's numbers", async () => {
      const { id, headers } = tenant("graph", "ten");
      await post("consume", headers, { meter: "calls", amount: "5", idempotencyKey: "a" });
      const { graphql } = await import("graphql");
      const schema = service.service.subgraph?.schema;
      if (schema === undefined) throw new Error("no subgraph");
      const ask = (tenantId: string) =>
        graphql({
          schema,
          source: `query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
            quotas { limit { meter window kind limit warnAt } used reserved remaining state } } } }`,
          variableValues: { id },
          contextValue: {
            identity: { kind: "USER", id: "u", tenantId, roles: ["TENANT_VIEWER"], scopes: [] },
          },
        });
      expect(JSON.parse(JSON.stringify((await ask(id)).data))).toEqual({
        _entities: [
          {
            quotas: [
              {
                limit: { meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "10", warnAt: ["0.5", "0.8"] },
                used: "0",
                reserved: "5",
                remaining: "5",
                state: "WARNING",
              },
            ],
          },
        ],
      });
      expect((await ask("other")).data).toEqual({ _entities: [null] });
    });

    test("it is ready when its consumer moves and its counters answer", async () => {
      expect(await waitFor(async () => (await service.service.readiness()).ready, { what: "readiness" })).toBe(true);
    });

    test("an orderly restart keeps reservations, keys and short windows as they were", async () => {
      const { headers } = tenant("restart", "ten");
      const before = await post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "a" });
      await service.stop();
      service = await world.startService();
      const again = await post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "a" });
      expect(again.body).toEqual(before.body);
      expect((await post("consume", headers, { meter: "calls", amount: "4", idempotencyKey: "b" })).status).toBe(200);
    });
  });
}

describe.skipIf(!hasPostgres || !hasRedis)("quota while Redis does not answer", () => {
  test("hard limits deny, soft ones go on degraded, readiness has the reason, and quota recovers automatically", async () => {
    const proxy = await startProxy(redisUrl());
    const world = await openWorld({ redisUrl: proxy.url });
    world.meter("calls");
    world.plan("hard", [{ limit: "5", window: "DAY" }]);
    world.plan("soft", [{ limit: "5", kind: "SOFT" }]);
    world.tenant("h", "hard");
    world.tenant("s", "soft");
    const keys = { h: world.key("h"), s: world.key("s") };
    const service = await world.startService();
    const consume = async (who: "h" | "s", idempotencyKey: string) => {
      const payload = { meter: "calls", idempotencyKey };
      const request = { method: "POST", url: "/v1/quota/consume", headers: keys[who], payload } as const;
      const response = await service.app.inject(request);
      return { retryAfter: response.headers["retry-after"], ...response.json<Answer>() };
    };
    expect(await consume("h", "a")).toMatchObject({ allowed: true, reason: "WITHIN_LIMITS" });
    proxy.cut();
    expect(await consume("h", "b")).toMatchObject({ allowed: false, reason: "COUNTER_REBUILDING", retryAfter: "1" });
    expect(await consume("s", "b")).toMatchObject({ allowed: true, reason: "DEGRADED" });
    expect((await service.service.readiness()).reasons).toContain("the quota counters do not answer");
    proxy.mend();
    const again = await waitFor(
      async () => {
        const answer = await consume("h", "c");
        return answer.allowed ? answer : undefined;
      },
      { what: "Redis again" },
    );
    expect(again.limits[0]).toMatchObject({ reserved: "2" });
    await service.stop();
    await world.close();
    await proxy.stop();
  });
});

/** A way to Redis that can be cut: open connections break and new ones are refused until it is mended. */
async function startProxy(target: string) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let open = true;
  const server = createServer((client) => {
    if (!open) return client.destroy();
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");
  const cut = (): void => {
    open = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    cut,
    mend: (): void => {
      open = true;
    },
    stop: () => {
      cut();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
