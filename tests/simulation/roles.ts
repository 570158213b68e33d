import { type Logger, pino } from "pino";
import { Registry } from "prom-client";
import type { JobQueues } from "#platform/job-queue/job-queue.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { startOutboxRelay } from "#platform/outbox/outbox.js";
import { systemClock } from "#platform/process/clock.js";
import { CLOSE_QUEUE } from "#schema/queues.js";
import { BILLING_EVENTS } from "#schema/topics.js";
import type { CloseJob } from "../../workers/billing/closing/close-job.js";
import { startCloseWorker } from "../../workers/billing/closing/close-worker.js";
import { startMerging } from "../../workers/billing/merge.js";
import { createAggregator } from "../../workers/billing/usage-recorded.js";
import { createAppender } from "../../workers/ingestion/intake/appender.js";
import { createMetrics } from "../../workers/ingestion/metrics.js";
import { createDimensionLimit } from "../../workers/ingestion/recorder/dimension-limit.js";
import { type Publisher, startPublisher } from "../../workers/ingestion/recorder/publisher.js";
import { type Recorder, startRecorder } from "../../workers/ingestion/recorder/recorder.js";
import { startTicks, type Ticks } from "../../workers/ingestion/recorder/ticks.js";
import { startTrimming } from "../../workers/ingestion/recorder/trim.js";
import { ensureLedgerMonths, readLedger } from "../../workers/ingestion/store/ledger.js";
import type { SimulatedDatabase } from "./database.js";
import type { SimulatedLog } from "./log.js";
import { tenancyCopy } from "./tenancy.js";
import type { Receive } from "./workload.js";

/** The code of one process: composed as its `main.ts` does, without HTTP. */
export interface RoleContext {
  readonly log: ReturnType<SimulatedLog["of"]>;
  readonly jobs: JobQueues;
  readonly partitionCount: number;
  openDatabase(name: "ingestion" | "billing"): SimulatedDatabase;
  /** What the process would end with an error for. */
  fail(error: unknown): void;
  /** What the process would log. */
  report(error: unknown): void;
}

const logger: Logger = pino({ level: "silent" });
const MAX_DIMENSION_VALUES = 100;
const TICK_MS = 5_000;

/** Edge, recorder, publisher, ticks and trimming; the answer takes clients' events. */
export async function startIngestionRole(context: RoleContext): Promise<Receive> {
  const { log, partitionCount, report } = context;
  const database = context.openDatabase("ingestion");
  await ensureLedgerMonths(database, systemClock.now());
  const tenancy = tenancyCopy();
  const metrics = createMetrics(new Registry());
  const appender = createAppender({ log, partitionCount, tenancyVersion: tenancy.version, onError: report });
  const parts: { recorder?: Recorder; ticks?: Ticks } = {};
  const assigned = () => parts.recorder?.assigned() ?? [];
  const publisher: Publisher = startPublisher({
    database,
    log,
    clock: systemClock,
    metrics,
    assigned,
    onError: report,
  });
  const recorder = await startRecorder({
    database,
    tenancy,
    dimensions: createDimensionLimit(MAX_DIMENSION_VALUES),
    clock: systemClock,
    log,
    partitionCount,
    metrics,
    logger,
    onRecorded: publisher.offer,
    onTick: (agreed) => parts.ticks?.seen(agreed),
    onHole: context.fail,
  });
  parts.recorder = recorder;
  parts.ticks = startTicks({ log, database, clock: systemClock, logger, intervalMs: TICK_MS, assigned });
  startTrimming(log, recorder, report);
  return (events) => {
    const receivedAt = systemClock.now();
    const items = events.map(({ tenantId, source, id, type, time, amount }) => {
      return { tenantId, source, id, type, time, receivedAt, data: JSON.stringify({ amount }) };
    });
    return appender.append(items, items[0]?.tenantId ?? "", 1);
  };
}

/** The consumer that aggregates, with the ledger API of an ingestion process behind it; closing, merging and the outbox. */
export async function startBillingRole(context: RoleContext): Promise<undefined> {
  const { log, partitionCount, jobs, report } = context;
  const database = context.openDatabase("billing");
  const ledgerDatabase = context.openDatabase("ingestion");
  const ledger: LedgerClient = {
    read: (query) => readLedger(ledgerDatabase, query),
  };
  const tenancy = tenancyCopy();
  const queue = jobs.queue<CloseJob>(CLOSE_QUEUE);
  const relay = startOutboxRelay({ database, log, topics: [BILLING_EVENTS], onError: report });
  startCloseWorker({
    ...{ database, tenancy, clock: systemClock, jobs, queue, logger },
    onFailed: () => undefined,
    onClosed: relay.kick,
  });
  startMerging({ database, tenancy, clock: systemClock, partitions: partitionCount, onError: report });
  const aggregator = createAggregator({
    tenancy,
    ledger,
    queue,
    clock: systemClock,
    partitions: partitionCount,
  });
  await startLedgerConsumer({
    log,
    group: "billing-aggregate",
    database,
    ledger,
    tenancy,
    prepare: (partition, entries) => aggregator.prepare(database.pool, partition, entries),
    apply: aggregator.apply,
    onError: report,
    // A restart reads what the log deleted from the ledger.
    onHole: context.fail,
    onMalformed: context.fail,
  });
}
