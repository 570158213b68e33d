import { once } from "node:events";
import http from "node:http";
import { Worker } from "node:worker_threads";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { createHttpServer } from "#platform/http/server.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { readUsageReceived } from "#schema/columns/received.js";

import { USAGE_RECEIVED } from "#schema/topics.js";
import { type PrivateKafka, startKafka } from "../../../tests/servers/private-servers.js";
import { hasKafka, waitFor } from "../../../tests/servers/servers.js";
import { registerEdge } from "../http/events.js";
import { createMetrics } from "../metrics.js";
import { apiKeyState, tenantState } from "../world.testing.js";
import { createAppender } from "./appender.js";

// The edge over real sockets, before a broker of its own that is frozen and killed.
describe.skipIf(!hasKafka)("the edge before a log in trouble", () => {
  let kafka: PrivateKafka;
  let log: EventLog;
  const keys: Record<string, string> = {};
  const app = createHttpServer(pino({ level: "silent" }));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1_000 });
  let stopAppender = async () => {};

  beforeAll(async () => {
    kafka = await startKafka();
    log = await connectKafkaLog({ brokers: kafka.brokers, clientId: "edge", replicationFactor: 1 });
    await log.ensureTopics([USAGE_RECEIVED], 1);
    const { reads, apply } = createTenancyState(systemClock);
    for (const id of ["flood", "quiet"]) {
      apply(tenantState(id));
      const { state, secret } = apiKeyState(id);
      apply(state);
      keys[id] = secret;
    }
    const appender = createAppender({
      log,
      partitionCount: 1,
      tenancyVersion: reads.version,
      writesColumns: () => true,
      onError: () => {},
    });
    stopAppender = appender.stop;
    registerEdge(app, {
      tenancy: { ...reads, stop: async () => {} },
      clock: systemClock,
      appender,
      metrics: createMetrics(new Registry()),
      events: {
        find: async () => undefined,
        conflicts: async () => [],
        recordedThrough: async () => undefined,
      },
    });
    await app.listen({ host: "127.0.0.1", port: 0 });
  });
  afterAll(async () => {
    agent.destroy();
    await app.close();
    await stopAppender();
    await log.stop();
    await kafka.stop();
  });

  let nextId = 0;
  const batch = (size: number) =>
    Array.from({ length: size }, () => {
      nextId += 1;
      return { specversion: "1.0", id: `e${nextId}`, source: "test", type: "api.request", data: { n: nextId } };
    });

  interface Answer {
    readonly status: number;
    readonly retryAfter: string | undefined;
    readonly body: { readonly code?: string; readonly accepted?: number };
  }

  function post(tenant: string, events: readonly object[]): Promise<Answer> {
    const headers = { authorization: `Bearer ${keys[tenant]}`, "content-type": "application/cloudevents-batch+json" };
    return new Promise((resolve, reject) => {
      const request = http.request(
        `${app.listeningOrigin}/v1/events`,
        { method: "POST", headers, agent },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              retryAfter: response.headers["retry-after"],
              body: JSON.parse(Buffer.concat(chunks).toString()),
            }),
          );
        },
      );
      request.on("error", reject);
      request.end(JSON.stringify(events));
    });
  }

  async function logged(): Promise<Set<string>> {
    const ids = new Set<string>();
    const { first, next } = await log.bounds(USAGE_RECEIVED, 0);
    for (let from = first; from < next; ) {
      const records = await log.read(USAGE_RECEIVED, 0, from, 500);
      for (const { value, offset } of records) {
        const record = readUsageReceived(value);
        if (record.kind === "items") for (const { id } of record.items) ids.add(id);
        from = offset + 1;
      }
    }
    return ids;
  }

  const works = () => post("quiet", batch(1)).then(({ status }) => status === 202);
  /** The log may be slow once: clients send again what gets LOG_UNAVAILABLE. */
  const accepted = (events: readonly object[]) =>
    waitFor(
      async () => {
        const answer = await post("quiet", events);
        return answer.body.code === "LOG_UNAVAILABLE" ? undefined : answer;
      },
      { what: "the log to be quick" },
    );

  /** While `fault` holds, every request is answered and none half; afterwards it goes on by itself. */
  async function answersDuring(fault: () => Promise<void>, repair: () => Promise<void>): Promise<void> {
    await waitFor(works, { what: "the edge to accept" });
    await fault();
    // The first request may still find a connection that looks alive.
    for (let n = 0; n < 3; n += 1) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => post("quiet", batch(10))));
      for (const { status, retryAfter, body } of answers) {
        expect([status, retryAfter, body.accepted]).toEqual([503, "1", undefined]);
      }
    }
    await repair();
    await waitFor(works, { what: "the edge to accept again" });
    const sent = batch(10);
    expect((await accepted(sent)).body.accepted).toBe(10);
    const found = await waitFor(logged, { what: "the log to be read" });
    expect(sent.filter(({ id }) => !found.has(id))).toEqual([]);
  }

  test("a frozen broker: 503 and Retry-After, and on by itself when it thaws", async () => {
    await answersDuring(
      () => kafka.kill("SIGSTOP"),
      () => kafka.kill("SIGCONT"),
    );
  });

  test("a killed broker: the same", async () => {
    await answersDuring(
      () => kafka.kill("SIGKILL"),
      () => kafka.restart(),
    );
  });

  test("before a frozen broker a flood is bounded: some of it is refused at once, others are not", async () => {
    await waitFor(works, { what: "the edge to accept" });
    await kafka.kill("SIGSTOP");
    try {
      const big = batch(1_000).map((event) => ({ ...event, data: { text: "x".repeat(800) } }));
      const quiet = post("quiet", batch(1));
      const flood = await Promise.all(Array.from({ length: 40 }, () => post("flood", big)));
      // BUSY where the other tenant's request has ended already: then the flood is alone and has no share to exceed.
      const refused = flood.filter(({ body }) => body.code === "TENANT_OVER_SHARE" || body.code === "BUSY");
      expect(refused.length).toBeGreaterThan(0);
      expect(flood.filter((answer) => !refused.includes(answer)).map(({ body }) => body.code)).toEqual(
        Array(flood.length - refused.length).fill("LOG_UNAVAILABLE"),
      );
      for (const { status, retryAfter } of flood)
        expect([status === 429 || status === 503, retryAfter]).toEqual([true, "1"]);
      expect((await quiet).body.code).toBe("LOG_UNAVAILABLE");
    } finally {
      await kafka.kill("SIGCONT");
    }
    await waitFor(works, { what: "the edge to accept again" });
  });

  test("one tenant at fifty times another's load: every request of the other is accepted", async () => {
    await waitFor(works, { what: "the edge to accept" });
    const stop = await startFlood(app.listeningOrigin, keys.flood ?? "", 50);
    try {
      for (let n = 0; n < 50; n += 1) expect((await accepted(batch(10))).status).toBe(202);
    } finally {
      await stop();
    }
  });
});

/** Sends batches of 10 over some connections from a thread of its own, each as soon as the last one is answered. */
async function startFlood(origin: string, key: string, connections: number): Promise<() => Promise<unknown>> {
  const program = `
    const http = require("node:http");
    const { workerData, parentPort } = require("node:worker_threads");
    const { origin, key, connections } = workerData;
    const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
    const headers = { authorization: "Bearer " + key, "content-type": "application/cloudevents-batch+json" };
    let n = 0;
    const event = () => ({ specversion: "1.0", id: "f" + Date.now() + "-" + n++, source: "flood", type: "t", data: { n } });
    function send() {
      const request = http.request(origin + "/v1/events", { method: "POST", headers, agent }, (response) => {
        response.resume();
        response.on("end", () => { parentPort.postMessage("answered"); send(); });
      });
      request.on("error", () => {});
      request.end(JSON.stringify(Array.from({ length: 10 }, event)));
    }
    for (let i = 0; i < connections; i++) send();`;
  const worker = new Worker(program, { eval: true, workerData: { origin, key, connections } });
  await once(worker, "message");
  return () => worker.terminate();
}
