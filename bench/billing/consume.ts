import "../support/full-speed.js";
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { partitionOf } from "#kernel/partition.js";
import { openDatabase } from "#platform/database/database.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { encodeItem, receivedText } from "#schema/events/usage-received.v2.js";
import { TOPICS, USAGE_RECEIVED } from "#schema/topics.js";
import { startKafka } from "../../tests/servers/private-servers.js";
import { createTestDatabase } from "../../tests/servers/servers.js";
import { buildMeasured, startServer } from "../support/processes.js";
import { report, round } from "../support/report.js";
import { eventOf } from "./events.js";

/**
 * Throughput of one billing process consuming `usage.recorded`, against one ingestion process that recorded and published the
 * same events: each alone, from a full Kafka topic. Needs `DATABASE_URL`.
 */
const { values: options } = parseArgs({
  options: { events: { type: "string", default: "500000" }, "profile-dir": { type: "string", default: "" } },
});
const EVENTS = Number(options.events);
const PARTITIONS = 4;
const TENANTS = 24;
const PER_RECORD = 100;

const kafka = await startKafka();
const [recording, billing] = await Promise.all([createTestDatabase("recording"), createTestDatabase("billing")]);
await buildMeasured();
const log = await connectKafkaLog({ brokers: kafka.brokers, clientId: "bench", replicationFactor: 1 });
await log.ensureTopics(TOPICS, PARTITIONS);

/** Records as the edge writes them: of one tenant, with many events each. */
for (let n = 0; n < EVENTS; ) {
  const tenantId = `tenant-${(n / PER_RECORD) % TENANTS}`;
  const values = Array.from({ length: PER_RECORD }, () => {
    const { recordedAt: _, seq: __, tenancyVersion: ___, kind: ____, ...event } = eventOf(n, EVENTS, tenantId);
    n += 1;
    return encodeItem({ ...event, id: randomUUID() });
  });
  const value = Buffer.from(receivedText(values, 1));
  await log.append(USAGE_RECEIVED, partitionOf(tenantId, PARTITIONS), [{ value }]);
}

/** Seconds from the first to the last record of a process. */
async function secondsOf(name: string, url: string, query: string): Promise<number> {
  const database = await openDatabase({
    ...{ url, migrationsDir: migrationsDirOf(name === "billing/server-billing" ? "billing" : "ingestion") },
    onError: () => undefined,
  });
  const done = async (): Promise<number> => (await database.pool.query<{ n: number }>(query)).rows[0]?.n ?? 0;
  const profileDir = options["profile-dir"] || undefined;
  const server = await startServer(name, { url, brokers: kafka.brokers, partitions: PARTITIONS }, profileDir);
  while ((await done()) === 0) await wait(5);
  const [start, before] = [performance.now(), await done()];
  let end = before;
  while (end < EVENTS) {
    await wait(20);
    end = await done();
  }
  const seconds = ((performance.now() - start) / (end - before)) * (EVENTS / 1000);
  await server.stop();
  await database.stop();
  return seconds;
}

const recorded = await secondsOf(
  ...([
    "billing/server-recorder",
    recording.url,
    "SELECT coalesce(sum(published), 0)::int AS n FROM publisher_cursor",
  ] as const),
);
const consumed = await secondsOf(
  ...(["billing/server-billing", billing.url, "SELECT coalesce(sum(seq), 0)::int AS n FROM high_water_mark"] as const),
);
report(`consuming ${EVENTS} recorded events, COUNT and SUM with two dimensions`, {
  ...{ recordedPerSecond: round(EVENTS / recorded), consumedPerSecond: round(EVENTS / consumed) },
  timesRecorder: round(recorded / consumed, 2),
});
await log.stop();
await Promise.all([recording.drop(), billing.drop(), kafka.stop()]);
