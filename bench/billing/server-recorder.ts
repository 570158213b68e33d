import { pino } from "pino";
import { Registry } from "prom-client";
import { openDatabase } from "#platform/database/database.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { createDimensionLimit } from "../../workers/ingestion/dimensions/dimension-limit.js";
import { createMetrics } from "../../workers/ingestion/metrics.js";
import { startPublisher } from "../../workers/ingestion/recorder/publisher.js";
import { type Recorder, startRecorder } from "../../workers/ingestion/recorder/recorder.js";
import { ensureLedgerMonths } from "../../workers/ingestion/store/ledger.js";
import { optionsOf, serve } from "../support/measured.js";
import { METERS } from "./events.js";

// Ingestion's recorder and publisher, without its edge.
const { url, brokers, partitions } = optionsOf<{ url: string; brokers: string[]; partitions: number }>();
const database = await openDatabase({ url, onError: () => undefined });
await ensureLedgerMonths(database, Date.now());
const log = await connectKafkaLog({ brokers, clientId: "recorder", replicationFactor: 1 });
const { reads: tenancy, apply } = createTenancyState(systemClock);
for (const meter of METERS) apply(meter);
const common = { writesColumns: () => true, database, log, clock: systemClock, metrics: createMetrics(new Registry()) };
let recorder: Recorder | undefined;
const publisher = startPublisher({ ...common, assigned: () => recorder?.assigned() ?? [], onError: console.error });
recorder = await startRecorder({
  ...{ ...common, tenancy, dimensions: createDimensionLimit(1_000), partitionCount: partitions },
  logger: pino({ level: "error" }),
  onRecorded: publisher.offer,
  onTick: () => undefined,
  onHole: (error) => {
    throw error;
  },
});
serve({ port: 0, key: "" }, async () => {
  await recorder.stop();
  await publisher.stop();
  await log.stop();
  await database.stop();
});
