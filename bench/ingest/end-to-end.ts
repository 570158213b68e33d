import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import pg from "pg";
import { startCompose } from "../../tests/compose/start.js";
import { startPostgres } from "../../tests/servers/private-servers.js";
import { waitFor } from "../../tests/servers/servers.js";
import { ask } from "../../tests/support/client.js";
import * as world from "../../tests/whole-path/world.js";
import { EVENT_BYTES } from "./event.js";
import { buildMeasured, load } from "./processes.js";
import { report, round } from "./report.js";

// From a client's request to the total in billing, every role a process of its own, beside `COPY` of as many rows into a
// table without any index.

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    connections: { type: "string", default: "8" },
  },
});
const seconds = Number(values.seconds);
const BATCH = 100;
const REPEAT_PERCENT = 10;

await buildMeasured();
const copied = await copyRate(500_000);
const metrly = await startCompose({ env: { METRLY_DEMO: "off" } });
try {
  const admin = await metrly.adminToken();
  const key = await setUp(metrly.url, admin);
  const port = Number(new URL(metrly.url).port);
  const accounting = () => world.accountingOf(metrly.url, admin, "acme");
  const began = performance.now();
  const lags: number[] = [];
  const watching = setInterval(() => {
    void accounting().then(
      ({ inFlight }) => lags.push(inFlight),
      () => lags.push(Number.NaN),
    );
  }, 5_000);
  const sent = await load(
    { port, key },
    { connections: Number(values.connections), events: BATCH, seconds, warmup: 0, repeatPercent: REPEAT_PERCENT },
  );
  clearInterval(watching);
  const atEnd = await accounting();
  const settled = await waitFor(
    async () => {
      const now = await accounting();
      return now.inFlight === 0 && now.counted > 0 ? now : undefined;
    },
    { what: "everything to be counted", deadlineMs: 600_000 },
  );
  const took = (performance.now() - began) / 1_000;
  const counted = (settled.counted + settled.duplicates) / took;
  report("end to end", {
    copyRowsPerSecond: round(copied),
    acknowledgedPerSecond: round(sent.eventsPerSecond),
    countedPerSecond: round(counted),
    "of COPY": round(counted / copied, 2),
    inFlightEvery5s: lags,
    inFlightAtEnd: atEnd.inFlight,
    drainedAfterSeconds: round(took - seconds, 1),
    accounting: settled,
    statuses: sent.statuses,
  });
  if (world.sumOf(settled) !== settled.accepted) throw new Error("the accounting does not add up");
} finally {
  await metrly.stop();
}

async function setUp(url: string, admin: string): Promise<string> {
  await ask(url, admin, world.CREATE_METER, {
    input: {
      key: "requests",
      name: "requests",
      eventType: "api.request",
      aggregation: "COUNT",
      dimensions: ["region"],
    },
  });
  await ask(url, admin, world.CREATE_TENANT, { input: { id: "acme", name: "acme" } });
  const issued = await ask<{ issueApiKey: { secret: string } }>(url, admin, world.ISSUE_KEY, {
    input: { tenantId: "acme", name: "bench", scopes: ["INGEST"] },
  });
  const key = issued.issueApiKey.secret;
  // The edge hears of a key from the log.
  const probe = () =>
    load({ port: Number(new URL(url).port), key }, { connections: 1, events: 1, seconds: 0.2, warmup: 0 });
  await waitFor(async () => (await probe()).statuses["202"], { what: "the edge to know the key", deadlineMs: 30_000 });
  return key;
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
