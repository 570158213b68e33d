import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { assertNoEviction } from "#platform/redis/eviction.js";
import { CountersUnavailable, type WriterRows } from "../counters.js";
import { createStoreClock, redisMs, type StoreClock } from "./clock.js";
import { listOf } from "./commit.js";
import { createLives, type Life, type Mark } from "./lives.js";
import { NUMBER_LUA, PROBE_LUA } from "./lua.js";

export interface RedisServerOptions {
  readonly url: string;
  /** Called for lost connections and the like; they are made again. */
  readonly onError: (error: unknown) => void;
  /** A key on this server that lives no longer than the counters. */
  readonly incarnationKey: string;
  /** Without, a restart of the server counts as a loss. */
  readonly writers?: WriterRows | undefined;
  /** How long the server is waited for, ms. */
  readonly answerWithinMs?: number | undefined;
  /** How long a restarted server waits for its writers, ms. */
  readonly writersWithinMs?: number;
}

/** An unbroken life of the store: what was written in another one is not relied on. */
export interface Incarnation extends Life {
  readonly clock: StoreClock;
  /** The number of the connection on which it was read. */
  readonly connection: number;
}

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export type RedisServer = ReturnType<typeof createRedisServer>;

const ANSWER_WITHIN_MS = 2_000;
const WRITERS_WITHIN_MS = 5_000;
/** A process probes the store each second. */
const WRITER_GONE_MS = 60_000;

/**
 * A connection to one Redis server. Nothing is queued while it is down and nothing is sent twice; after each connect the
 * incarnation is read before anything else, and a server that may evict keys is not used. Whatever fails, the server's own
 * refusals included, is a `CountersUnavailable`.
 */
export function createRedisServer(options: RedisServerOptions) {
  const { incarnationKey, answerWithinMs = ANSWER_WITHIN_MS, writersWithinMs = WRITERS_WITHIN_MS } = options;
  const redis = new Redis(options.url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: answerWithinMs,
    commandTimeout: answerWithinMs,
    retryStrategy: (attempt) => Math.min(1_000, 50 * attempt),
  });
  redis.on("error", options.onError);
  const lives = createLives({ redis, key: incarnationKey, rows: options.writers, writersWithinMs });
  /** Of this connection. */
  let current: Incarnation | undefined;
  /** Of any connection, and the run of the server in which it was read. */
  let latest: { readonly incarnation: Incarnation; readonly runId: string } | undefined;
  let connections = 0;
  redis.on("close", () => {
    current = undefined;
    connections += 1;
  });

  /** `notThis`: the name of an incarnation that is over. */
  async function learn(notThis = ""): Promise<Incarnation> {
    const connection = connections;
    const runId = /^run_id:(\w+)/m.exec(await redis.info("server"))?.[1];
    if (runId === undefined) throw new Error("Redis did not report its run_id");
    assertNoEviction(await redis.info("memory"), options.url);
    const sentAt = monotonicMs();
    const redisNow = redisMs(await redis.time());
    const clock = createStoreClock(redisNow, sentAt);
    const life = await lives.current(runId, jumped(runId, redisNow, sentAt) ?? notThis);
    if (connection !== connections) throw new Error("the connection to Redis was lost");
    current = { ...life, clock, connection };
    latest = { incarnation: current, runId };
    return current;
  }

  /** The incarnation that is over, even if a restart lost nothing of it, because the clock is another one: windows would be wrong. */
  function jumped(runId: string, redisNow: number, sentAt: number): string | undefined {
    if (latest === undefined || latest.runId === runId) return undefined;
    const { clock, name } = latest.incarnation;
    return clock.explains(redisNow, sentAt) ? undefined : name;
  }

  /** A store that went back is another one, although nothing restarted it: a server may load or copy another's data. */
  function learnAgain(answer: unknown, mark: Mark, name: string): Promise<Incarnation> {
    if (answer === "back") return learn(name);
    mark.unknown();
    return learn();
  }

  /** Whether the incarnation is still the same, or which it is now. */
  async function verify(): Promise<Incarnation> {
    const known = current;
    if (known === undefined) return learn();
    const held = await redis.get(incarnationKey);
    return held?.endsWith(`:${known.name}:${known.since}`) && current === known ? known : learn();
  }

  let verifying: Promise<Incarnation> | undefined;
  let verifyingNext: Promise<Incarnation> | undefined;
  /** Joins a reading that has not begun yet: the answer is of a moment after the call. */
  function verified(): Promise<Incarnation> {
    if (verifying === undefined) {
      verifying = verify().finally(() => {
        verifying = undefined;
      });
      return verifying;
    }
    verifyingNext ??= verifying
      .catch(() => undefined)
      .then(() => {
        verifyingNext = undefined;
        return verified();
      });
    return verifyingNext;
  }

  /** By hash; a server that does not have the script yet gets its text. */
  async function evaluate(
    { lua, sha }: Script,
    keys: readonly string[],
    args: () => readonly string[],
  ): Promise<unknown> {
    const rest = () => [String(keys.length), ...keys, ...args()];
    try {
      return await redis.call("evalsha", [sha, ...rest()]);
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return redis.call("eval", [lua, ...rest()]);
    }
  }

  return {
    /** First connection; later ones are made as needed. Throws when the server does not answer or may evict keys. */
    async connect(): Promise<void> {
      await redis.connect();
      await learn();
    },
    /** The incarnation, as far as this process knows. */
    known: (): Incarnation | undefined => current,
    /** Redis' clock, also while no connection is open. Undefined before the first one. */
    now: (): number | undefined => latest?.incarnation.clock.now(),
    learn: () => answering(() => learn()),
    mark: (): Mark => lives.mark(),
    /**
     * What was read since this incarnation was `verified` may rest on a write that nobody confirmed: once this resolves, a loss of
     * that is a loss of the incarnation. Throws if it is not known whether it is.
     */
    secure: (incarnation: Incarnation) =>
      answering(async () => {
        if (incarnation.connection !== connections) throw new Error("the connection to Redis was lost");
        const mark = lives.mark();
        if (mark.keys.length === 0) return;
        const answer = await evaluate(NUMBER, mark.keys, mark.args);
        if (answer === 1) {
          mark.confirm();
          return;
        }
        await learnAgain(answer, mark, incarnation.name);
        throw new Error("Redis did not know this process, or what it wrote");
      }),
    /** After an answer of the store that WRITER_LUA describes. `name`: of the incarnation that the mark was for. */
    learnAgain: (answer: unknown, mark: Mark, name: string) => answering(() => learnAgain(answer, mark, name)),
    /** The incarnation at a moment after the call. */
    verified: () => answering(verified),
    /** `args` is called at each sending. */
    evaluate: (script: Script, keys: readonly string[], args: () => readonly string[]) =>
      answering(() => evaluate(script, keys, args)),
    /** Sends commands that no script is needed for. */
    ask: <T>(send: (redis: Redis) => Promise<T>) => answering(() => send(redis)),
    /** Redis' time, from a server that takes writes. */
    probe: () =>
      answering(async () => {
        const { name } = current ?? (await learn());
        const mark = lives.mark();
        const keys = [`${incarnationKey}:probe`, ...mark.keys];
        const args = () => [String(WRITER_GONE_MS), ...mark.args()];
        const [time, answer, gone] = listOf(await evaluate(PROBE, keys, args));
        if (answer === 1) mark.confirm();
        if (answer === "back") await learnAgain(answer, mark, name);
        const writers = listOf(gone).map(String);
        if (writers.length > 0) await lives.forget(writers).catch(options.onError);
        return redisMs(listOf(time).map(String));
      }),
    /**
     * Redis' clock was not where it was expected. The command may only have been late; after a real jump windows would be
     * wrong, so a new incarnation starts.
     */
    judgeClock: () =>
      answering(async () => {
        const known = current;
        const sentAt = monotonicMs();
        const redisNow = redisMs(await redis.time());
        if (known === undefined || known.clock.explains(redisNow, sentAt)) {
          known?.clock.heard(redisNow, sentAt);
          return;
        }
        await learn(known.name);
        options.onError(new Error("the clock of Redis jumped: counters are rebuilt"));
      }),
    /** What was written before is not lost with a later restart of the server. */
    async stop(): Promise<void> {
      redis.disconnect();
      await lives.leave().catch(options.onError);
    },
  };
}

export const scriptOf = (lua: string): Script => ({ lua, sha: createHash("sha1").update(lua).digest("hex") });
const PROBE = scriptOf(PROBE_LUA);
const NUMBER = scriptOf(NUMBER_LUA);

/** Whether the server itself refused. ioredis exports the class without a type. */
export const isReplyError = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError";

async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CountersUnavailable || error instanceof TypeError) throw error;
    throw new CountersUnavailable("the quota counters do not answer", { cause: error });
  }
}
