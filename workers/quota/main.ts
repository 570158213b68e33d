import type { Database } from "#platform/database/database.js";
import { consumerReasons } from "#platform/event-log/readiness.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { isStuck } from "#platform/outbox/outbox.js";
import { systemClock } from "#platform/process/clock.js";
import type { Readiness, Service, ServiceContext } from "#platform/process/service.js";
import { startQuotaCore } from "./core.js";
import type { QuotaCounters } from "./counters/counters.js";
import { createMemoryQuotaCounters } from "./counters/memory/memory.js";
import { openRedisCounters } from "./counters/redis/redis.js";
import { createDenialLog } from "./gate/denial-log.js";
import { buildQuotaSubgraph } from "./graph/resolvers.js";
import { registerDataPlane } from "./http/data-plane.js";
import { registerReconciliation } from "./http/reconcile.js";
import { createWriterRows } from "./store/counter-writers.js";

/** How long a tenant may be behind before this process is not ready. */
const MOST_BEHIND_MS = 2_000;

/**
 * Allows or denies in real time, settles recorded usage, raises alerts: see README.md. `countersWithinMs`: how long Redis is waited
 * for, ms.
 */
export async function startQuota(context: ServiceContext, countersWithinMs?: number): Promise<Service> {
  const { clock, config, identityTokens, ledger, tenancy } = context;
  const logger = context.logger.child({ service: "quota" });
  const core = await startQuotaCore({ ...context, logger }, (database, onError) =>
    openCounters(context, database, onError, countersWithinMs),
  );
  const { counters, freshness, gate, metrics } = core;
  const denials = createDenialLog(counters, core.onError);
  const subgraph = await buildQuotaSubgraph({ gate, tenancy, denials });

  async function readiness(): Promise<Readiness> {
    const reasons = consumerReasons("quota's consumer of usage.recorded", core.consumer());
    const reachable = await counters.now().then(
      () => true,
      () => false,
    );
    if (!reachable) reasons.push("the quota counters cannot be used");
    if (freshness.behindForMs() > MOST_BEHIND_MS)
      reasons.push(`the quota counters of ${freshness.behind().length} tenants miss recorded usage`);
    if (isStuck(core.relay)) reasons.push("alerts are not published");
    return { ready: reasons.length === 0, reasons };
  }

  return {
    name: "quota",
    subgraph,
    readiness,
    register(app) {
      registerDataPlane(app, { gate, denials, tenancy, clock, metrics });
      registerReconciliation(app, { ...core, tenancy, ledger, partitions: config.partitions, identityTokens });
    },
    begin: core.begin,
    stop: core.stop,
  };
}

async function openCounters(
  { config, clock }: ServiceContext,
  database: Database,
  onError: (error: unknown) => void,
  answerWithinMs: number | undefined,
): Promise<QuotaCounters> {
  const { quotaRedisUrls: urls, namespace, quotaMaxKeys: maxKeys, quotaMaxCombinations } = config;
  const most = { maxKeys, maxCombinations: quotaMaxCombinations };
  if (urls.length > 0) {
    const writers = createWriterRows(database);
    return openRedisCounters({ urls, prefix: `${namespace}:quota`, ...most, writers, onError, answerWithinMs });
  }
  return createMemoryQuotaCounters(clock, { ...most, ...(clock === systemClock && { steadyMs: monotonicMs }) });
}
