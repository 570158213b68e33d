import type { Redis } from "ioredis";
import { askRedisOnce } from "#platform/redis/once.js";
import { startRedis } from "../../../tests/servers/private-servers.js";
import { startRedisCluster } from "../../../tests/servers/redis-cluster.js";
import { PATIENCE_MS } from "../../../tests/servers/servers.js";

/** Where counters live, and what a test can do to them. */
export interface Place {
  readonly name: string;
  /** Undefined: in the process. */
  readonly redisUrl: string | undefined;
  /** Everything is gone. */
  lose(): Promise<void>;
  /** Reads are answered, writes are not, until `recover`. */
  refuse(how: number): Promise<void>;
  recover(): Promise<void>;
  stop(): Promise<void>;
}

const nothing = async (): Promise<void> => undefined;

export const inProcess: Place = {
  name: "in process",
  redisUrl: undefined,
  ...{ lose: nothing, refuse: nothing, recover: nothing, stop: nothing },
};

interface Refusal {
  begin(redis: Redis): Promise<unknown>;
  end(redis: Redis): Promise<unknown>;
}

const REFUSALS: readonly Refusal[] = [
  { begin: (redis) => redis.config("SET", "maxmemory", "1"), end: (redis) => redis.config("SET", "maxmemory", "0") },
  {
    begin: (redis) => redis.config("SET", "min-replicas-to-write", "9"),
    end: (redis) => redis.config("SET", "min-replicas-to-write", "0"),
  },
  {
    begin: (redis) => redis.call("ACL", "SETUSER", "default", "-evalsha", "-eval", "-fcall"),
    end: (redis) => redis.call("ACL", "SETUSER", "default", "+@all"),
  },
];

function placeOf(name: string, urls: readonly string[], stop: () => Promise<void>): Place {
  const everywhere = async (ask: (redis: Redis) => Promise<unknown>): Promise<void> => {
    await Promise.all(urls.map((url) => askRedisOnce(url, ask, PATIENCE_MS)));
  };
  let refusal: Refusal | undefined;
  async function recover(): Promise<void> {
    const ended = refusal;
    refusal = undefined;
    if (ended !== undefined) await everywhere(ended.end);
  }
  return {
    name,
    redisUrl: urls[0],
    lose: () => everywhere((redis) => redis.flushall()),
    async refuse(how) {
      const begun = REFUSALS[how % REFUSALS.length];
      if (refusal !== undefined || begun === undefined) return;
      refusal = begun;
      await everywhere(begun.begin);
    },
    recover,
    stop,
  };
}

export async function inRedis(): Promise<Place> {
  const redis = await startRedis();
  return placeOf("Redis", [redis.url], () => redis.stop());
}

export async function inCluster(): Promise<Place> {
  const cluster = await startRedisCluster();
  return placeOf(
    "a Redis Cluster",
    cluster.masters.map(({ url }) => url),
    () => cluster.stop(),
  );
}
