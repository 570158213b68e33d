import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { newUuid } from "#platform/lifecycle/random.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { assertNoEviction } from "#platform/redis/eviction.js";
import {
  CountersUnavailable,
  type Incarnation,
  type QuotaCounters,
  REMEMBERED_MS,
  REMEMBERED_TEXTS,
  type SettleOutcome,
} from "../counters.js";
import { createDecisionBatch, isReplyError } from "./decision-batch.js";
import { DECIDE_LUA, INCARNATION_LUA, TENANT_LUA } from "./lua.js";

export interface RedisNodeOptions {
  readonly url: string;
  /** Called for lost connections and the like; the counters recover automatically. */
  readonly onError: (error: unknown) => void;
  readonly prefix: string;
  /** A key on this node that lives no longer than the counters. */
  readonly incarnationKey: string;
  /** Tenants with the same value may share a call: in a cluster, those of one slot. */
  readonly together?: (tenantId: string) => number;
}

export interface RedisNodeCounters extends QuotaCounters {
  /** First connection; later ones are made as needed. Throws when the server does not answer or may evict keys. */
  connect(): Promise<void>;
}

/** Bounds kept per counter: more than a window has buckets. */
const BOUNDS_KEPT = 32;
const KEYS_PER_TENANT = 4;
/** Stored with every tenant's counters, so it must be short. */
const INCARNATION_LENGTH = 16;
const CONNECT_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 2_000;
/** Tolerance between Redis' clock and its expected value: beyond it, the clock jumped. */
const CLOCK_TOLERANCE_MS = 2_000;

/**
 * Counters in one Redis server. Nothing is queued while the connection is down and nothing is sent twice: after each connect
 * the incarnation is read before any decision, and a server that may evict keys decides nothing.
 */
export function createRedisNodeCounters(options: RedisNodeOptions): RedisNodeCounters {
  const { prefix } = options;
  const redis = new Redis(options.url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy: (attempt) => Math.min(1_000, 50 * attempt),
  });
  redis.on("error", options.onError);
  /** Cached per connection; dropped when it closes or an error occurs. */
  let current: Known | undefined;
  redis.on("close", () => {
    current = undefined;
  });

  async function learn(): Promise<Known> {
    const runId = /^run_id:(\w+)/m.exec(await redis.info("server"))?.[1];
    if (runId === undefined) throw new Error("Redis did not report its run_id");
    assertNoEviction(await redis.info("memory"), options.url);
    const fresh = newUuid().replaceAll("-", "").slice(0, INCARNATION_LENGTH);
    const reply = await redis.eval(INCARNATION_LUA, 1, options.incarnationKey, runId, fresh);
    const [name, since] = Array.isArray(reply) ? reply.map(String) : [];
    if (name === undefined || since === undefined) throw new Error("Redis returned no incarnation");
    current = { name, since: Number(since), clock: clockAnchor(redisMs(await redis.time())) };
    return current;
  }

  /**
   * Redis' clock differed from the decision's expectation. The command may only have been late; after a real jump windows would
   * be wrong, so a new incarnation starts.
   */
  async function judgeClock(): Promise<void> {
    const before = current?.clock.offset();
    const sentAt = monotonicMs();
    const redisNow = redisMs(await redis.time());
    const tookMs = monotonicMs() - sentAt;
    if (before !== undefined && Math.abs(redisNow - sentAt - before) <= CLOCK_TOLERANCE_MS + tookMs) {
      current?.clock.heard(redisNow);
      return;
    }
    current = undefined;
    await redis.del(options.incarnationKey);
    options.onError(new Error("the clock of Redis jumped: counters are rebuilt"));
  }

  const keysOf = (tenantId: string): string[] => ["c", "r", "x", "y"].map((part) => `${prefix}:{${tenantId}}:${part}`);

  const denialsKey = (tenantId: string): string => `${prefix}:{${tenantId}}:d`;

  /** By hash; a server that does not have the script yet gets its text. */
  async function evaluate(
    { lua, sha }: Script,
    send: (command: "evalsha" | "eval", script: string) => Promise<unknown>,
  ): Promise<unknown> {
    try {
      return await send("evalsha", sha);
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return send("eval", lua);
    }
  }

  async function run(op: string, tenantId: string, argument: object): Promise<unknown> {
    const { name } = current ?? (await learn());
    const text = JSON.stringify({ incarnation: name, ...argument });
    return evaluate(TENANT, (command, script) =>
      redis[command](script, KEYS_PER_TENANT, ...keysOf(tenantId), op, text),
    );
  }

  const decisions = createDecisionBatch(async ({ tenantIds, specs, groups }) => {
    const { name, clock } = current ?? (await learn());
    const expected = String(clock.expected());
    const keys = tenantIds.flatMap(keysOf);
    const args = [...keys, name, expected, String(CLOCK_TOLERANCE_MS), JSON.stringify([specs, groups])];
    const reply = await evaluate(DECIDE, (command, script) => redis.callBuffer(command, script, keys.length, ...args));
    const answers = asNumbers(reply);
    const [redisNow = -1] = answers;
    if (redisNow === -1) {
      await judgeClock();
      return undefined;
    }
    clock.heard(redisNow);
    return answers;
  }, options.together);

  return {
    async connect() {
      await redis.connect();
      await learn();
    },
    async incarnations(tenantIds) {
      const known = await answering(learn);
      return tenantIds.map(() => known);
    },
    now: () => answering(async () => redisMs(await redis.time())),
    decide: (request) => answering(() => decisions.decide(request)),
    load: (load) => answering(async () => void (await run("load", load.tenantId, load))),
    repair: (load) => answering(async () => void (await run("repair", load.tenantId, load))),
    settle: (request) => answering(async () => asSettleOutcome(await run("settle", request.tenantId, request))),
    correct: (tenantId, seq, totals) => answering(async () => (await run("correct", tenantId, { seq, totals })) === 1),
    grant: (tenantId, grants) =>
      answering(async () => void (await run("grant", tenantId, { grants, boundsKept: BOUNDS_KEPT }))),
    release: (tenantId, reservation, now) =>
      answering(async () => (await run("release", tenantId, { reservation, now })) === 1),
    positions: (tenantIds) =>
      answering(() =>
        Promise.all(
          tenantIds.map(async (tenantId) => {
            const seq = await run("position", tenantId, {});
            return seq === null ? undefined : Number(seq);
          }),
        ),
      ),
    remember: (tenantId, texts) =>
      answering(async () => {
        const key = denialsKey(tenantId);
        const replies = await redis
          .pipeline()
          .lpush(key, ...texts)
          .ltrim(key, 0, REMEMBERED_TEXTS - 1)
          .pexpire(key, REMEMBERED_MS)
          .exec();
        for (const [error] of replies ?? []) if (error !== null) throw error;
      }),
    recall: (tenantId) => answering(() => redis.lrange(denialsKey(tenantId), 0, -1)),
    save: () => ({ incarnation: "", tenants: new Map() }),
    restore: () => false,
    async stop() {
      redis.disconnect();
    },
  };
}

interface Script {
  readonly lua: string;
  readonly sha: string;
}

const scriptOf = (lua: string): Script => ({ lua, sha: createHash("sha1").update(lua).digest("hex") });
const DECIDE = scriptOf(DECIDE_LUA);
const TENANT = scriptOf(TENANT_LUA);

/** All connection errors mean that the counters do not answer. Script errors are bugs. */
async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      isReplyError(error) &&
      !/^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MOVED|ASK|TRYAGAIN|BUSY)/.test(error.message)
    )
      throw error;
    if (error instanceof CountersUnavailable || error instanceof TypeError) throw error;
    throw new CountersUnavailable("the quota counters do not answer", { cause: error });
  }
}

interface Known extends Incarnation {
  readonly clock: ReturnType<typeof clockAnchor>;
}

/** The expected value of Redis' clock, by this process's monotonic clock. */
function clockAnchor(redisNow: number) {
  let offset = redisNow - monotonicMs();
  return {
    /** Redis' clock minus this process's monotonic one. */
    offset: () => offset,
    expected: () => Math.round(offset + monotonicMs()),
    heard(now: number): void {
      offset = now - monotonicMs();
    },
  };
}

const redisMs = ([seconds, micros]: readonly (number | string)[]): number =>
  Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);

/** Copied, because a view of doubles must be aligned to eight bytes. */
function asNumbers(reply: unknown): Float64Array {
  if (!Buffer.isBuffer(reply) || reply.length % 8 !== 0) throw new TypeError("not numbers from Redis");
  return new Float64Array(reply.buffer.slice(reply.byteOffset, reply.byteOffset + reply.length));
}

function asSettleOutcome(reply: unknown): SettleOutcome {
  if (reply === "applied" || reply === "unknown" || reply === "behind") return reply;
  throw new TypeError("not a settlement outcome from Redis");
}
