import calculateSlot from "cluster-key-slot";
import { every, monotonicMs } from "#platform/lifecycle/time.js";
import { EvictionError } from "#platform/redis/eviction.js";
import { askRedisOnce } from "#platform/redis/once.js";
import { CountersUnavailable, type LoweredBound, type QuotaCounters } from "../counters.js";
import { forwardingCounters } from "./forward.js";
import { grouped } from "./grouped.js";
import { createRedisNodeCounters, type RedisNodeCounters } from "./node.js";

export interface RedisClusterOptions {
  /** Seed nodes: the others are discovered. */
  readonly urls: readonly string[];
  readonly onError: (error: unknown) => void;
  readonly prefix: string;
  /** Keys that a tenant may have alive. */
  readonly maxKeys: number;
  /** Combinations of one limit that a tenant may have. */
  readonly maxCombinations?: number | undefined;
  /** How long a node is waited for, ms. */
  readonly answerWithinMs?: number | undefined;
}

const SLOTS = 16_384;
/** Refresh interval of the slot map without errors: a moved slot reports itself. */
const REFRESH_INTERVAL_MS = 15_000;
const REFRESH_AGAIN_MS = 250;

interface Node {
  readonly counters: RedisNodeCounters;
  /** Slot of its incarnation's key, which must stay on this node. */
  readonly incarnationSlot: number;
}

/**
 * Counters in a Redis Cluster, a tenant's in the slot of its id. Each master has its own incarnation and clock, so that losing
 * one, a failover or a moved slot is a loss only to its tenants. Throws when no node answers, or one may evict keys.
 */
export async function openRedisClusterCounters(options: RedisClusterOptions): Promise<QuotaCounters> {
  const { prefix, onError, maxKeys, maxCombinations, answerWithinMs } = options;
  const common = { prefix, onError, maxKeys, maxCombinations, answerWithinMs, together: slotOf };
  const nodes = new Map<string, Node>();
  let owners: readonly (string | undefined)[] = [];
  let refreshing: Promise<void> | undefined;
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let stopped = false;

  /** Reads the slot map from the first node that answers. */
  async function readOwners(): Promise<(string | undefined)[]> {
    const urls = new Set([...nodes.keys(), ...options.urls]);
    let failure: unknown;
    for (const url of urls) {
      try {
        return ownersOf(await clusterSlots(url, answerWithinMs), url);
      } catch (error) {
        failure = error;
      }
    }
    throw new CountersUnavailable("no node of the Redis Cluster answers", { cause: failure });
  }

  async function refresh(): Promise<void> {
    const found = await readOwners();
    if (stopped) return;
    const masters = new Set(found.flatMap((url) => url ?? []));
    for (const [url, node] of nodes) {
      if (masters.has(url) && found[node.incarnationSlot] === url) continue;
      nodes.delete(url);
      await node.counters.stop();
    }
    const fresh = [...masters].filter((url) => !nodes.has(url));
    for (const url of fresh) nodes.set(url, nodeAt(url, found));
    owners = found;
    refreshedAt = monotonicMs();
    for (const url of fresh) await nodes.get(url)?.counters.connect().catch(onUnconnected);
  }

  /** A node that does not answer now is connected later; one that may evict keys is a configuration error. */
  function onUnconnected(error: unknown): void {
    if (error instanceof EvictionError) throw error;
    onError(error);
  }

  function nodeAt(url: string, found: readonly (string | undefined)[]): Node {
    for (let n = 0; ; n += 1) {
      const incarnationKey = `${prefix}:{i${n}}:era`;
      const incarnationSlot = calculateSlot(incarnationKey);
      if (found[incarnationSlot] !== url) continue;
      return {
        incarnationSlot,
        counters: createRedisNodeCounters({ ...common, url, incarnationKey }),
      };
    }
  }

  /** Single-flight; a failure is reported and the next caller retries. */
  function refreshSoon(): Promise<void> {
    if (refreshing === undefined && monotonicMs() - refreshedAt > REFRESH_AGAIN_MS) {
      refreshing = refresh()
        .catch(onError)
        .finally(() => {
          refreshing = undefined;
        });
    }
    return refreshing ?? Promise.resolve();
  }

  const nodeOf = (tenantId: string): Node | undefined => nodes.get(owners[slotOf(tenantId)] ?? "");

  /** Queries the tenant's node; retries once at the new master when the slot has moved. */
  async function at<T>(tenantId: string, ask: (counters: QuotaCounters) => Promise<T>): Promise<T> {
    for (let isSecond = false; ; isSecond = true) {
      const node = nodeOf(tenantId);
      try {
        if (node === undefined) throw new CountersUnavailable("no node of the Redis Cluster serves the slot");
        return await ask(node.counters);
      } catch (error) {
        if (!(error instanceof CountersUnavailable)) throw error;
        const refreshed = refreshSoon();
        if (isSecond || !isMoved(error)) throw error;
        await refreshed;
        if (nodeOf(tenantId) === node) throw error;
      }
    }
  }

  /** Asks each node about what is its own, together; answers in the order of the items. */
  async function gathered<I, T>(
    items: readonly I[],
    tenantOf: (item: I) => string,
    ask: (some: readonly I[], counters: QuotaCounters) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const owner = (item: I): string => owners[slotOf(tenantOf(item))] ?? "";
    const found = new Map<I, T>();
    await Promise.all(
      [...grouped(items, owner).values()].map(async (some) => {
        const [first] = some;
        if (first === undefined) return;
        const answers = await at(tenantOf(first), (counters) => ask(some, counters));
        for (const [index, item] of some.entries()) found.set(item, answers[index] as T);
      }),
    );
    return items.map((item) => found.get(item) as T);
  }

  /** Of the nodes that answer. */
  async function lower(most: number): Promise<readonly LoweredBound[]> {
    const settled = await Promise.allSettled([...nodes.values()].map(({ counters }) => counters.lower(most)));
    const lowered = settled.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    const failed = settled.find((one) => one.status === "rejected");
    if (failed !== undefined && lowered.length === 0) throw failed.reason;
    return lowered;
  }

  await refresh();
  const timer = every(REFRESH_INTERVAL_MS, () => void refreshSoon(), { unref: true });

  return forwardingCounters({
    at,
    gathered,
    lower,
    /** Every master must answer: tenants of one that does not are denied. */
    async now() {
      const times = await Promise.all([...nodes.values()].map(({ counters }) => counters.now())).catch(
        (error: unknown) => {
          void refreshSoon();
          throw error;
        },
      );
      return Math.max(...times);
    },
    nowOf: (tenantId) => nodeOf(tenantId)?.counters.nowOf(tenantId),
    async stop() {
      stopped = true;
      timer.cancel();
      await refreshing;
      for (const { counters } of nodes.values()) await counters.stop();
    },
  });
}

/** The slot of a tenant's keys: the id is their hash tag. */
const slotOf = (tenantId: string): number => calculateSlot(`{${tenantId}}`);

const isMoved = ({ cause }: CountersUnavailable): boolean => cause instanceof Error && /^MOVED/.test(cause.message);

type SlotRange = readonly [from: number, to: number, master: readonly [host: string | null, port: number]];

const clusterSlots = (url: string, answerWithinMs: number | undefined): Promise<readonly SlotRange[]> =>
  askRedisOnce(url, async (redis) => (await redis.cluster("SLOTS")) as unknown as readonly SlotRange[], answerWithinMs);

/**
 * The URL of each slot's master: the queried node's with another host and port. A node that does not know its own host is the
 * queried one.
 */
function ownersOf(ranges: readonly SlotRange[], askedUrl: string): (string | undefined)[] {
  const owners = new Array<string | undefined>(SLOTS).fill(undefined);
  for (const [from, to, [host, port]] of ranges) {
    const url = new URL(askedUrl);
    if (host !== null && host !== "") url.hostname = host;
    url.port = String(port);
    owners.fill(url.toString(), from, to + 1);
  }
  return owners;
}
