import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKeyJudge } from "#platform/auth/api-keys.js";
import { createKeyThrottle } from "#platform/auth/key-throttle.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { createHttpServer } from "#platform/http/server.js";
import { followTenancy, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import { MAX_WAITING, READ_SPACING_MS } from "#platform/tenancy-client/joined-reads.js";
import { TENANCY_CHANGED } from "#schema/topics.js";
import { registerEdge } from "../../workers/ingestion/http/events.js";
import { createMetrics } from "../../workers/ingestion/metrics.js";
import { apiKeyState, openWorld, tenantState, type World } from "../../workers/ingestion/world.testing.js";
import { hasPostgres, waitFor } from "../servers/servers.js";
import { runs, sized } from "../support/effort.js";

/** 1,000 in a long run of chaos. */
const NEW_KEYS = sized(50, runs(100));
const HANGS_AFTER_MS = sized(120_000, 1_800_000);
/** At one address, which is throttled soon, and as many whose address is another each time. */
const SENDERS = 4;

describe.skipIf(!hasPostgres)("beside a flood of well-formed keys that nobody has", () => {
  let world: World;
  let tenancy: TenancyCopy;
  let app: FastifyInstance;
  let url: string;
  /** Reads of the log's end since the copy is there. */
  let reads = 0;
  let held: Promise<void> | undefined;

  beforeAll(async () => {
    world = await openWorld();
    const { clock } = world;
    const log: EventLog = {
      ...world.log,
      // Nothing arrives by itself: each new key needs a read.
      consume: async () => ({ assigned: () => [0], lastProgressAt: () => clock.now(), stop: async () => undefined }),
      async bounds(topic, partition) {
        reads += 1;
        await held;
        return world.log.bounds(topic, partition);
      },
    };
    await publish(tenantState("acme"));
    const fail = (error: unknown) => {
      throw error;
    };
    tenancy = await followTenancy({ log, group: "copy", clock, onError: fail });
    const throttle = createKeyThrottle({ judgeKey: createKeyJudge(tenancy, clock), trustedProxies: ["127.0.0.1"] });
    app = createHttpServer(pino({ level: "silent" }), throttle);
    registerEdge(app, {
      tenancy,
      clock,
      appender: { append: async () => undefined, stop: async () => undefined },
      metrics: createMetrics(new Registry()),
      events: { find: async () => undefined, conflicts: async () => [], recordedThrough: async () => undefined },
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
    url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/v1/events`;
  });

  afterAll(async () => {
    await app?.close();
    await tenancy?.stop();
    await world?.close();
  });

  /** As tenancy does, whose mutations wait for this process only afterwards. */
  async function publish(state: object): Promise<void> {
    await world.log.append(TENANCY_CHANGED, 0, [{ value: Buffer.from(JSON.stringify(state)) }]);
  }

  let sent = 0;
  async function send(secret: string, address: string) {
    sent += 1;
    const event = { specversion: "1.0", id: `e${sent}`, source: "test", type: "api.call" };
    const headers = { authorization: `Bearer ${secret}`, "x-forwarded-for": address };
    const body = JSON.stringify(event);
    const type = { "content-type": "application/cloudevents+json" };
    const answer = await fetch(url, { method: "POST", headers: { ...headers, ...type }, body });
    await answer.arrayBuffer();
    return { status: answer.status, retryAfter: answer.headers.get("retry-after") };
  }
  /** The first answer that is final. */
  async function finalStatus(secret: string, address: string): Promise<number> {
    for (;;) {
      const { status, retryAfter } = await send(secret, address);
      if (status !== 503 || retryAfter === null) return status;
    }
  }
  const unknown = () => apiKeyState("acme").secret;
  let addresses = 0;
  function elsewhere(): string {
    addresses += 1;
    return `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`;
  }

  test(`${NEW_KEYS} new keys are taken, and the log is read once per interval at most`, {
    timeout: HANGS_AFTER_MS,
  }, async () => {
    const answers = new Map<number, number>();
    let isOver = false;
    async function flood(address: () => string): Promise<void> {
      while (!isOver) {
        const { status } = await send(unknown(), address());
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }
    }
    reads = 0;
    const startedAt = performance.now();
    const floods = Array.from({ length: SENDERS }, () => [flood(() => "192.0.2.1"), flood(elsewhere)]).flat();
    try {
      for (let k = 0; k < NEW_KEYS; k += 1) {
        const key = apiKeyState("acme");
        await publish(key.state);
        expect(await finalStatus(key.secret, elsewhere())).toBe(202);
      }
      await waitFor(() => answers.has(429), { what: "a sender to be throttled" });
    } finally {
      isOver = true;
      await Promise.all(floods);
    }
    expect([401, 429, 503]).toEqual(expect.arrayContaining([...answers.keys()]));
    expect(answers.get(401)).toBeGreaterThan(0);
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThanOrEqual((performance.now() - startedAt) / READ_SPACING_MS + 1);
  });

  test("a throttled address starts no read, and its good keys are taken", async () => {
    const key = apiKeyState("acme");
    await publish(key.state);
    expect(await finalStatus(key.secret, elsewhere())).toBe(202);
    const throttled = "198.51.100.1";
    // One guess a second is left to it.
    for (let refusals = 0; refusals < 20; ) {
      reads = 0;
      const { status } = await send(unknown(), throttled);
      if (status === 401 || status === 503) continue;
      expect({ status, reads }).toEqual({ status: 429, reads: 0 });
      refusals += 1;
    }
    expect((await send(key.secret, throttled)).status).toBe(202);
  });

  test("who finds no place to wait for a read is told when to come again", async () => {
    let goOn = () => {};
    held = new Promise((resolve) => {
      goOn = resolve;
    });
    const running = tenancy.caughtUp();
    await new Promise((resolve) => setTimeout(resolve, READ_SPACING_MS));
    const waiting = Array.from({ length: MAX_WAITING }, () => tenancy.caughtUp());
    const ended = Promise.allSettled([running, ...waiting]);
    const key = apiKeyState("acme");
    await publish(key.state);
    const answer = await send(key.secret, elsewhere());
    goOn();
    held = undefined;
    await ended;
    expect(answer).toEqual({ status: 503, retryAfter: expect.stringMatching(/^[1-9]\d*$/) });
    expect(await finalStatus(key.secret, elsewhere())).toBe(202);
  });
});
