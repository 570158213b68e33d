import { Redis } from "ioredis";
import type { QuotaCounters } from "./quota-counters.js";
import { openRedisClusterCounters } from "./quota-counters-redis-cluster.js";
import { createRedisNodeCounters } from "./quota-counters-redis-node.js";
import { EvictionError } from "./redis-eviction.js";

export interface RedisQuotaCountersOptions {
  /** Of a server, or of any node of a cluster: which of both it is, it tells itself. */
  readonly url: string;
  /** Told of lost connections and the like; the counters go on by themselves. */
  readonly onError: (error: unknown) => void;
  /** Prefix of every key. */
  readonly prefix?: string;
}

const ASK_TIMEOUT_MS = 2_000;

/**
 * Counters in Redis. Refuses a server that may evict keys. One that does not answer is no reason not to start: until it does,
 * nothing is decided, and each limit's kind says what that means.
 */
export async function createRedisQuotaCounters(options: RedisQuotaCountersOptions): Promise<QuotaCounters> {
  const { url, onError, prefix = "metrly:quota" } = options;
  if (await isCluster(url)) return openRedisClusterCounters({ url, onError, prefix });
  const counters = createRedisNodeCounters({ url, onError, prefix, incarnationKey: `${prefix}:incarnation` });
  try {
    await counters.connect();
  } catch (error) {
    if (error instanceof EvictionError) {
      await counters.stop();
      throw error;
    }
    onError(error);
  }
  return counters;
}

/** False also when nobody answers: a lone server may come back later, a cluster that is down altogether needs a new start. */
async function isCluster(url: string): Promise<boolean> {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: ASK_TIMEOUT_MS,
    commandTimeout: ASK_TIMEOUT_MS,
  });
  // Told by the calls below.
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return /^cluster_enabled:1/m.test(await redis.info("cluster"));
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
