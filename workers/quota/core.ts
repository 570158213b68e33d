import { partitionOf } from "#kernel/partition.js";
import type { Database } from "#platform/database/database.js";
import type { LogConsumer } from "#platform/event-log/event-log.js";
import { malformedAlarm } from "#platform/event-log/read-records.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { startOutboxRelay } from "#platform/outbox/outbox.js";
import type { ServiceContext } from "#platform/process/service.js";
import { untilReachable } from "#platform/process/wait-until-reachable.js";
import { QUOTA_ALERTS } from "#schema/topics.js";
import { prepareBackfill } from "./backfill.js";
import type { QuotaCounters } from "./counters/counters.js";
import { startBounds } from "./gate/bounds.js";
import { createCombinationLists } from "./gate/combinations.js";
import { createDenialAlerts } from "./gate/denial-alerts.js";
import { createFreshness } from "./gate/freshness.js";
import { createGate } from "./gate/gate.js";
import { createCounterLoader } from "./gate/loader.js";
import { createTenantLimits } from "./gate/tenant-limits.js";
import { createMetrics } from "./metrics.js";
import { startPruning } from "./prune.js";
import { createCatchUp } from "./reconciliation/catch-up.js";
import { startReconciler } from "./reconciliation/reconciler.js";
import { watched } from "./reconciliation/watched.js";
import { restoreCounters } from "./restore.js";
import { createBoundRows } from "./store/bounds.js";
import { saveCounters } from "./store/saved.js";
import { createQuotaStore } from "./store/store.js";
import { createUsageRecorded } from "./usage-recorded.js";

/** Opens the counters of quota; `database` is quota's own. */
type OpenCounters = (database: Database, onError: (error: unknown) => void) => Promise<QuotaCounters>;

/** Quota without its interfaces, which `main.ts` adds: the gate, settlement and repair, on any ports and counters. */
export async function startQuotaCore(context: ServiceContext, openCounters: OpenCounters) {
  const { clock, config, ledger, log, logger, tenancy } = context;
  const { partitions } = config;
  const onError = (error: unknown): void => logger.warn({ err: error }, "quota recovers from an error");
  const database = await context.openDatabase("quota");
  const opened = await openCounters(database, onError);
  const counters = watched(opened, (tenantId) => freshness.forget(tenantId));
  const metrics = createMetrics(context.metrics);
  const partitionOfTenant = (tenantId: string): number => partitionOf(tenantId, partitions);
  const store = createQuotaStore(database, partitionOfTenant);
  const freshness = createFreshness({ counters, database, store, partitionOf: partitionOfTenant });
  const limits = createTenantLimits(tenancy, counters, clock);
  const loader = createCounterLoader({ counters, database, limits, freshness });
  const start = await untilReachable("quota's database", logger, () => restoreCounters(database, counters, onError));
  const bounds = startBounds({ counters, rows: createBoundRows(database), onError });
  const relay = startOutboxRelay({ database, log, topics: [QUOTA_ALERTS], onError });
  const denials = createDenialAlerts({ database, store, onAlerts: relay.kick, onError });
  const gate = createGate({
    ...{ counters, loader, limits, bounds, freshness },
    repaired: (tenantId) => reconciler.repaired(tenantId),
    combinations: createCombinationLists(database),
    onDenied: denials.note,
    onUnavailable: onError,
  });
  const catchUp = createCatchUp({ database, counters, loader, limits, tenancy, ledger, partitions });
  let consumer: LogConsumer | undefined;
  const reconciler = startReconciler({
    ...{ counters, freshness, metrics, catchUp, onError },
    repair: loader.repair,
    assigned: () => consumer?.assigned() ?? [],
  });
  const pruning = startPruning(database, tenancy, counters, onError);
  const apply = createUsageRecorded({
    ...{ store, counters, tenancy, ledger, partitions, limits },
    onBehind: reconciler.behind,
    onAlerts: relay.kick,
  });

  return {
    ...{ database, store, counters, metrics, gate, limits, freshness, catchUp, relay, onError },
    consumer: () => consumer,
    /** Begins to settle: the ledger can be read. */
    async begin(): Promise<void> {
      consumer = await startLedgerConsumer({
        ...{ log, database, ledger, tenancy, onError },
        group: "quota-settle",
        prepare: (partition, entries) =>
          prepareBackfill(database.pool, { store, tenancy, ledger, partitions }, partition, entries),
        async apply(tx, partition, entries, prepared) {
          const afterCommit = await apply(tx, partition, entries, prepared);
          const recordedAt = entries.at(-1)?.recordedAt;
          if (recordedAt !== undefined) metrics.applied(partition, (clock.now() - recordedAt) / 1000);
          return afterCommit;
        },
        onMovedElsewhere: freshness.intruded,
        onHole: context.fail,
        onMalformed: malformedAlarm(context.metrics, logger),
      });
    },
    async stop(): Promise<void> {
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
