import { Redis } from "ioredis";
import { MetrlyError, messageOf } from "#kernel/errors.js";

const TIMEOUT_MS = 2_000;
/** Answers of a server that will not serve this client until somebody changes a setting. */
const REFUSALS = /^-?(NOAUTH|WRONGPASS|NOPERM|DENIED)\b/;
/** Its first answer only: to a password that it does not want, or to nothing, because it has too many clients. */
const REFUSALS_AT_FIRST = /^-(NOAUTH|WRONGPASS|NOPERM|DENIED|ERR)\b/;

/** The server answers, and refuses this client; the message has its answer. */
export class RedisRefusal extends Error {
  override readonly name = "RedisRefusal";
}

/**
 * Sends one command to one server on a separate connection, without retries. Throws a `RedisRefusal` when the server refuses
 * this client, and UNAVAILABLE with the reason when it does not answer within this many ms.
 */
export async function askRedisOnce<T>(
  url: string,
  ask: (redis: Redis) => Promise<T>,
  answerWithinMs = TIMEOUT_MS,
): Promise<T> {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: answerWithinMs,
    commandTimeout: answerWithinMs,
  });
  // ioredis rejects with "Connection is closed.", and reports why here.
  const reported: unknown[] = [];
  redis.on("error", (error: Error) => reported.push(error));
  // A server in protected mode answers before it is asked, and closes.
  let refused: Error | undefined;
  redis.once("connect", () =>
    redis.stream.once("data", (bytes: Buffer) => {
      const said = bytes.toString().trim();
      if (REFUSALS_AT_FIRST.test(said)) refused = new Error(said.slice(1));
    }),
  );
  try {
    await redis.connect();
    return await ask(redis);
  } catch (error) {
    const refusal = refused ?? [...reported, error].find(isRefusal);
    throw explain(new URL(url).host, refusal ?? reported.at(-1) ?? error, refusal !== undefined);
  } finally {
    redis.disconnect();
  }
}

const isRefusal = (error: unknown): boolean => REFUSALS.test(messageOf(error));

function explain(host: string, cause: unknown, isRefused: boolean): Error {
  const said = messageOf(cause).trim();
  if (isRefused)
    return new RedisRefusal(`Redis at ${host} refuses this client; check its user and password: ${said}`, { cause });
  return new MetrlyError("UNAVAILABLE", `Redis at ${host} does not answer: ${said}`);
}
