import { once } from "node:events";
import net from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { readUsageReceived } from "#schema/columns/received.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import { type ReceivedItem } from "#schema/events/usage-received.v2.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { apiKeyState, meterState, openWorld, startService, tenantState, type World } from "../world.testing.js";

const BATCH = "application/cloudevents-batch+json";
const SINGLE = "application/cloudevents+json";

describe.skipIf(!hasPostgres)("the edge", () => {
  let world: World;
  let service: Awaited<ReturnType<typeof startService>>;
  let isLogUp = true;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    world = await openWorld({ partitions: 2 });
    const log: EventLog = {
      ...world.log,
      append: (...args) =>
        isLogUp ? world.log.append(...args) : Promise.reject(new MetrlyError("LOG_UNAVAILABLE", "the log is down")),
    };
    world.apply(tenantState("acme", { startsAt: Date.now() - 10 * DAY_MS, billingAnchorDay: anchorBack(20) }));
    world.apply(tenantState("globex"));
    world.apply(tenantState("moved", { startsAt: Date.now() - 100 * DAY_MS }));
    world.apply(tenantState("suspended", { status: "SUSPENDED" }));
    world.apply(tenantState("closed", { status: "CLOSED" }));
    world.apply(tenantState("timeless", { testClock: Date.UTC(2020, 0, 15) }));
    world.apply(
      meterState("tokens", "llm.call", { aggregation: "SUM", valueProperty: "tokens", dimensions: ["model"] }),
    );
    world.apply(meterState("requests", "api.request"));
    const add = (name: string, tenantId: string | null, scopes?: ApiKeyState["scopes"]) => {
      const { state, secret } = apiKeyState(tenantId, scopes);
      world.apply(state);
      keys[name] = secret;
    };
    add("acme", "acme", ["INGEST", "READ"]);
    add("reader", "acme", ["READ"]);
    add("globex", "globex");
    add("quota", "acme", ["QUOTA"]);
    add("moved", "moved");
    add("importer", "moved", ["ADMIN"]);
    add("platform", null);
    for (const tenant of ["suspended", "closed", "timeless"]) add(tenant, tenant);
    service = await startService(world, { log, tickMs: 200 });
    await service.service.begin?.();
  });
  afterAll(async () => {
    await service.stop();
    await world.close();
  });

  async function post(
    body: unknown,
    options: { key?: string; type?: string; headers?: Record<string, string>; url?: string } = {},
  ) {
    const response = await service.app.inject({
      method: "POST",
      url: options.url ?? "/v1/events",
      headers: {
        authorization: `Bearer ${keys[options.key ?? "acme"]}`,
        "content-type": options.type ?? (Array.isArray(body) ? BATCH : SINGLE),
        ...options.headers,
      },
      payload: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
    return {
      status: response.statusCode,
      headers: response.headers,
      body: response.body === "" ? undefined : response.json(),
    };
  }

  let nextId = 0;
  const event = (changed: Record<string, unknown> = {}) => {
    nextId += 1;
    return { specversion: "1.0", id: `e${nextId}`, source: "test", type: "api.request", ...changed };
  };

  test("each form of CloudEvents is accepted", async () => {
    const one = event();
    expect(await post(one)).toMatchObject({
      status: 202,
      body: { accepted: 1, duplicates: 0, rejected: 0, results: [{ id: one.id, source: "test", status: "accepted" }] },
    });
    expect(await post([event(), event()])).toMatchObject({ status: 202, body: { accepted: 2 } });
    expect(await post(event(), { type: "application/json; charset=utf-8" })).toMatchObject({ status: 202 });
    expect(await post([event()], { type: "application/json" })).toMatchObject({ status: 202 });
    const headers = { "ce-specversion": "1.0", "ce-id": "caf%C3%A9", "ce-source": "bin", "ce-type": "api.request" };
    expect(await post({ n: 1 }, { type: "application/json", headers })).toMatchObject({
      status: 202,
      body: { results: [{ id: "café", source: "bin", status: "accepted" }] },
    });
    const gzip = gzipSync(JSON.stringify([event()]));
    expect(await post(gzip, { type: BATCH, headers: { "content-encoding": "gzip" } })).toMatchObject({ status: 202 });
    expect(await post(event(), { url: "/api/v1/events" })).toMatchObject({ status: 204, body: undefined });
  });

  test("a repeat is a duplicate at once, also within one batch; the log has it once", async () => {
    const one = event({ data: { n: 1 } });
    const before = await logged();
    expect(await post([one, { ...one, time: new Date().toISOString() }])).toMatchObject({
      body: { accepted: 1, duplicates: 1, results: [{ status: "accepted" }, { status: "duplicate" }] },
    });
    expect(await post(one)).toMatchObject({ status: 202, body: { accepted: 0, duplicates: 1 } });
    expect(await logged()).toBe(before + 1);
  });

  test("one bad item never rejects its neighbours, and each says what is wrong and where", async () => {
    const bad: [Record<string, unknown> | string | null, string, string][] = [
      ["text", "INVALID", "object"],
      [null, "INVALID", "object"],
      [event({ specversion: "0.3" }), "INVALID", "specversion"],
      [event({ id: "" }), "INVALID", "id"],
      [event({ id: 7 }), "INVALID", "id"],
      [event({ id: "nul\0" }), "INVALID", "id"],
      [event({ source: "x".repeat(257) }), "INVALID", "source"],
      [event({ type: undefined }), "INVALID", "type"],
      [event({ type: "metrly.tick" }), "RESERVED_TYPE", "type"],
      [event({ subject: "globex" }), "SUBJECT_MISMATCH", "subject"],
      [event({ subject: 1 }), "INVALID", "subject"],
      [event({ time: "yesterday" }), "INVALID", "time"],
      [event({ time: "2026-02-30T00:00:00Z" }), "INVALID", "time"],
      [event({ time: ago(36 * DAY_MS) }), "TIME_OUT_OF_RANGE", "time"],
      [event({ time: ago(-6 * 60_000) }), "TIME_OUT_OF_RANGE", "time"],
      [event({ time: ago(34 * DAY_MS) }), "BEFORE_FIRST_PERIOD", "time"],
      [event({ data_base64: "AA==" }), "INVALID", "data_base64"],
      [event({ datacontenttype: "text/plain" }), "INVALID", "datacontenttype"],
      [event({ data: { text: "x".repeat(65_536) } }), "TOO_LARGE", "65536"],
      [event({ data: nested(40) }), "INVALID", "data"],
      [event({ type: "llm.call", data: {} }), "INVALID", "data.tokens"],
      [event({ type: "llm.call", data: { tokens: "many" } }), "INVALID", "data.tokens"],
      [event({ type: "llm.call", data: { tokens: 1, model: {} } }), "INVALID", "data.model"],
    ];
    const answer = await post([event(), ...bad.map(([item]) => item), event()]);
    expect(answer).toMatchObject({ status: 202, body: { accepted: 2, duplicates: 0, rejected: bad.length } });
    expect(answer.body.results[0].status).toBe("accepted");
    for (const [index, [, code, path]] of bad.entries()) {
      expect(answer.body.results[index + 1]).toMatchObject({ status: "rejected", code });
      expect(answer.body.results[index + 1].detail).toContain(path);
    }
    expect(answer.body.results.at(-1).status).toBe("accepted");
  });

  test("a number that would lose digits is rejected where it stands, as a string it is kept", async () => {
    const [good, bad] = [event(), event()];
    const text = `[${JSON.stringify(good)},{"specversion":"1.0","id":"${bad.id}","source":"test","type":"x","data":{"a":[{"n":12345678901234567890}]}},
      {"specversion":"1.0","id":"ext-${bad.id}","source":"test","type":"x","ext":9007199254740993,"data":{"n":"12345678901234567890","m":1e3}}]`;
    const answer = await post(text, { type: BATCH });
    expect(answer).toMatchObject({ status: 202, body: { accepted: 2, rejected: 1 } });
    expect(answer.body.results[1]).toMatchObject({ code: "NUMBER_NOT_EXACT", id: bad.id });
    expect(answer.body.results[1].detail).toContain("data.a.0.n");
    const single = await post(text.slice(text.indexOf(",{") + 1, text.indexOf("}]}},") + 4));
    expect(single).toMatchObject({ status: 400, body: { code: "NUMBER_NOT_EXACT" } });
    const headers = { "ce-specversion": "1.0", "ce-id": "n", "ce-source": "bin", "ce-type": "t" };
    expect(await post('{"n":0.1000000000000000055}', { type: "application/json", headers })).toMatchObject({
      body: { code: "NUMBER_NOT_EXACT" },
    });
  });

  test("when nothing is acceptable the answer is 400 with every reason", async () => {
    expect(await post([event({ type: "metrly.x" }), event({ type: "metrly.y" })])).toMatchObject({
      status: 400,
      headers: { "content-type": expect.stringContaining("application/problem+json") },
      body: {
        code: "RESERVED_TYPE",
        accepted: 0,
        rejected: 2,
        results: [{ code: "RESERVED_TYPE" }, { code: "RESERVED_TYPE" }],
      },
    });
    expect(await post([event({ id: "" }), event({ type: "metrly.y" })])).toMatchObject({
      status: 400,
      body: { code: "INVALID" },
    });
    expect(await post(event({ data: { text: "x".repeat(65_536) } }))).toMatchObject({
      status: 400,
      body: {
        code: "INVALID",
        detail: "The event was rejected with TOO_LARGE: An event has at most 65536 bytes",
        results: [{ code: "TOO_LARGE" }],
      },
    });
    expect(await post(event({ id: "" }), { url: "/api/v1/events" })).toMatchObject({ status: 400 });
    expect(await post(event(), { key: "closed" })).toMatchObject({
      status: 400,
      body: { results: [{ code: "TENANT_CLOSED" }] },
    });
  });

  test("an empty batch is a success without results", async () => {
    expect(await post([])).toMatchObject({
      status: 202,
      body: { accepted: 0, duplicates: 0, rejected: 0, results: [] },
    });
    expect(await post([], { url: "/api/v1/events" })).toMatchObject({ status: 204 });
  });

  test("the alias answers a partly rejected request with an error that has each outcome, and any part may be sent again", async () => {
    const url = "/api/v1/events";
    const refused = { status: 400, headers: { "content-type": "application/problem+json" } };
    const time = ago(36 * DAY_MS);
    const [good, other, bad] = [event(), event(), event({ time })];
    const before = await logged();
    expect(await post([bad, good, other, good], { url })).toMatchObject({
      ...refused,
      body: {
        ...{ code: "TIME_OUT_OF_RANGE", accepted: 2, duplicates: 1, rejected: 1 },
        results: [
          { id: bad.id, status: "rejected", code: "TIME_OUT_OF_RANGE", detail: expect.stringContaining("time") },
          { id: good.id, status: "accepted" },
          { id: other.id, status: "accepted" },
          { id: good.id, status: "duplicate" },
        ],
        detail: expect.stringMatching(/^1 of 4 events were rejected; .*\[0\] TIME_OUT_OF_RANGE time/),
      },
    });
    expect(await logged()).toBe(before + 2);
    const again = await post([bad, good, other], { url });
    expect(again).toMatchObject({ ...refused, body: { accepted: 0, duplicates: 2, rejected: 1 } });
    const gzip = gzipSync(JSON.stringify([bad, event({ id: "" }), good]));
    const packed = await post(gzip, { url, type: BATCH, headers: { "content-encoding": "gzip" } });
    expect(packed).toMatchObject({ ...refused, body: { code: "INVALID", duplicates: 1, rejected: 2 } });
    expect(await logged()).toBe(before + 2);
    expect(await post([{ ...bad, time: ago(0) }, good, other], { url })).toMatchObject({
      status: 204,
      body: undefined,
    });
    expect(await logged()).toBe(before + 3);
    expect(await post([good, other], { url })).toMatchObject({ status: 204 });
    const many = Array.from({ length: 1_000 }, (_, n) => (n === 0 ? good : { ...bad, id: `bad-${n}` }));
    const { body } = await post(many, { url });
    expect(body.results).toHaveLength(1_000);
    expect(body.detail.length).toBeLessThan(1_000);
    const binary = { "ce-specversion": "1.0", "ce-id": "old", "ce-source": "bin", "ce-type": "api.request" };
    const late = { type: "application/json", headers: { ...binary, "ce-time": time }, url };
    expect(await post({}, late)).toMatchObject({ ...refused, body: { code: "TIME_OUT_OF_RANGE", rejected: 1 } });
    expect(await post({}, { ...late, headers: binary })).toMatchObject({ status: 204 });
  });

  test("whose usage it is: a platform key names the tenant, and usage of a suspended one still counts", async () => {
    const items = [event({ subject: "globex" }), event({ subject: "acme" }), event(), event({ subject: "nobody" })];
    expect((await post(items, { key: "platform" })).body.results).toMatchObject([
      { status: "accepted" },
      { status: "accepted" },
      { status: "rejected", code: "SUBJECT_REQUIRED" },
      { status: "rejected", code: "NOT_FOUND" },
    ]);
    expect(await post(event({ subject: "suspended" }), { key: "suspended" })).toMatchObject({ status: 202 });
  });

  test("a tenant with a test clock lives by that clock", async () => {
    const [now, then] = [event(), event({ time: "2020-01-10T00:00:00Z" })];
    expect(await post([now, then, event({ time: ago(0) })], { key: "timeless" })).toMatchObject({
      body: { accepted: 2, results: [{}, {}, { code: "TIME_OUT_OF_RANGE" }] },
    });
    const found = await waitForEvent("timeless", String(now.id));
    expect(found).toMatchObject({ time: "2020-01-15T00:00:00.000Z" });
  });

  test("what concerns the whole request: keys, scopes, forms and limits", async () => {
    const of = async (...args: Parameters<typeof post>) => {
      const { status, body } = await post(...args);
      return [status, body.code];
    };
    const bearer = (authorization: string) => ({ headers: { authorization } });
    expect(await of(event(), bearer("Basic x"))).toEqual([401, "UNAUTHENTICATED"]);
    expect(await of(event(), bearer(`Bearer mtr_live_${"a".repeat(38)}`))).toEqual([401, "UNAUTHENTICATED"]);
    expect(await of(event(), { key: "quota" })).toEqual([403, "FORBIDDEN"]);
    expect(await of("{not json", { type: SINGLE })).toEqual([400, "MALFORMED"]);
    expect(await of("", { type: SINGLE })).toEqual([400, "MALFORMED"]);
    expect(await of("7", { type: "application/json" })).toEqual([400, "MALFORMED"]);
    expect(await of([event()], { type: SINGLE })).toEqual([400, "MALFORMED"]);
    expect(await of(event(), { type: BATCH })).toEqual([400, "MALFORMED"]);
    expect(await of(Buffer.from([0x7b, 0xff, 0x7d]), { type: SINGLE })).toEqual([400, "MALFORMED"]);
    expect(await of(event(), { type: "text/plain" })).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    expect(await of(event(), { type: "application/json; charset=latin1" })).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    expect(await of(event(), { headers: { "content-encoding": "br" } })).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    expect(await of("not gzip", { type: SINGLE, headers: { "content-encoding": "gzip" } })).toEqual([400, "MALFORMED"]);
    expect(await of(Array.from({ length: 1_001 }, () => event()))).toEqual([413, "TOO_LARGE"]);
    expect(await of(JSON.stringify(event({ data: "x".repeat(1 << 20) })), { type: SINGLE })).toEqual([
      413,
      "TOO_LARGE",
    ]);
    const bomb = gzipSync(Buffer.alloc(20 << 20, " "));
    expect(await of(bomb, { type: SINGLE, headers: { "content-encoding": "gzip" } })).toEqual([413, "TOO_LARGE"]);
    const binary = { "ce-specversion": "1.0", "ce-id": "%ff", "ce-source": "s", "ce-type": "t" };
    expect(await of("{}", { type: "application/json", headers: binary })).toEqual([400, "MALFORMED"]);
    expect(await of("hi", { type: "text/plain", headers: { ...binary, "ce-id": "1" } })).toEqual([
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ]);
    const wrongMethod = await service.app.inject({ method: "DELETE", url: "/v1/events" });
    expect([wrongMethod.statusCode, wrongMethod.headers.allow]).toEqual([405, "GET, HEAD, POST"]);
  });

  test("an import takes usage of any age, with a key of the scope ADMIN alone, and the log says so", async () => {
    const url = "/v1/events?import=true";
    const old = { time: ago(99 * DAY_MS) };
    const [imported, refused] = [event(old), event({ time: ago(4_000 * DAY_MS) })];
    expect(await post(imported, { key: "moved" })).toMatchObject({ status: 400, body: { code: "TIME_OUT_OF_RANGE" } });
    expect(await post(imported, { url, key: "moved" })).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
    const answer = await post([imported, refused, event()], { url, key: "importer" });
    expect(answer.body.results).toMatchObject([
      { status: "accepted" },
      { code: "BEFORE_FIRST_PERIOD" },
      { status: "accepted" },
    ]);
    expect(await post(event(), { key: "importer" })).toMatchObject({ status: 403 });
    const own = event();
    expect(await post(own, { url: "/v1/events?import=false" })).toMatchObject({ status: 202 });
    for (const query of ["import=yes", "import=", "import=true&import=true"])
      expect(await post(event(), { url: `/v1/events?${query}`, key: "importer" })).toMatchObject({
        status: 400,
        body: { code: "INVALID", detail: "import: is true or false" },
      });
    const items = (await loggedItems()).filter(({ id }) => id === imported.id || id === own.id);
    expect(items.map(({ id, imported }) => [id, imported])).toEqual(
      expect.arrayContaining([
        [imported.id, true],
        [own.id, undefined],
      ]),
    );
  });

  test("an event of exactly 64 KiB of JSON is accepted, one byte more is not", async () => {
    const sized = (bytes: number) => {
      const empty = event({ id: `sized-${bytes}`, data: { text: "" } });
      return { ...empty, data: { text: "x".repeat(bytes - JSON.stringify(empty).length) } };
    };
    const answer = await post([sized(65_536), sized(65_537)]);
    expect(answer.body.results).toMatchObject([{ status: "accepted" }, { status: "rejected", code: "TOO_LARGE" }]);
  });

  test("nesting that would overflow a stack is one more rejected item", async () => {
    const deep = `{"specversion":"1.0","id":"deep","source":"s","type":"t","data":${"[".repeat(200_000)}1e999${"]".repeat(200_000)}}`;
    const answer = await post(`[${JSON.stringify(event())},${deep}]`, { type: BATCH });
    expect(answer).toMatchObject({ status: 202, body: { accepted: 1, rejected: 1 } });
  });

  test("an attribute that would overflow a stack is one more rejected item, however large the event is", async () => {
    for (const pad of [10, 62_000]) {
      const deep = `{"specversion":"1.0","id":"deep${pad}","source":"s","type":"t","extra":${"[".repeat(20_000)}${"]".repeat(20_000)},"data":"${"x".repeat(pad)}"}`;
      const answer = await post(`[${JSON.stringify(event())},${deep}]`, { type: BATCH });
      expect(answer).toMatchObject({ status: 202, body: { accepted: 1, rejected: 1 } });
      expect(answer.body.results[1]).toMatchObject({ code: "INVALID", detail: expect.stringContaining("extra") });
    }
    expect(await post(event({ extra: { a: [1] } }))).toMatchObject({ status: 202 });
  });

  test("names of content codings have no case, and x-gzip is gzip", async () => {
    for (const coding of ["GZIP", "Gzip", "x-gzip", "identity"]) {
      const text = JSON.stringify(event());
      const body = coding === "identity" ? text : gzipSync(text);
      expect(await post(body, { type: SINGLE, headers: { "content-encoding": coding } })).toMatchObject({
        status: 202,
      });
    }
    const bomb = gzipSync(Buffer.alloc(8 << 20, " "));
    const liar = Buffer.concat([bomb, Buffer.alloc(4)]);
    for (const body of [bomb, liar])
      expect(await post(body, { type: SINGLE, headers: { "content-encoding": "X-GZIP" } })).toMatchObject({
        status: 413,
      });
    for (const coding of ["zstd", "br", "deflate", "gzip, gzip"])
      expect(await post(event(), { headers: { "content-encoding": coding } })).toMatchObject({
        status: 415,
        headers: { "accept-encoding": "gzip, identity" },
      });
  });

  test("GET tells what became of an event, and how far recording is when it is not there", async () => {
    const one = event({ data: { b: 1, a: "2" } });
    await post(one);
    const found = await waitForEvent("acme", one.id);
    expect(found).toMatchObject({
      id: one.id,
      source: "test",
      status: "recorded",
      duplicates: 0,
      seq: expect.stringMatching(/^\d+$/),
    });
    expect(await get(`source=test&id=${one.id}`, "globex")).toMatchObject({ status: 404 });
    expect(await get(`source=test&id=${one.id}&tenantId=acme`, "platform")).toMatchObject({ status: 200 });
    expect(await get("source=test&id=never")).toMatchObject({
      status: 404,
      body: { code: "NOT_FOUND", recordedThrough: expect.stringMatching(/Z$/) },
    });
    expect(await get("source=test", "acme")).toMatchObject({ status: 400, body: { code: "INVALID" } });
    expect(await get(`source=test&id=${one.id}`, "platform")).toMatchObject({
      status: 400,
      body: { code: "SUBJECT_REQUIRED" },
    });
    expect(await get(`source=test&id=${one.id}`, "quota")).toMatchObject({ status: 403 });
  });

  test("an event that no meter counts is taken, told of, and looked up as unmetered, until a backfill counts it", async () => {
    const [typo, right] = [event({ type: "api.reqest", data: { n: "1" } }), event()];
    const { body } = await post([typo, right]);
    expect(body.results).toEqual([
      { id: typo.id, source: "test", status: "accepted", unmetered: true },
      { id: right.id, source: "test", status: "accepted" },
    ]);
    expect(await waitForEvent("acme", typo.id)).toMatchObject({ status: "unmetered", seq: expect.any(String) });
    expect(await waitForEvent("acme", right.id)).toMatchObject({ status: "recorded" });
    const changed = { aggregation: "SUM", valueProperty: "missing" } as const;
    world.apply(meterState("later", "api.reqest"));
    world.apply(meterState("unreadable", "api.reqest", { ...changed, backfill: true }));
    expect(await waitForEvent("acme", typo.id)).toMatchObject({ status: "unmetered" });
    world.apply(meterState("adopter", "api.reqest", { ...changed, valueProperty: "n", backfill: true }));
    expect(await waitForEvent("acme", typo.id)).toMatchObject({ status: "recorded" });
  });

  test("with a copy of tenancy that is too old, reading fails closed and ingest goes on", async () => {
    const stale = await startService({ ...world, tenancy: { ...world.tenancy, isStale: () => true } });
    const ask = async (method: "GET" | "POST", key: string) => {
      const headers = { authorization: `Bearer ${keys[key]}`, "content-type": SINGLE };
      const payload = method === "POST" ? { payload: JSON.stringify(event()) } : {};
      return (await stale.app.inject({ method, url: "/v1/events?source=a&id=b", headers, ...payload })).statusCode;
    };
    expect(await ask("GET", "reader")).toBe(503);
    expect(await ask("GET", "acme")).toBe(404);
    expect(await ask("POST", "acme")).toBe(202);
    await stale.stop();
  });

  test("when the log is down a request gets 503 and Retry-After over a real socket, and none is half accepted", async () => {
    const address = await service.app.listen({ host: "127.0.0.1", port: 0 });
    const before = await logged();
    const one = event();
    isLogUp = false;
    try {
      const refused = await fetchEvents(address, [one, event()]);
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
      expect(await refused.json()).toMatchObject({ code: "LOG_UNAVAILABLE" });
    } finally {
      isLogUp = true;
    }
    expect(await logged()).toBe(before);
    expect(await (await fetchEvents(address, [one])).json()).toMatchObject({ accepted: 1, duplicates: 0 });
  });

  test("a client that goes away in the middle of a body leaves nothing behind", async () => {
    const before = await logged();
    const { port } = new URL(service.app.listeningOrigin);
    const socket = net.connect(Number(port), "127.0.0.1");
    socket.write(
      `POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${keys.acme}\r\ncontent-type: ${SINGLE}\r\ncontent-length: 500\r\n\r\n{"specversion"`,
    );
    await once(socket, "connect");
    socket.destroy();
    expect(await post(event())).toMatchObject({ status: 202 });
    expect(await logged()).toBe(before + 1);
  });

  test.each(["and ends", "and does not end"])(
    "a key that is revoked while its request arrives %s sends nothing",
    async (end) => {
      const { state, secret } = apiKeyState("acme");
      world.apply(state);
      const before = await logged();
      const text = JSON.stringify(event());
      const socket = net.connect(Number(new URL(service.app.listeningOrigin).port), "127.0.0.1");
      socket.write(
        `POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\ncontent-type: ${SINGLE}\r\ncontent-length: ${text.length}\r\n\r\n${text.slice(0, 20)}`,
      );
      await once(service.app.server, "request");
      world.apply({ ...state, version: state.version + 1_000_000, revokedAt: 1 });
      if (end === "and ends") socket.write(text.slice(20));
      const [answer] = await once(socket, "data");
      expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /);
      socket.destroy();
      expect(await logged()).toBe(before);
    },
  );

  const fetchEvents = (address: string, body: unknown) =>
    fetch(`${address}/v1/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${keys.acme}`, "content-type": BATCH },
      body: JSON.stringify(body),
    });

  async function get(query: string, key = "acme") {
    const response = await service.app.inject({
      url: `/v1/events?${query}`,
      headers: { authorization: `Bearer ${keys[key]}` },
    });
    return { status: response.statusCode, body: response.json() };
  }

  const waitForEvent = (key: string, id: unknown) =>
    waitFor(
      async () => {
        const { status, body } = await get(`source=test&id=${id}`, key);
        return status === 200 ? body : undefined;
      },
      { what: `${id} to be recorded` },
    );

  /** Items in the log. */
  const logged = async (): Promise<number> => (await loggedItems()).length;

  async function loggedItems(): Promise<readonly ReceivedItem[]> {
    const items: ReceivedItem[] = [];
    for (const partition of [0, 1]) {
      const records = await world.log.read(USAGE_RECEIVED, partition, 0, 10_000);
      for (const { value } of records) {
        const record = readUsageReceived(value);
        if (record.kind === "items") items.push(...record.items);
      }
    }
    return items;
  }
});

const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();
const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
/** A billing anchor such that the running period began about this many days ago, or later. */
const anchorBack = (days: number): number => Math.min(28, new Date(Date.now() - days * DAY_MS).getUTCDate());
