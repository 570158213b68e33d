import { randomUUID } from "node:crypto";
import path from "node:path";
import { parseArgs } from "node:util";
import { type Database, openDatabase } from "#platform/database/database.js";
import { systemClock } from "#platform/process/clock.js";
import { packageRoot } from "#platform/process/package-root.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { receivedColumns } from "#schema/columns/received.js";
import { createTestDatabase } from "../tests/servers/servers.js";
import { createDimensionLimit } from "../workers/ingestion/dimensions/dimension-limit.js";
import { recordStep } from "../workers/ingestion/recorder/recording.js";
import { decodeRecord } from "../workers/ingestion/rules/decode-record.js";
import { eventDigest, fingerprintDigest } from "../workers/ingestion/rules/fingerprint.js";
import { planSteps } from "../workers/ingestion/rules/plan-steps.js";
import { openCursor } from "../workers/ingestion/store/recording.js";

/**
 * The disk space of an event of 180 bytes (as a CloudEvent), and its recording time: one partition, batches of 1,000 in records
 * of 100, through the recorder's own code into the PostgreSQL of `DATABASE_URL`. `--known-keys` first adds random keys: only
 * the index of keys grows with the ledger, everything else is appended.
 */
const { values: options } = parseArgs({
  options: { events: { type: "string", default: "200000" }, "known-keys": { type: "string", default: "0" } },
});
const COUNT = Number(options.events);
const KNOWN_KEYS = Number(options["known-keys"]);
const KEYS_AT_ONCE = 1_000_000;
const PER_RECORD = 100;
const RECORDS_PER_BATCH = 10;
const TENANTS = 24;

function record(n: number): Buffer {
  const items = Array.from({ length: PER_RECORD }, (_, index) => {
    const tenantId = `tenant-${(n * PER_RECORD + index) % TENANTS}`;
    const data = JSON.stringify({
      region: index % 3 ? "eu" : "us",
      tokens: String((n * 7919 + index * 104_729) % 5_000),
    });
    const now = Date.now();
    const type = "api.request";
    const [source, id] = ["bench", randomUUID()];
    const [key, fingerprint] = [eventDigest(tenantId, source, id), fingerprintDigest(tenantId, type, data)];
    return { tenantId, source, id, type, time: now, receivedAt: now, data, key, fingerprint };
  });
  return receivedColumns(items, 0);
}

async function sizes(database: Database): Promise<Record<string, number>> {
  const { rows } = await database.pool.query<{ name: string; bytes: number }>(
    `SELECT CASE WHEN relname LIKE 'ledger%' THEN 'ledger' ELSE relname END AS name,
       sum(pg_total_relation_size(c.oid))::bigint AS bytes
     FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, bytes }) => [name, bytes]));
}

async function addKeys(count: number): Promise<void> {
  await database.pool.query(
    `INSERT INTO usage_key (partition, key, fingerprint, seq)
     SELECT 0, key, key, n FROM (SELECT gen_random_uuid() AS key, n FROM generate_series(1, $1::int) n) k ORDER BY key`,
    [count],
  );
}

const created = await createTestDatabase("ledger_size");
const migrationsDir = path.join(packageRoot(), "prisma/ingestion/migrations");
const database = await openDatabase({ url: created.url, migrationsDir, onError: () => undefined });
try {
  await openCursor(database, 0);
  const { reads: tenancy } = createTenancyState(systemClock);
  const dependencies = {
    writesColumns: () => true,
    database,
    tenancy,
    dimensions: createDimensionLimit(1_000),
    clock: systemClock,
  };
  for (let known = 0; known < KNOWN_KEYS; known += KEYS_AT_ONCE)
    await addKeys(Math.min(KEYS_AT_ONCE, KNOWN_KEYS - known));
  await database.pool.query("VACUUM ANALYZE usage_key");
  await database.pool.query("CHECKPOINT");
  const before = await sizes(database);
  let busyMs = 0;
  let decodeMs = 0;
  let bytes = 0;
  for (let n = 0; n < COUNT / PER_RECORD; n += RECORDS_PER_BATCH) {
    const values = Array.from({ length: RECORDS_PER_BATCH }, (_, index) => record(n + index));
    const start = performance.now();
    const records = values.map((value, index) => ({
      ...{ offset: n + index, timestamp: Date.now(), value },
      decoded: decodeRecord(value, 0, 1),
    }));
    const steps = planSteps(records);
    decodeMs += performance.now() - start;
    for (const step of steps) await recordStep(dependencies, 0, step);
    busyMs += performance.now() - start;
    bytes += values.reduce((sum, value) => sum + value.length, 0);
  }
  await database.pool.query("VACUUM ANALYZE");
  const after = await sizes(database);
  const perEvent = (name: string) => ((after[name] ?? 0) - (before[name] ?? 0)) / COUNT;
  const total = Object.keys(after).reduce((sum, name) => sum + perEvent(name), 0);
  const report = {
    events: COUNT,
    knownKeys: KNOWN_KEYS,
    logBytesPerEvent: bytes / COUNT,
    ledgerBytesPerEvent: perEvent("ledger"),
    dedupBytesPerEvent: perEvent("usage_key"),
    totalBytesPerEvent: total,
    target: 250,
    recorderMicrosPerEvent: (busyMs / COUNT) * 1000,
    ofWhichDecoding: (decodeMs / COUNT) * 1000,
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
} finally {
  await database.stop();
  await created.drop();
}
