import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { startRedis } from "../../tests/servers/private-servers.js";
import { openWorld } from "../../workers/notification/world.testing.js";
import { buildMeasured, startServer } from "../support/processes.js";
import { medianOf, report, round } from "../support/report.js";

/** Alerts to many subscribers, and webhooks while some receivers hang. Needs `DATABASE_URL`. */
const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "fan-out,idle,hanging" },
    subscribers: { type: "string", default: "1000" },
    alerts: { type: "string", default: "100" },
    sockets: { type: "string", default: "10000" },
    deliveries: { type: "string", default: "50000" },
    endpoints: { type: "string", default: "500" },
  },
});
const parts = new Set(options.only.split(","));
const QUERY = 'subscription { quotaAlerts(tenantId: "acme") { used seenBy tenant { name } } }';

/** A minimal client that only counts messages, since it shares the measured cores. */
function subscriber(port: number, onResult: () => void): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, "graphql-transport-ws");
    let isReady = false;
    socket.once("error", reject);
    socket.once("open", () => socket.send('{"type":"connection_init","payload":{"authorization":"x"}}'));
    socket.on("message", () => {
      if (isReady) return onResult();
      isReady = true;
      socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: QUERY } }));
      resolve(socket);
    });
  });
}

/** Milliseconds from an alert to the moment when the last of all subscribers has it. */
async function fanOutOf(kind: "metrly" | "graphql-ws"): Promise<number> {
  const count = Number(options.subscribers);
  const server = await startServer("notification/server-fan-out", { kind });
  let got = 0;
  const onResult = (): void => {
    got += 1;
  };
  const sockets = await Promise.all(Array.from({ length: count }, () => subscriber(server.port, onResult)));
  await wait(2_000);
  const times: number[] = [];
  for (let alert = 0; alert < Number(options.alerts); alert += 1) {
    got = 0;
    const start = performance.now();
    server.tell("publish");
    while (got < count) await new Promise((resolve) => setImmediate(resolve));
    times.push(performance.now() - start);
  }
  for (const socket of sockets) socket.terminate();
  await server.stop();
  return medianOf(times);
}

async function fanOut(): Promise<void> {
  const [theirs, ours] = [await fanOutOf("graphql-ws"), await fanOutOf("metrly")];
  report(`one alert to ${options.subscribers} subscribers`, {
    ...{ ms: round(ours, 1), graphqlWsMs: round(theirs, 1), timesGraphqlWs: round(theirs / ours, 1) },
  });
}

/** Idle subscriptions, and one alert to all of them at the end. */
async function idle(): Promise<void> {
  const count = Number(options.sockets);
  const server = await startServer("notification/server-fan-out", { kind: "metrly" });
  const before = await server.usage();
  let got = 0;
  const onResult = (): void => {
    got += 1;
  };
  const sockets: WebSocket[] = [];
  while (sockets.length < count)
    sockets.push(...(await Promise.all(Array.from({ length: 500 }, () => subscriber(server.port, onResult)))));
  await wait(3_000);
  const quiet = await server.usage();
  await wait(5_000);
  const later = await server.usage();
  const start = performance.now();
  server.tell("publish");
  while (got < count) await new Promise((resolve) => setImmediate(resolve));
  report(`${count} idle sockets`, {
    ...{ kbEach: round(((quiet.rssMb - before.rssMb) * 1_024) / count, 1), rssMb: round(quiet.rssMb) },
    ...{ cpuPercentIdle: round((later.cpuMs - quiet.cpuMs) / 50, 1), alertToLastMs: round(performance.now() - start) },
  });
  for (const socket of sockets) socket.terminate();
  await server.stop();
}

/** The time after which 99 of 100 deliveries to receivers that answer had arrived, all due at once. */
async function arrivals(redisUrl: string, hangingShare: number): Promise<{ p99: number; peakRssMb: number }> {
  const receiver = await startServer("notification/receiver", {});
  const endpoints = Number(options.endpoints);
  const healthy = Math.round(endpoints * 0.8);
  const each = Math.round(Number(options.deliveries) / endpoints);
  const world = await openWorld("bench", {}, { kind: "redis", url: redisUrl });
  // Creates the tables.
  await world.stopService(await world.start());
  const database = await world.openDatabase();
  await database.pool.query(
    `INSERT INTO webhook_endpoint (tenant_id, id, url, event_types)
     SELECT 'acme', 'whe_' || n, CASE WHEN n <= $2 THEN $1 || '/ok' ELSE $1 || '/hang' END, '{quota.warning}'
       FROM generate_series(1, $3) n`,
    [`http://127.0.0.1:${receiver.port}`, healthy, hangingShare > 0 ? endpoints : healthy],
  );
  await database.pool.query(
    `INSERT INTO webhook_secret (tenant_id, endpoint_id, id, secret)
     SELECT 'acme', id, 'whk_' || id, 'whsec_' || encode(sha256(id::bytea), 'base64') FROM webhook_endpoint`,
  );
  await database.pool.query(
    `INSERT INTO webhook_delivery (tenant_id, id, endpoint_id, event_id, event_type, payload, next_attempt_at)
     SELECT 'acme', 'whd_' || e.id || '_' || n, e.id, 'event-' || n, 'quota.warning', '{"type":"quota.warning","data":{}}', now()
       FROM webhook_endpoint e, generate_series(1, $1) n`,
    [each],
  );
  await database.pool.query("VACUUM ANALYZE webhook_delivery");
  const start = Date.now();
  const service = await world.start({ random: Math.random, firstPauseMs: 10_000, sweepEveryMs: 5_000 });
  let peakRssMb = 0;
  for (let done = 0; done < healthy * each; ) {
    await wait(250);
    peakRssMb = Math.max(peakRssMb, process.memoryUsage.rss() / 1_048_576);
    const { rows } = await database.pool.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM webhook_delivery WHERE status = 'DELIVERED'",
    );
    done = rows[0]?.n ?? 0;
  }
  const { rows } = await database.pool.query<{ p99: number }>(
    `SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM at) * 1000 + duration_ms)::float8 AS p99
       FROM webhook_attempt WHERE response_status = 200`,
  );
  await world.stopService(service);
  await database.stop();
  await world.close();
  await receiver.stop();
  return { p99: (rows[0]?.p99 ?? 0) - start, peakRssMb };
}

async function hanging(): Promise<void> {
  const redis = await startRedis();
  const without = await arrivals(redis.url, 0);
  const beside = await arrivals(redis.url, 0.2);
  await redis.stop();
  report(`${options.deliveries} due deliveries to ${options.endpoints} endpoints, a fifth of which hang`, {
    ...{ p99Seconds: round(beside.p99 / 1000, 1), withoutThemSeconds: round(without.p99 / 1000, 1) },
    ...{ ratio: round(beside.p99 / without.p99, 2), peakRssMb: [round(without.peakRssMb), round(beside.peakRssMb)] },
  });
}

await buildMeasured();
if (parts.has("fan-out")) await fanOut();
if (parts.has("idle")) await idle();
if (parts.has("hanging")) await hanging();
