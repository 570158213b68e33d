import type { LogConsumer } from "#platform/event-log/event-log.js";
import { malformedAlarm } from "#platform/event-log/read-records.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { startOutboxRelay } from "#platform/outbox/outbox.js";
import { logRetried } from "#platform/process/logger.js";
import type { ServiceContext } from "#platform/process/service.js";
import { CLOSE_QUEUE } from "#schema/queues.js";
import { BILLING_EVENTS } from "#schema/topics.js";
import type { CloseJob } from "./closing/close-job.js";
import { startCloseWorker } from "./closing/close-worker.js";
import { startTestClocks } from "./closing/test-clocks.js";
import { startMerging } from "./merge.js";
import { createBillingMetrics } from "./metrics.js";
import { createAggregator } from "./usage-recorded.js";

/** Billing without its interfaces, which `main.ts` adds: aggregation, closing, merging and the outbox, on any ports. */
export async function startBillingCore(context: ServiceContext) {
  const { clock, jobs, ledger, log, logger, tenancy } = context;
  const { partitions } = context.config;
  const metrics = createBillingMetrics(context.metrics);
  const database = await context.openDatabase("billing");
  const onError = (error: unknown): void => logRetried(logger, error, "billing retries after an error");
  const queue = jobs.queue<CloseJob>(CLOSE_QUEUE);
  const aggregator = createAggregator({
    ...{ tenancy, ledger, queue, clock, partitions },
    onApplied: (partition, last) =>
      metrics.lagSeconds.set({ partition: String(partition) }, (clock.now() - last.recordedAt) / 1000),
  });
  const relay = startOutboxRelay({ database, log, topics: [BILLING_EVENTS], onError });
  const worker = startCloseWorker({
    ...{ database, tenancy, clock, jobs, queue, logger },
    onFailed: () => metrics.closeFailures.inc(),
    onClosed: (invoiced) => {
      metrics.closes.inc();
      if (invoiced) metrics.invoices.inc();
      relay.kick();
    },
  });
  const merging = startMerging({ database, tenancy, clock, partitions, onError });
  const testClocks = startTestClocks({ database, tenancy, log, clock, partitions, onError });
  let consumer: LogConsumer | undefined;

  return {
    ...{ database, relay, onError },
    consumer: () => consumer,
    /** Begins to aggregate: the ledger can be read. */
    async begin(): Promise<void> {
      consumer = await startLedgerConsumer({
        ...{ log, database, ledger, tenancy, onError },
        group: "billing-aggregate",
        prepare: (partition, entries) => aggregator.prepare(database.under("rebuild"), partition, entries),
        apply: aggregator.apply,
        onHole: context.fail,
        onMalformed: malformedAlarm(context.metrics, logger),
      });
    },
    async stop(): Promise<void> {
      await testClocks.stop();
      await consumer?.stop();
      aggregator.stop();
      await worker.stop();
      await merging.stop();
      await relay.stop();
      await database.stop();
    },
  };
}
