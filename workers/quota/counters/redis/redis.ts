import { repeat } from "#platform/lifecycle/repeat.js";
import { EvictionError } from "#platform/redis/eviction.js";
import { askRedisOnce } from "#platform/redis/once.js";
import { CountersUnavailable, type QuotaCounters, type WriterRows } from "../counters.js";
import { openRedisClusterCounters } from "./cluster.js";
import { forwardingCounters } from "./forward.js";
import { createRedisNodeCounters } from "./node.js";

export interface RedisCountersOptions {
  /** URLs of a server, or of some nodes of a cluster: the servers report which. */
  readonly urls: readonly string[];
  /** Called for lost connections and the like; the counters recover automatically. */
  readonly onError: (error: unknown) => void;
  readonly prefix?: string;
  /** Keys that a tenant may have alive. */
  readonly maxKeys: number;
  /** Combinations of one limit that a tenant may have. */
  readonly maxCombinations?: number | undefined;
  /** Without, and in a cluster, a restart of a server counts as a loss. */
  readonly writers?: WriterRows;
  /** How long a server is waited for, ms. */
  readonly answerWithinMs?: number | undefined;
}

const TRY_AGAIN_MS = 1_000;

/**
 * Counters in Redis. Refuses a server that may evict keys. Starts even when none answers: until then nothing is decided, and
 * each limit's kind applies.
 */
export async function openRedisCounters(options: RedisCountersOptions): Promise<QuotaCounters> {
  try {
    return await openCounters(options);
  } catch (error) {
    if (error instanceof EvictionError) throw error;
    options.onError(error);
    return openedLater(options);
  }
}

/** Throws when no server answers, or one may evict. */
async function openCounters({
  urls,
  onError,
  prefix = "metrly:quota",
  maxKeys,
  maxCombinations,
  writers,
  answerWithinMs,
}: RedisCountersOptions): Promise<QuotaCounters> {
  const { url, isCluster } = await firstAnswering(urls, answerWithinMs);
  const common = { onError, prefix, maxKeys, maxCombinations, answerWithinMs };
  if (isCluster) return openRedisClusterCounters({ ...common, urls });
  const counters = createRedisNodeCounters({ ...common, url, writers, incarnationKey: `${prefix}:era` });
  try {
    await counters.connect();
    return counters;
  } catch (error) {
    await counters.stop();
    throw error;
  }
}

async function firstAnswering(
  urls: readonly string[],
  answerWithinMs: number | undefined,
): Promise<{ readonly url: string; readonly isCluster: boolean }> {
  let failure: unknown;
  for (const url of urls) {
    try {
      return { url, isCluster: await isClusterNode(url, answerWithinMs) };
    } catch (error) {
      failure = error;
    }
  }
  throw new CountersUnavailable("no Redis answers", { cause: failure });
}

const isClusterNode = (url: string, answerWithinMs: number | undefined): Promise<boolean> =>
  askRedisOnce(url, async (redis) => /^cluster_enabled:1/m.test(await redis.info("cluster")), answerWithinMs);

/** Counters that are unavailable until they can be opened, which is retried once a second. */
function openedLater(options: RedisCountersOptions): QuotaCounters {
  let opened: QuotaCounters | undefined;
  const opening = repeat({
    everyMs: TRY_AGAIN_MS,
    first: "later",
    async run() {
      opened = await openCounters(options);
      void opening.stop();
    },
    onError: options.onError,
  });

  function found(): QuotaCounters {
    if (opened === undefined) throw new CountersUnavailable("no Redis has answered yet");
    return opened;
  }

  return forwardingCounters({
    at: async (_, ask) => ask(found()),
    gathered: async (items, _, ask) => ask(items, found()),
    lower: async (most) => found().lower(most),
    now: async () => found().now(),
    nowOf: (tenantId) => opened?.nowOf(tenantId),
    async stop() {
      await opening.stop();
      await opened?.stop();
    },
  });
}
