import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";
import type { LogConsumer } from "#platform/event-log/event-log.js";
import { malformedAlarm } from "#platform/event-log/read-records.js";
import { consumerReasons } from "#platform/event-log/readiness.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { isStuck, startOutboxRelay } from "#platform/outbox/outbox.js";
import { systemClock } from "#platform/process/clock.js";
import type { Readiness, Service, ServiceContext } from "#platform/process/service.js";
import { QUOTA_ALERTS } from "#schema/topics.js";
import { prepareBackfill } from "./backfill.js";
import type { QuotaCounters } from "./counters/counters.js";
import { createMemoryQuotaCounters } from "./counters/memory/memory.js";
import { openRedisCounters } from "./counters/redis/redis.js";
import { startBounds } from "./gate/bounds.js";
import { createDenialAlerts } from "./gate/denial-alerts.js";
import { createDenialLog } from "./gate/denial-log.js";
import { createFreshness } from "./gate/freshness.js";
import { createGate } from "./gate/gate.js";
import { createCounterLoader } from "./gate/loader.js";
import { createTenantLimits } from "./gate/tenant-limits.js";
import { buildQuotaSubgraph } from "./graph/resolvers.js";
import { registerDataPlane } from "./http/data-plane.js";
import { registerReconciliation } from "./http/reconcile.js";
import { createMetrics } from "./metrics.js";
import { startPruning } from "./prune.js";
import { createCatchUp } from "./reconciliation/catch-up.js";
import { startReconciler } from "./reconciliation/reconciler.js";
import { watched } from "./reconciliation/watched.js";
import { restoreCounters } from "./restore.js";
import { createBoundRows } from "./store/bounds.js";
import { createWriterRows } from "./store/counter-writers.js";
import { saveCounters } from "./store/saved.js";
import { createQuotaStore } from "./store/store.js";
import { createUsageRecorded } from "./usage-recorded.js";

/** How long a tenant may be behind before this process is not ready. */
const MOST_BEHIND_MS = 2_000;

/** Allows or denies in real time, settles recorded usage, raises alerts: see README.md. */
export async function startQuota(context: ServiceContext): Promise<Service> {
  const { clock, config, tenancy, log } = context;
  const logger = context.logger.child({ service: "quota" });
  const onError = (error: unknown): void => logger.warn({ err: error }, "quota recovers from an error");
  const database = await context.openDatabase("quota");
  const opened = await openCounters(context, database, onError);
  const counters = watched(opened, (tenantId) => freshness.forget(tenantId));
  const metrics = createMetrics(context.metrics);
  const partitionOfTenant = (tenantId: string): number => partitionOf(tenantId, config.partitions);
  const store = createQuotaStore(database, partitionOfTenant);
  const freshness = createFreshness({ counters, database, store, partitionOf: partitionOfTenant });
  const limits = createTenantLimits(tenancy, clock);
  const loader = createCounterLoader({ counters, database, limits, freshness });
  const start = await restoreCounters(database, counters, onError);
  const bounds = startBounds({ counters, rows: createBoundRows(database), onError });
  const relay = startOutboxRelay({ database, log, topics: [QUOTA_ALERTS], onError });
  const denials = createDenialAlerts({ database, store, onAlerts: relay.kick, onError });
  const gate = createGate({
    ...{ counters, loader, limits, bounds, freshness },
    repaired: (tenantId) => reconciler.repaired(tenantId),
    onDenied: denials.note,
    onUnavailable: onError,
  });
  const { ledger } = context;
  const { partitions } = config;
  const catchUp = createCatchUp({ database, counters, loader, limits, tenancy, ledger, partitions });
  let consumer: LogConsumer | undefined;
  const reconciler = startReconciler({
    ...{ counters, freshness, metrics, catchUp, onError },
    repair: loader.repair,
    assigned: () => consumer?.assigned() ?? [],
  });
  const pruning = startPruning(database, tenancy, clock, onError);
  const apply = createUsageRecorded({
    ...{ store, counters, tenancy, ledger, partitions, limits },
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
    if (!reachable) reasons.push("the quota counters cannot be used");
    if (freshness.behindForMs() > MOST_BEHIND_MS)
      reasons.push(`the quota counters of ${freshness.behind().length} tenants miss recorded usage`);
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
        ...{ database, store, counters, catchUp, limits, tenancy, ledger, partitions },
        identityTokens: context.identityTokens,
      });
    },
    async begin() {
      consumer = await startLedgerConsumer({
        log,
        group: "quota-settle",
        database,
        ledger,
        tenancy,
        prepare: (partition, entries) =>
          prepareBackfill(database.pool, { store, tenancy, ledger, partitions }, partition, entries),
        async apply(tx, partition, entries, prepared) {
          const afterCommit = await apply(tx, partition, entries, prepared);
          const recordedAt = entries.at(-1)?.recordedAt;
          if (recordedAt !== undefined) metrics.applied(partition, (clock.now() - recordedAt) / 1000);
          return afterCommit;
        },
        onMovedElsewhere: freshness.intruded,
        onError,
        onHole: context.fail,
        onMalformed: malformedAlarm(context.metrics, logger),
      });
    },
    async stop() {
      await consumer?.stop();
      await Promise.all([reconciler.stop(), pruning.stop(), denials.stop(), bounds.stop()]);
      await relay.stop();
      try {
        await saveCounters(database, start, counters.save());
      } finally {
        await counters.stop();
        await database.stop();
      }
    },
  };
}

async function openCounters(
  { config, clock }: ServiceContext,
  database: Database,
  onError: (error: unknown) => void,
): Promise<QuotaCounters> {
  const { quotaRedisUrls: urls, namespace, quotaMaxKeys: maxKeys } = config;
  if (urls.length > 0) {
    const writers = createWriterRows(database);
    return openRedisCounters({ urls, prefix: `${namespace}:quota`, maxKeys, writers, onError });
  }
  return createMemoryQuotaCounters(clock, { maxKeys, ...(clock === systemClock && { steadyMs: monotonicMs }) });
}
