import type { Database } from "#platform/database/database.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { systemClock } from "#platform/process/clock.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { createMemoryQuotaCounters } from "../counters/memory/memory.js";
import { openRedisCounters } from "../counters/redis/redis.js";
import { createBoundRows } from "../store/bounds.js";
import { createWriterRows } from "../store/counter-writers.js";
import { createQuotaStore } from "../store/store.js";
import { startBounds } from "./bounds.js";
import { createFreshness } from "./freshness.js";
import { createGate, type Gate } from "./gate.js";
import { createCounterLoader } from "./loader.js";
import { createTenantLimits } from "./tenant-limits.js";

export interface TestGateOptions {
  readonly database: Database;
  readonly tenancy: TenancyCopy;
  /** None: counters in the process. */
  readonly redisUrls: readonly string[];
  readonly prefix: string;
  readonly onError: (error: unknown) => void;
}

/** A gate as a process of quota has it, on real Redis and PostgreSQL, without the rest of the service. */
export async function openGate({ database, tenancy, redisUrls, prefix, onError }: TestGateOptions) {
  const counters =
    redisUrls.length === 0
      ? createMemoryQuotaCounters(systemClock, { maxKeys: MAX_KEYS, steadyMs: monotonicMs })
      : await openRedisCounters({
          ...{ urls: redisUrls, prefix, maxKeys: MAX_KEYS, onError },
          writers: createWriterRows(database),
        });
  const store = createQuotaStore(database, () => 0);
  const limits = createTenantLimits(tenancy, counters, systemClock);
  const freshness = createFreshness({ counters, database, store, partitionOf: () => 0 });
  const bounds = startBounds({ counters, rows: createBoundRows(database), onError });
  const gate: Gate = createGate({
    combinations: async () => new Map(),
    ...{ counters, limits, bounds, freshness },
    loader: createCounterLoader({ counters, database, limits, freshness }),
    repaired: async () => undefined,
    onDenied: () => undefined,
    onUnavailable: onError,
  });
  return {
    gate,
    async stop(): Promise<void> {
      await bounds.stop();
      await counters.stop();
    },
  };
}

const MAX_KEYS = 1_000_000;
