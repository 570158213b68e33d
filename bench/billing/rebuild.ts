import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { partitionOf } from "#kernel/partition.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import type { RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { createTestDatabase } from "../../tests/servers/servers.js";
import { ensureLedgerMonths } from "../../workers/ingestion/store/ledger.js";
import { appendToLedger, openCursor } from "../../workers/ingestion/store/recording.js";
import { buildMeasured, runMeasured, startServer } from "../support/processes.js";
import { report, round } from "../support/report.js";
import { eventOf, PERIOD } from "./events.js";
import type { RebuildMeasured } from "./rebuild-once.js";

/** `metrly rebuild` against PostgreSQL's own scan and GROUP BY of the same events. Needs `DATABASE_URL`. */
const { values: options } = parseArgs({
  options: {
    events: { type: "string", default: "1000000,10000000" },
    "profile-dir": { type: "string", default: "" },
  },
});
const PARTITIONS = 4;
const TENANTS = 24;
const ENTRIES_AT_ONCE = 10_000;
const secret = randomUUID() + randomUUID();

/** Events of a month, in the order of time, in as many ledgers as there are partitions. */
async function fill(database: Database, count: number): Promise<void> {
  await ensureLedgerMonths(database, PERIOD.start);
  const waiting = Array.from({ length: PARTITIONS }, () => [] as RecordedEvent[]);
  const heads = waiting.map(() => 0);
  async function append(partition: number): Promise<void> {
    const entries = waiting[partition] ?? [];
    await database.transaction((tx) => appendToLedger(tx, partition, entries));
    waiting[partition] = [];
  }
  for (let n = 0; n < count; n += 1) {
    const tenantId = `tenant-${n % TENANTS}`;
    const partition = partitionOf(tenantId, PARTITIONS);
    const seq = (heads[partition] ?? 0) + 1;
    heads[partition] = seq;
    // Of one recording, like a batch.
    const recordedAt = PERIOD.start + Math.floor((seq * PARTITIONS) / ENTRIES_AT_ONCE);
    waiting[partition]?.push({ ...eventOf(n, count, tenantId), id: randomUUID(), seq, recordedAt });
    if (waiting[partition]?.length === ENTRIES_AT_ONCE) await append(partition);
  }
  for (const [partition, seq] of heads.entries()) {
    await append(partition);
    await openCursor(database, partition);
    await database.pool.query("UPDATE recorder_cursor SET seq = $2 WHERE partition = $1", [partition, seq]);
  }
}

/** Seconds of one serial scan with GROUP BY, over events as received and over columns. */
async function scans(database: Database): Promise<{ json: number; columns: number }> {
  await database.pool.query(`CREATE TABLE event AS SELECT tenant_id, source, id, type, timestamp 'epoch' +
    time_ms * interval '1 millisecond' AS time, data::jsonb AS data FROM ledger`);
  await database.pool.query(`CREATE TABLE event_columns AS SELECT tenant_id, source, id, type, time, data->>'region' AS region,
    data->>'model' AS model, (data->>'tokens')::numeric AS tokens FROM event`);
  await database.pool.query("VACUUM ANALYZE event, event_columns");
  const client = await database.pool.connect();
  try {
    for (const setting of ["max_parallel_workers_per_gather = 0", "jit = off", "work_mem = '256MB'"])
      await client.query(`SET ${setting}`);
    const seconds = async (region: string, model: string, tokens: string, table: string): Promise<number> => {
      const start = performance.now();
      await client.query(`SELECT tenant_id, date_trunc('hour', time), ${region}, ${model}, count(*), sum(${tokens})
                            FROM ${table} GROUP BY 1, 2, 3, 4`);
      return (performance.now() - start) / 1000;
    };
    const [json, columns] = [
      () => seconds("data->>'region'", "data->>'model'", "(data->>'tokens')::numeric", "event"),
      () => seconds("region", "model", "tokens", "event_columns"),
    ];
    await json();
    await columns();
    return { json: await json(), columns: await columns() };
  } finally {
    client.release();
  }
}

async function rebuildOf(count: number): Promise<void> {
  const [ledger, billing] = [await createTestDatabase("ledger"), await createTestDatabase("billing")];
  const database = await openDatabase({
    ...{ url: ledger.url, migrationsDir: migrationsDirOf("ingestion"), onError: () => undefined },
  });
  const profileDir = options["profile-dir"];
  try {
    await fill(database, count);
    const server = await startServer(
      "billing/server-ledger",
      { url: ledger.url, partitions: PARTITIONS, secret },
      profileDir || undefined,
    );
    const run = async (checkOnly: boolean): Promise<RebuildMeasured> => {
      const args = { port: server.port, url: billing.url, partitions: PARTITIONS, secret, checkOnly };
      return JSON.parse(await runMeasured("billing/rebuild-once", [JSON.stringify(args)], profileDir || undefined));
    };
    // The first run puts its result in place of live usage; the second rebuilds and compares it.
    await run(false);
    const measured = await run(true);
    if (measured.differences !== 0 || measured.events !== count) throw new Error(JSON.stringify(measured));
    await server.stop();
    const { json, columns } = await scans(database);
    report(`rebuilding ${count} events, COUNT and SUM with two dimensions`, {
      ...{ seconds: round(measured.seconds, 1), eventsPerSecond: round(count / measured.seconds) },
      ...{ ofScanOfJson: round(json / measured.seconds, 2), ofScanOfColumns: round(columns / measured.seconds, 2) },
      ...{ peakRssMb: round(measured.peakRssMb), cells: measured.cells },
    });
  } finally {
    await database.stop();
    await Promise.all([ledger.drop(), billing.drop()]);
  }
}

await buildMeasured();
for (const count of options.events.split(",")) await rebuildOf(Number(count));
