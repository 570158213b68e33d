import { partitionOf } from "#kernel/partition.js";
import type { LogConsumer } from "#platform/event-log/event-log.js";
import { malformedAlarm } from "#platform/event-log/read-records.js";
import { consumerReasons } from "#platform/event-log/readiness.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { isStuck, startOutboxRelay } from "#platform/outbox/outbox.js";
import { systemClock } from "#platform/process/clock.js";
import type { Readiness, Service, ServiceContext } from "#platform/process/service.js";
import { QUOTA_ALERTS } from "#schema/topics.js";
import type { QuotaCounters } from "./counters/counters.js";
import { createMemoryQuotaCounters } from "./counters/memory/memory.js";
import { createRedisQuotaCounters } from "./counters/redis/redis.js";
import { createBounds } from "./gate/bounds.js";
import { createDenialAlerts } from "./gate/denial-alerts.js";
import { createDenialLog } from "./gate/denial-log.js";
import { createGate } from "./gate/gate.js";
import { createCounterLoader } from "./gate/loader.js";
import { createTenantLimits } from "./gate/tenant-limits.js";
import { buildQuotaSubgraph } from "./graph/resolvers.js";
import { registerDataPlane } from "./http/data-plane.js";
import { registerReconciliation } from "./http/reconcile.js";
import { createMetrics } from "./metrics.js";
import { startPruning } from "./prune.js";
import { startReconciler } from "./reconciliation/reconciler.js";
import { createQuotaStore } from "./store/store.js";
import { createUsageRecorded } from "./usage-recorded.js";

/** Allows or denies in real time, settles recorded usage, raises alerts: see README.md. */
export async function startQuota(context: ServiceContext): Promise<Service> {
  const { clock, config, tenancy, log } = context;
  const logger = context.logger.child({ service: "quota" });
  const onError = (error: unknown): void => logger.warn({ err: error }, "quota recovers from an error");
  const counters = await openCounters(context, onError);
  const database = await context.openDatabase("quota");
  const metrics = createMetrics(context.metrics);
  const store = createQuotaStore(database, (tenantId) => partitionOf(tenantId, config.partitions));
  const limits = createTenantLimits(tenancy, clock);
  const loader = createCounterLoader(counters, database, limits);
  const relay = startOutboxRelay({ database, log, topics: [QUOTA_ALERTS], onError });
  const denials = createDenialAlerts({ database, store, onAlerts: relay.kick, onError });
  const gate = createGate({
    counters,
    loader,
    limits,
    bounds: createBounds(counters, store),
    onDenied: denials.note,
    onUnavailable: onError,
  });
  let consumer: LogConsumer | undefined;
  const reconciler = startReconciler({
    store,
    counters,
    loader,
    metrics,
    assigned: () => consumer?.assigned() ?? [],
    onError,
  });
  const pruning = startPruning(database, tenancy, clock, onError);
  const apply = createUsageRecorded({
    store,
    counters,
    tenancy,
    ledger: context.ledger,
    partitions: config.partitions,
    limits,
    onBehind: reconciler.behind,
    onAlerts: relay.kick,
  });
  const denialLog = createDenialLog(counters, onError);
  const subgraph = await buildQuotaSubgraph({ gate, tenancy, denials: denialLog });

  async function readiness(): Promise<Readiness> {
    const reasons = consumerReasons("quota's consumer of usage.recorded", consumer);
    const reachable = await counters.now().then(
      () => true,
      () => false,
    );
    if (!reachable) reasons.push("the quota counters do not answer");
    if (isStuck(relay)) reasons.push("alerts are not published");
    return { ready: reasons.length === 0, reasons };
  }

  return {
    name: "quota",
    subgraph,
    readiness,
    register(app) {
      registerDataPlane(app, { gate, denials: denialLog, tenancy, clock, metrics });
      registerReconciliation(app, {
        ...{ database, store, counters, loader, limits, tenancy },
        ...{ ledger: context.ledger, identityTokens: context.identityTokens, partitions: config.partitions },
      });
    },
    async begin() {
      consumer = await startLedgerConsumer({
        log,
        group: "quota-settle",
        database,
        ledger: context.ledger,
        tenancy,
        async apply(tx, partition, entries) {
          const afterCommit = await apply(tx, partition, entries);
          const recordedAt = entries.at(-1)?.recordedAt;
          if (recordedAt !== undefined) metrics.applied(partition, (clock.now() - recordedAt) / 1000);
          return afterCommit;
        },
        onError,
        onHole: context.fail,
        onMalformed: malformedAlarm(context.metrics, logger),
      });
    },
    async stop() {
      await consumer?.stop();
      await Promise.all([reconciler.stop(), pruning.stop(), denials.stop()]);
      await relay.stop();
      await store.saveCounters(counters.save());
      await counters.stop();
      await database.stop();
    },
  };
}

function openCounters(
  context: ServiceContext,
  onError: (error: unknown) => void,
): Promise<QuotaCounters> | QuotaCounters {
  const { quotaRedisUrls: urls, namespace } = context.config;
  if (urls.length > 0) return createRedisQuotaCounters({ urls, prefix: `${namespace}:quota`, onError });
  return createMemoryQuotaCounters(context.clock, {
    ...(context.clock === systemClock && { steadyMs: monotonicMs }),
  });
}
