import type { Database } from "#platform/database/database.js";
import { systemClock } from "#platform/process/clock.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { QuotaCounters } from "../counters/counters.js";
import { createRedisQuotaCounters } from "../counters/redis/redis.js";
import { createQuotaStore } from "../store/store.js";
import { createBounds } from "./bounds.js";
import { createGate, type Gate } from "./gate.js";
import { createCounterLoader } from "./loader.js";
import { createTenantLimits } from "./tenant-limits.js";

export interface TestGateOptions {
  readonly database: Database;
  readonly tenancy: TenancyCopy;
  readonly redisUrls: readonly string[];
  readonly prefix: string;
  readonly onError: (error: unknown) => void;
}

/** A gate as a process of quota has it, on real Redis and PostgreSQL, without the rest of the service. */
export async function openGate({ database, tenancy, redisUrls, prefix, onError }: TestGateOptions) {
  const counters: QuotaCounters = await createRedisQuotaCounters({ urls: redisUrls, prefix, onError });
  const store = createQuotaStore(database, () => 0);
  const limits = createTenantLimits(tenancy, systemClock);
  const gate: Gate = createGate({
    counters,
    limits,
    loader: createCounterLoader(counters, database, limits),
    bounds: createBounds(counters, store),
    onDenied: () => undefined,
    onUnavailable: onError,
  });
  return {
    gate,
    async stop(): Promise<void> {
      await counters.stop();
    },
  };
}
