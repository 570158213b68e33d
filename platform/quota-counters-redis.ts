import { createHash, randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import {
  type BoundNeed,
  type CounterReading,
  CountersUnavailable,
  type DecideOutcome,
  type DecideRequest,
  type Incarnation,
  type QuotaCounters,
  type SettleOutcome,
} from "./quota-counters.js";
import { INCARNATION_LUA, QUOTA_COUNTERS_LUA } from "./quota-counters-lua.js";
import { refuseEviction } from "./redis-eviction.js";

export interface RedisQuotaCountersOptions {
  readonly url: string;
  /** Told of lost connections and the like; the counters go on by themselves. */
  readonly onError: (error: unknown) => void;
  /** Prefix of every key. */
  readonly prefix?: string;
}

const CONNECT_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 2_000;
/** How far Redis' clock may be from where it was last plus the time passed here: beyond it, it jumped. */
const CLOCK_TOLERANCE_MS = 2_000;
const FIELDS_PER_READING = 6;
const SHA = createHash("sha1").update(QUOTA_COUNTERS_LUA).digest("hex");

/**
 * Counters in Redis. Refuses a server that may evict keys. Nothing is queued while the connection is down and nothing is
 * sent twice: after each connect the incarnation is asked for before anything is decided.
 */
export async function createRedisQuotaCounters(options: RedisQuotaCountersOptions): Promise<QuotaCounters> {
  const prefix = options.prefix ?? "metrly:quota";
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
  /** Known for this connection; forgotten when it closes or something looks wrong. */
  let current: Known | undefined;
  redis.on("close", () => {
    current = undefined;
  });
  await refuseEviction(options.url);
  await redis.connect();

  async function learn(): Promise<Known> {
    const runId = /^run_id:(\w+)/m.exec(await redis.info("server"))?.[1];
    if (runId === undefined) throw new Error("Redis does not tell its run_id");
    const name = await redis.eval(INCARNATION_LUA, 1, `${prefix}:incarnation`, runId, randomUUID());
    if (typeof name !== "string") throw new Error("Redis gave no incarnation");
    current = { name, since: Number(name.split(":")[2]), clock: clockAnchor(redisMs(await redis.time())) };
    return current;
  }

  /**
   * Redis' clock was not where a decision expected it. The command may only have been late; a clock that jumped makes windows
   * lie, so that everything begins anew under another incarnation.
   */
  async function judgeClock(): Promise<void> {
    const before = current?.clock.offset();
    const sentAt = performance.now();
    const redisNow = redisMs(await redis.time());
    const tookMs = performance.now() - sentAt;
    if (before !== undefined && Math.abs(redisNow - sentAt - before) <= CLOCK_TOLERANCE_MS + tookMs) {
      current?.clock.heard(redisNow);
      return;
    }
    current = undefined;
    await redis.del(`${prefix}:incarnation`);
    options.onError(new Error("the clock of Redis jumped: counters are rebuilt"));
  }

  const keysOf = (tenantId: string): string[] => ["c", "r", "x"].map((part) => `${prefix}:{${tenantId}}:${part}`);

  async function run(op: string, tenantId: string, argument: object): Promise<unknown> {
    const { name, clock } = current ?? (await learn());
    const text = JSON.stringify({
      ...argument,
      incarnation: "incarnation" in argument ? argument.incarnation : name,
      ...(op === "decide" && { expected: clock.expected(), toleranceMs: CLOCK_TOLERANCE_MS }),
    });
    try {
      return await redis.evalsha(SHA, 3, ...keysOf(tenantId), op, text);
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return redis.eval(QUOTA_COUNTERS_LUA, 3, ...keysOf(tenantId), op, text);
    }
  }

  async function decide(request: DecideRequest): Promise<DecideOutcome> {
    const { charges, ...rest } = request;
    const reply = await run("decide", request.tenantId, {
      ...rest,
      charges: charges.map(({ hardLimit, ...charge }) => (hardLimit === null ? charge : { ...charge, hardLimit })),
    });
    const [kind, ...fields] = asArray(reply);
    if (kind === "unknown") return { kind };
    if (kind === "jump") {
      await judgeClock();
      return { kind: "unknown" };
    }
    const numbers = fields.map(asNumber);
    if (kind === "bounds") return { kind, needs: needsOf(request, numbers) };
    const [redisNow = 0, allowed = 0, repeated = 0, now = 0, expiresAt = 0, ...readings] = numbers;
    current?.clock.heard(redisNow);
    return {
      kind: "decided",
      allowed: allowed === 1,
      repeated: repeated === 1,
      now,
      expiresAt: expiresAt === 0 ? null : expiresAt,
      readings: readingsOf(readings),
    };
  }

  return {
    incarnation: () => answering(learn),
    now: () => answering(async () => redisMs(await redis.time())),
    decide: (request) => answering(() => decide(request)),
    load: (load) => answering(async () => void (await run("load", load.tenantId, load))),
    repair: (load) => answering(async () => void (await run("repair", load.tenantId, load))),
    settle: (request) => answering(async () => asSettleOutcome(await run("settle", request.tenantId, request))),
    grant: (tenantId, grants) => answering(async () => void (await run("grant", tenantId, { grants }))),
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
    save: () => ({ incarnation: "", tenants: new Map() }),
    restore: () => false,
    async stop() {
      redis.disconnect();
    },
  };
}

/** Whatever goes wrong between here and Redis means: the counters do not answer. What Redis says about the script is a bug. */
async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isReplyError(error) && !/^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY)/.test(error.message))
      throw error;
    if (error instanceof CountersUnavailable || error instanceof TypeError) throw error;
    throw new CountersUnavailable("the quota counters do not answer", { cause: error });
  }
}

/** ioredis exports the class without a type. */
const isReplyError = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError";

interface Known extends Incarnation {
  readonly clock: ClockAnchor;
}

interface ClockAnchor {
  /** Redis' clock minus this process's monotonic one. */
  offset(): number;
  expected(): number;
  heard(redisNow: number): void;
}

/** Where Redis' clock should be, by this process's monotonic clock. */
function clockAnchor(redisNow: number): ClockAnchor {
  let offset = redisNow - performance.now();
  return {
    offset: () => offset,
    expected: () => Math.round(offset + performance.now()),
    heard(now) {
      offset = now - performance.now();
    },
  };
}

const redisMs = ([seconds, micros]: readonly (number | string)[]): number =>
  Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);

function needsOf(request: DecideRequest, numbers: readonly number[]): readonly BoundNeed[] {
  const needs: BoundNeed[] = [];
  for (let at = 0; at < numbers.length; at += 4) {
    const [index = 0, bucketStart = 0, exposure = 0, until = 0] = numbers.slice(at, at + 4);
    const charge = request.charges[index];
    if (charge === undefined) throw new TypeError("a bound for a charge that was not asked");
    needs.push({ counter: charge.counter, bucketStart, exposure, amount: charge.amount, until });
  }
  return needs;
}

function readingsOf(numbers: readonly number[]): readonly CounterReading[] {
  const readings: CounterReading[] = [];
  for (let at = 0; at < numbers.length; at += FIELDS_PER_READING) {
    const [used = 0, reserved = 0, blockedUntil = 0, resetAt = 0, retryAt = 0, denies = 0] = numbers.slice(at);
    readings.push({ used, reserved, blockedUntil, resetAt, retryAt, denies: denies === 1 });
  }
  return readings;
}

function asArray(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw new TypeError(`not an array from Redis: ${typeof reply}`);
  return reply;
}

function asNumber(field: unknown): number {
  if (typeof field !== "number") throw new TypeError(`not a number from Redis: ${typeof field}`);
  return field;
}

function asSettleOutcome(reply: unknown): SettleOutcome {
  if (reply === "applied" || reply === "unknown" || reply === "behind") return reply;
  throw new TypeError("not a settlement's outcome from Redis");
}
