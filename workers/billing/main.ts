import { forRequests } from "#platform/database/database.js";
import type { LogConsumer } from "#platform/event-log/event-log.js";
import { malformedAlarm } from "#platform/event-log/read-records.js";
import { consumerReasons } from "#platform/event-log/readiness.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { isStuck, startOutboxRelay } from "#platform/outbox/outbox.js";
import { logRetried } from "#platform/process/logger.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import type { Readiness, Service, ServiceContext } from "#platform/process/service.js";
import { CLOSE_QUEUE } from "#schema/queues.js";
import { BILLING_EVENTS } from "#schema/topics.js";
import type { CloseJob } from "./closing/close-job.js";
import { STUCK_AFTER_MS, startCloseWorker } from "./closing/close-worker.js";
import { startTestClocks } from "./closing/test-clocks.js";
import { createBillingSubgraph } from "./graph/resolvers.js";
import { registerRebuild } from "./http/rebuild.js";
import { startMerging } from "./merge.js";
import { createBillingMetrics } from "./metrics.js";
import { waitingCloses } from "./store/periods.js";
import { createAggregator } from "./usage-recorded.js";

/** Starts billing: its graph immediately, its consumer and worker on `begin`, when the ledger is available. */
export async function startBilling(context: ServiceContext): Promise<Service> {
  const { clock, logger, tenancy, jobs } = context;
  const metrics = createBillingMetrics(context.metrics);
  const database = await context.openDatabase("billing");
  const onError = (error: unknown): void => logRetried(logger, error, "billing retries after an error");
  const queue = jobs.queue<CloseJob>(CLOSE_QUEUE);
  const aggregator = createAggregator({
    tenancy,
    ledger: context.ledger,
    queue,
    clock,
    partitions: context.config.partitions,
    onApplied: (partition, last) =>
      metrics.lagSeconds.set({ partition: String(partition) }, (clock.now() - last.recordedAt) / 1000),
  });
  const relay = startOutboxRelay({ database, log: context.log, topics: [BILLING_EVENTS], onError });
  const worker = startCloseWorker({
    database,
    tenancy,
    clock,
    jobs,
    queue,
    logger,
    onFailed: () => metrics.closeFailures.inc(),
    onClosed: (invoiced) => {
      metrics.closes.inc();
      if (invoiced) metrics.invoices.inc();
      relay.kick();
    },
  });
  const merging = startMerging({ database, tenancy, clock, partitions: context.config.partitions, onError });
  const testClocks = startTestClocks({ ...context, partitions: context.config.partitions, database, onError });
  const subgraph = await createBillingSubgraph({
    ...{ ...context, partitions: context.config.partitions, database: forRequests(database) },
  });
  let consumer: LogConsumer | undefined;

  async function closeReasons(): Promise<string[]> {
    try {
      const [oldest] = await waitingCloses(database.pool, 1);
      const isStuck = oldest !== undefined && clock.now() - oldest.since > STUCK_AFTER_MS;
      return isStuck ? [`the close of a billing period of ${oldest.tenantId} is stuck`] : [];
    } catch (error) {
      onError(error);
      return ["billing's database does not answer"];
    }
  }

  async function readiness(): Promise<Readiness> {
    const reasons = consumerReasons("billing's consumer of usage.recorded", consumer);
    reasons.push(...(await closeReasons()));
    if (isStuck(relay)) reasons.push("closed periods and invoices are not announced");
    return { ready: reasons.length === 0, reasons };
  }

  return {
    name: "billing",
    subgraph,
    readiness,
    register: (app) =>
      registerRebuild(app, {
        ...{ database, tenancy, clock, onError, ledger: context.ledger, identityTokens: context.identityTokens },
        ...{ partitions: context.config.partitions, migrationsDir: migrationsDirOf("billing") },
      }),
    async begin() {
      consumer = await startLedgerConsumer({
        log: context.log,
        group: "billing-aggregate",
        database,
        ledger: context.ledger,
        tenancy,
        prepare: (partition, entries) => aggregator.prepare(database.pool, partition, entries),
        apply: aggregator.apply,
        onError,
        onHole: context.fail,
        onMalformed: malformedAlarm(context.metrics, logger),
      });
    },
    async stop() {
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
