import { Redis } from "ioredis";

const TIMEOUT_MS = 2_000;

/** Sends one command to one server on a separate connection, without retries. */
export async function askRedisOnce<T>(url: string, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: TIMEOUT_MS,
    commandTimeout: TIMEOUT_MS,
  });
  // The calls below report failures.
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return await ask(redis);
  } finally {
    redis.disconnect();
  }
}
