import { Redis } from "ioredis";

/** Throws unless the server keeps what it is given: BullMQ only warns, and an evicting server forgets jobs at random. */
export async function refuseEviction(url: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 3, lazyConnect: true });
  // Failures come back from the calls below.
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    const policy = /^maxmemory_policy:(\S+)/m.exec(await redis.info("memory"))?.[1];
    if (policy !== "noeviction")
      throw new Error(
        `Redis at ${new URL(url).host} has maxmemory-policy ${policy ?? "unknown"}; job queues need "noeviction", or jobs get lost`,
      );
  } finally {
    redis.disconnect();
  }
}
