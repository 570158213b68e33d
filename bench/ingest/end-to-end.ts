import "../support/full-speed.js";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import pg from "pg";
import { startPostgres } from "../../tests/servers/private-servers.js";
import { waitFor } from "../../tests/servers/servers.js";
import { ask, subscribe } from "../../tests/support/client.js";
import { graphql } from "../../tests/support/graphql/index.js";
import { startCompose } from "../../tests/systems/compose/start.js";
import * as world from "../../tests/systems/whole-path/world.js";
import type { LoadResult } from "../support/load.js";
import { buildMeasured, type Listening, load } from "../support/processes.js";
import { report, round } from "../support/report.js";
import { EVENT_BYTES } from "../support/requests.js";

// From a client's request to the total in billing, with every role in a separate process, against `COPY` of as many rows into a
// table without an index; then, at half the counted rate, the delay until an event is in the total, and until an alert about a
// crossed limit is on a subscriber's socket.

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    connections: { type: "string", default: "8" },
    /** Events per second that clients send; 0: as fast as possible. */
    rate: { type: "string", default: "0" },
    "visible-seconds": { type: "string", default: "30" },
  },
});
const seconds = Number(values.seconds);
const BATCH = 100;
const REPEAT_PERCENT = 10;
const VISIBLE_POLL_MS = 20;
const PROBE = "probe";
const TOTAL = graphql(`
  query EndToEndTotal($tenantId: ID!) { tenant(id: $tenantId) { usageTotals(meter: "probes") { quantity } } }
`);
const ALERTED = "alerted";
const ALERTED_METERS = 10;
/** Each event of a meter crosses the next threshold, and the tenth the limit. */
const WARN_AT = Array.from({ length: 9 }, (_, n) => `0.${n + 1}`);
let probes = 0;

await buildMeasured();
const copied = await copyRate(500_000);
const metrly = await startCompose({ env: { METRLY_DEMO: "off" } });
try {
  const admin = await metrly.adminToken();
  await createMeter(admin, "requests", "api.request");
  await createMeter(admin, "probes", "probe.sent");
  const [key, probeKey] = [await createTenant(admin, "acme"), await createTenant(admin, PROBE)];
  const counted = await measureThroughput(admin, key);
  await measureVisible(admin, key, probeKey, counted / 2);
  await measureAlerts(admin, key, counted / 2);
} finally {
  await metrly.stop();
}

async function measureThroughput(admin: string, key: Listening): Promise<number> {
  const accounting = () => world.accountingOf(metrly.url, admin, "acme");
  const before = await settled(accounting);
  const began = performance.now();
  const lags: number[] = [];
  const watching = setInterval(() => {
    void accounting().then(
      ({ inFlight }) => lags.push(inFlight),
      () => lags.push(Number.NaN),
    );
  }, 5_000);
  const sent = await send(key, seconds, Number(values.rate));
  clearInterval(watching);
  const atEnd = await accounting();
  const after = await settled(accounting);
  const took = (performance.now() - began) / 1_000;
  const counted = (after.accepted - before.accepted) / took;
  report("end to end", {
    copyRowsPerSecond: round(copied),
    acknowledgedPerSecond: round(sent.eventsPerSecond),
    countedPerSecond: round(counted),
    "of COPY": round(counted / copied, 3),
    inFlightEvery5s: lags,
    inFlightAtEnd: atEnd.inFlight,
    drainedAfterSeconds: round(took - seconds, 1),
    accounting: after,
    statuses: sent.statuses,
  });
  if (world.sumOf(after) !== after.accepted) throw new Error("the accounting does not add up");
  return counted;
}

/** The time from the 202 of a single event until its tenant's total includes it, under load. */
async function measureVisible(admin: string, key: Listening, probeKey: Listening, rate: number): Promise<void> {
  const forSeconds = Number(values["visible-seconds"]);
  const loading = send(key, forSeconds, rate);
  const until = performance.now() + forSeconds * 1_000;
  const latencies: number[] = [];
  let expected = await totalOf(admin);
  while (performance.now() < until) {
    await sendProbe(probeKey);
    expected += 1;
    const acknowledged = performance.now();
    while ((await totalOf(admin)) < expected) await delay(VISIBLE_POLL_MS);
    latencies.push(performance.now() - acknowledged);
    await delay(100 * Math.random());
  }
  await loading;
  const sorted = latencies.sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.floor(sorted.length * share)] ?? Number.NaN);
  report("acknowledged to visible in the total, ms", {
    eventsPerSecond: round(rate),
    p50: at(0.5),
    p99: at(0.99),
    samples: sorted.length,
  });
}

/** The time from the 202 of an event that crosses a threshold to the alert on a socket, under load. */
async function measureAlerts(admin: string, key: Listening, rate: number): Promise<void> {
  const meters = Array.from({ length: ALERTED_METERS }, (_, n) => `alerted${n}`);
  for (const meter of meters) await createMeter(admin, meter, meter);
  const limits = meters.map((meter) => ({
    meter,
    window: "BILLING_PERIOD",
    kind: "SOFT",
    limit: "10",
    warnAt: WARN_AT,
  }));
  const plan = { id: ALERTED, name: ALERTED, version: { currency: "EUR", recurringFee: "0", prices: [], limits } };
  await ask(metrly.url, admin, world.CREATE_PLAN, { input: plan });
  const alertedKey = await createTenant(admin, ALERTED, ALERTED);
  const { received, errors, stop } = subscribe(metrly.url, admin, world.ALERTS, { tenantId: ALERTED });
  const samples = ALERTED_METERS * (WARN_AT.length + 1);
  const loading = send(key, 60, rate);
  const latencies: number[] = [];
  await delay(5_000);
  for (const meter of meters) {
    for (let n = 0; n <= WARN_AT.length; n += 1) {
      const before = received.length;
      await sendProbe(alertedKey, meter);
      const acknowledged = performance.now();
      while (received.length === before) {
        if (performance.now() - acknowledged > 30_000) throw new Error(`no alert came: ${JSON.stringify(errors)}`);
        await delay(2);
      }
      latencies.push(performance.now() - acknowledged);
      await delay(200 * Math.random());
    }
  }
  await loading;
  await stop();
  const sorted = latencies.sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.floor(sorted.length * share)] ?? Number.NaN);
  report("acknowledged to the alert on a socket, ms", {
    eventsPerSecond: round(rate),
    p50: at(0.5),
    p99: at(0.99),
    samples,
  });
}

function send(key: Listening, forSeconds: number, rate: number): Promise<LoadResult> {
  return load(key, {
    connections: Number(values.connections),
    events: BATCH,
    seconds: forSeconds,
    warmup: 0,
    repeatPercent: REPEAT_PERCENT,
    rate,
  });
}

async function settled<T extends { readonly inFlight: number }>(accounting: () => Promise<T>): Promise<T> {
  const atRest = async () => {
    const now = await accounting();
    return now.inFlight === 0 ? now : undefined;
  };
  return waitFor(atRest, { what: "everything to be counted", deadlineMs: 600_000 });
}

async function sendProbe({ key }: Listening, type = "probe.sent"): Promise<void> {
  probes += 1;
  const response = await fetch(`${metrly.url}/v1/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/cloudevents+json" },
    body: JSON.stringify({ specversion: "1.0", id: `${process.pid}-${probes}`, source: "bench", type }),
  });
  if (response.status !== 202) throw new Error(`a probe was answered ${response.status}`);
}

async function totalOf(admin: string): Promise<number> {
  const { tenant } = await ask(metrly.url, admin, TOTAL, { tenantId: PROBE });
  return tenant.usageTotals.reduce((sum, { quantity }) => sum + Number(quantity), 0);
}

async function createMeter(admin: string, key: string, eventType: string): Promise<void> {
  const input = { key, name: key, eventType, aggregation: "COUNT", dimensions: key === "requests" ? ["region"] : [] };
  await ask(metrly.url, admin, world.CREATE_METER, { input });
}

async function createTenant(admin: string, tenantId: string, planId?: string): Promise<Listening> {
  await ask(metrly.url, admin, world.CREATE_TENANT, { input: { id: tenantId, name: tenantId, planId } });
  const issued = await ask(metrly.url, admin, world.ISSUE_KEY, {
    input: { tenantId, name: "bench", scopes: ["INGEST"] },
  });
  const listening = { port: Number(new URL(metrly.url).port), key: issued.issueApiKey.secret };
  // The edge learns about a key from the log.
  const probe = () => load(listening, { connections: 1, events: 1, seconds: 0.2, warmup: 0 });
  await waitFor(async () => (await probe()).statuses["202"], { what: "the edge to know the key", deadlineMs: 30_000 });
  return listening;
}

/** Rows per second of `COPY` with the columns that an event has, into a table without an index. */
async function copyRate(rows: number): Promise<number> {
  const postgres = await startPostgres();
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  try {
    await client.query("CREATE TABLE events (tenant text, source text, id text, type text, time bigint, data text)");
    const data = `'{"path":"/v1/search","note":"${"x".repeat(EVENT_BYTES - 120)}"}'`;
    const select = `SELECT 'acme', 'bench', 'id' || n, 'api.request', 1790000000000 + n, ${data} FROM generate_series(1, ${rows}) n`;
    const file = path.join(tmpdir(), `metrly-bench-${process.pid}.copy`);
    await client.query(`COPY (${select}) TO '${file}'`);
    const began = performance.now();
    await client.query(`COPY events FROM '${file}'`);
    const rate = rows / ((performance.now() - began) / 1_000);
    await client.query(`COPY (SELECT 1 WHERE false) TO PROGRAM 'rm -f ${file}'`);
    return rate;
  } finally {
    await client.end();
    await postgres.stop();
  }
}
