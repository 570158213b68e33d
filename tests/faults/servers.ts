import { Redis } from "ioredis";
import { parseConfig } from "#platform/process/config.js";
import type { RunningCompose } from "../systems/compose/start.js";

/** Redis as its administrator, past the network. */
export async function commandRedis(compose: RunningCompose, ...command: readonly [string, ...string[]]): Promise<void> {
  const config = parseConfig(compose.processes.get("quota")?.env ?? {});
  const url = new URL(config.redisUrl ?? "");
  url.host = new URL(compose.redis.url).host;
  const redis = new Redis(url.toString(), { maxRetriesPerRequest: 1 });
  redis.on("error", () => undefined);
  try {
    const [name, ...args] = command;
    await redis.call(name, ...args);
  } finally {
    redis.disconnect();
  }
}
