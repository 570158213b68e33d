import { askRedisOnce } from "./once.js";

/** Throws if the server may evict keys: BullMQ only warns, and an evicting server loses jobs at random. */
export async function refuseEviction(url: string): Promise<void> {
  assertNoEviction(await askRedisOnce(url, (redis) => redis.info("memory")), url);
}

/** Throws an `EvictionError` unless this `INFO memory` is of a server that never evicts. */
export function assertNoEviction(infoMemory: string, url: string): void {
  const policy = /^maxmemory_policy:(\S+)/m.exec(infoMemory)?.[1];
  if (policy !== "noeviction") throw new EvictionError(new URL(url).host, policy ?? "unknown");
}

export class EvictionError extends Error {
  override readonly name = "EvictionError";

  constructor(host: string, policy: string) {
    super(
      `Redis at ${host} has maxmemory-policy ${policy}; job queues and quota counters need "noeviction", or they get lost`,
    );
  }
}
