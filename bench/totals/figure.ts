import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { type Database, openDatabase } from "#platform/database/database.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { startPostgres } from "../../tests/servers/private-servers.js";
import { serverDir } from "../../tests/servers/run-dir.js";
import { UNBOUNDED } from "../../workers/billing/store/usage.js";
import { allCells } from "../../workers/billing/world.testing.js";
import { eventOf, PERIOD } from "../billing/events.js";
import { createScanned, fill, PARTITIONS, scanOf, TENANTS, useOneProcess } from "../billing/ledger.js";
import type { RebuildMeasured } from "../billing/rebuild-once.js";
import { npmPeer, whenAvailable } from "../peers/install.js";
import { cpuMsOf } from "../suite/cpu.js";
import type { Arena, Contestant, Figure, Measured } from "../suite/figure.js";
import { versionOf } from "../suite/versions.js";
import { type MeasuredServer, runMeasured, startProgram, startServer } from "../support/processes.js";

const EVENTS = 500_000;
const POSTGRES = "PostgreSQL, GROUP BY over columns";
const ALL = "all events to totals by hour and dimensions, events";
const ONE = "one tenant's totals of the month, answers";
const COLUMNS = { table: "event_columns", region: "region", model: "model", tokens: "tokens" };
const TENANT = "tenant-7";
const ONE_TENANTS = `SELECT region, model, count(*), sum(tokens) FROM event_columns WHERE tenant_id = '${TENANT}' GROUP BY 1, 2`;

export const TOTALS: Figure = {
  name: "totals",
  title: "Totals of a month",
  text: `A month of ${EVENTS.toLocaleString("en")} events of ${TENANTS} tenants, a COUNT and a SUM meter with two dimensions. All events to totals is
what Metrly does in a rebuild: it reads the ledger in blocks of JSON over HTTP, folds exact decimals for every meter's rules, writes the cells
and compares them with the live ones; PostgreSQL (one process, as it would do beside its other work) and DuckDB (all cores) only group columns that
were extracted before. One tenant's totals Metrly keeps up to date and reads; the others compute them, PostgreSQL with an index on the tenant. CPU is that
of all processes.`,
  columns: [
    { key: "perSecond", title: "per second", better: "more", digits: 0 },
    { key: "cpuUs", title: "CPU µs each", better: "less", digits: 2 },
  ],
  base: POSTGRES,
  minutes: 3,
  seconds: 1,
  async start(scale) {
    const stops: (() => Promise<unknown>)[] = [];
    const stop = async () => {
      for (const stopOne of stops.splice(0).reverse()) await stopOne();
    };
    try {
      return await prepare(Math.ceil(EVENTS * scale), stops, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  },
};

async function prepare(count: number, stops: (() => Promise<unknown>)[], stop: () => Promise<void>): Promise<Arena> {
  const postgres = await startPostgres();
  stops.push(() => postgres.stop());
  const ledger = await openOwn(postgres.url(), "ingestion");
  stops.push(() => ledger.database.stop());
  await fill(ledger.database, count);
  await createScanned(ledger.database);
  await ledger.database.pool.query("CREATE INDEX ON event_columns (tenant_id)");
  const client = new pg.Client({ connectionString: ledger.url });
  await client.connect();
  stops.push(() => client.end());
  await useOneProcess(client);

  const secret = randomUUID() + randomUUID();
  const server = await startServer("billing/server-ledger", { url: ledger.url, partitions: PARTITIONS, secret });
  stops.push(() => server.stop());
  const billing = await openOwn(postgres.url(), "billing");
  stops.push(() => billing.database.stop());
  const rebuild = async (checkOnly: boolean): Promise<RebuildMeasured> => {
    const args = { port: server.port, url: billing.url, partitions: PARTITIONS, secret, checkOnly };
    const result: RebuildMeasured = JSON.parse(await runMeasured("billing/rebuild-once", [JSON.stringify(args)]));
    if (result.events !== count || (checkOnly && result.differences !== 0)) throw new Error(JSON.stringify(result));
    return result;
  };
  // Its result becomes live usage, which the others compare theirs with.
  await rebuild(false);

  const { database } = billing;
  const { rowCount } = await client.query(scanOf(COLUMNS));
  const duck = await whenAvailable("DuckDB", async () => {
    const folder = await npmPeer("duckdb");
    const server = await startDuck(folder, count);
    stops.push(() => server.stop());
    const { rows } = await server.ask<{ rows: number }>("all", "ran");
    if (rows !== rowCount) throw new Error(`DuckDB has ${rows} groups, PostgreSQL ${rowCount}`);
    return duckContestants(server, versionOf("@duckdb/node-api", folder), count);
  });
  const contestants: Contestant[] = [
    {
      ...{ name: POSTGRES, workload: ALL, kind: "reference", version: await versionOfServer(client) },
      measure: () => timed(count, () => client.query(scanOf(COLUMNS))),
    },
    {
      ...{ name: "Metrly, rebuild", workload: ALL, kind: "metrly" },
      measure: async () => {
        const before = await cpuMsOf([process.pid]);
        const { seconds } = await rebuild(true);
        const cpuMs = (await cpuMsOf([process.pid])) - before;
        return { perSecond: count / seconds, cpuUs: (cpuMs * 1_000) / count };
      },
    },
    ...duck.contestants,
    {
      ...{ name: POSTGRES, workload: ONE, kind: "reference", version: await versionOfServer(client) },
      measure: (seconds) => repeatedly(seconds, () => client.query(ONE_TENANTS)),
    },
    {
      ...{ name: "Metrly, stored totals", workload: ONE, kind: "metrly" },
      measure: (seconds) => repeatedly(seconds, () => readTotals(database)),
    },
  ];
  return { contestants: ordered(contestants), missing: duck.missing, stop };
}

const ordered = (contestants: readonly Contestant[]): Contestant[] =>
  [ALL, ONE].flatMap((workload) => contestants.filter((one) => one.workload === workload));

async function openOwn(
  serverUrl: string,
  service: "ingestion" | "billing",
): Promise<{ url: string; database: Database }> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  await client.query(`CREATE DATABASE bench_${service}`);
  await client.end();
  const url = new URL(serverUrl);
  url.pathname = `/bench_${service}`;
  const migrationsDir = migrationsDirOf(service);
  return {
    url: url.toString(),
    database: await openDatabase({ url: url.toString(), migrationsDir, onError: () => undefined }),
  };
}

async function versionOfServer(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ server_version: string }>("SHOW server_version");
  return rows[0]?.server_version ?? "";
}

function readTotals(database: Database): Promise<unknown> {
  const bounds = { from: PERIOD.start, to: PERIOD.end, maxSeq: UNBOUNDED, recordedBefore: UNBOUNDED };
  return allCells(database, [{ tenantId: TENANT, ...bounds, meter: null, bucketMs: 0 }]);
}

/** DuckDB with the events' columns. */
async function startDuck(folder: string, count: number): Promise<MeasuredServer> {
  const dir = await serverDir("duckdb");
  const csv = path.join(dir, "events.csv");
  await writeColumns(csv, count);
  const columns =
    "{tenant_id: 'VARCHAR', time: 'TIMESTAMP', region: 'VARCHAR', model: 'VARCHAR', tokens: 'DECIMAL(38, 9)'}";
  const server = await startProgram(path.join(folder, "server.mjs"), {
    file: path.join(dir, "events.duckdb"),
    create: `CREATE TABLE event_columns AS SELECT * FROM read_csv('${csv}', header = false, columns = ${columns})`,
    statements: { all: scanOf(COLUMNS), one: ONE_TENANTS },
  });
  return {
    ...server,
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function writeColumns(file: string, count: number): Promise<void> {
  const stream = createWriteStream(file);
  for (let n = 0; n < count; n += 1) {
    const { tenantId, time, data } = eventOf(n, count, `tenant-${n % TENANTS}`);
    const { region, model, tokens } = JSON.parse(data);
    const line = `${tenantId},${new Date(time).toISOString().replace("Z", "")},${region},${model},${tokens}\n`;
    if (!stream.write(line)) await once(stream, "drain");
  }
  stream.end();
  await once(stream, "close");
}

function duckContestants(server: MeasuredServer, version: string, count: number): Contestant[] {
  const common = { name: "DuckDB", kind: "peer", version } as const;
  return [
    { ...common, workload: ALL, measure: () => timed(count, () => server.ask("all", "ran")) },
    { ...common, workload: ONE, measure: (seconds) => repeatedly(seconds, () => server.ask("one", "ran")) },
  ];
}

/** One run over `count` events. */
async function timed(count: number, work: () => Promise<unknown>): Promise<Measured> {
  const [before, began] = [await cpuMsOf([process.pid]), performance.now()];
  await work();
  const seconds = (performance.now() - began) / 1_000;
  const cpuMs = (await cpuMsOf([process.pid])) - before;
  return { perSecond: count / seconds, cpuUs: (cpuMs * 1_000) / count };
}

/** One after the other. */
async function repeatedly(seconds: number, work: () => Promise<unknown>): Promise<Measured> {
  await work();
  const [before, began] = [await cpuMsOf([process.pid]), performance.now()];
  let count = 0;
  while (performance.now() - began < seconds * 1_000) {
    await work();
    count += 1;
  }
  const took = (performance.now() - began) / 1_000;
  const cpuMs = (await cpuMsOf([process.pid])) - before;
  return { perSecond: count / took, cpuUs: (cpuMs * 1_000) / count };
}
