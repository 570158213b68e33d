import { Redis } from "ioredis";
import { afterAll, beforeAll } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { type PrivateRedis, startRedis } from "../../../../tests/servers/private-servers.js";
import { PATIENCE_MS } from "../../../../tests/servers/servers.js";
import type { CounterCharge, Operation, Outcome, QuotaCounters } from "../counters.js";
import { UNIT } from "../exact-model.testing.js";
import { createRedisNodeCounters, type RedisNodeCounters, type RedisNodeOptions } from "./node.js";
import { openRedisCounters } from "./redis.js";

/** A Redis of its own for the tests of a block, and a client of it. */
export function privateRedis() {
  let server: PrivateRedis | undefined;
  let redis: Redis | undefined;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
  });
  afterAll(async () => {
    redis?.disconnect();
    await server?.stop();
  });
  function opened<T>(one: T | undefined): T {
    if (one === undefined) throw new Error("used before it was started");
    return one;
  }
  return { server: () => opened(server), redis: () => opened(redis) };
}

/** `answerWithinMs`: undefined is the product's. */
export const openTestCounters = (
  url: string,
  prefix: string,
  answerWithinMs: number | undefined = PATIENCE_MS,
): Promise<QuotaCounters> =>
  openRedisCounters({ ...{ urls: [url], prefix, maxKeys: 100_000, answerWithinMs }, onError: () => undefined });

/** They wait long for the server and for its writers: a machine may stop for seconds. They are not connected yet. */
export const patientCounters = (
  url: string,
  prefix: string,
  options: Partial<Pick<RedisNodeOptions, "maxKeys" | "writers" | "writersWithinMs">> = {},
): RedisNodeCounters =>
  createRedisNodeCounters({
    ...{ url, prefix, maxKeys: 100_000, incarnationKey: `${prefix}:era`, onError: () => undefined },
    ...{ answerWithinMs: PATIENCE_MS, writersWithinMs: PATIENCE_MS, ...options },
  });

/** Calls in an hour, without bounds. */
export const calls = (limit: bigint, amount = 1n): CounterCharge => ({
  counter: "calls|HOUR",
  meter: "calls",
  window: { kind: "sliding", windowMs: HOUR_MS },
  amount: amount * UNIT,
  hardLimit: limit * UNIT,
  laterLimits: [],
  bounded: false,
});

export const consuming = (key: string, charge: CounterCharge, ttlMs = 600_000): Operation => ({
  ...{ kind: "consume", key, content: `calls ${charge.amount}`, ttlMs },
  charges: [charge],
});

/** Names what is there of the tenant now. */
export async function tokenOf(counters: QuotaCounters, tenantId: string): Promise<string> {
  const [observed] = await counters.observe([tenantId]);
  return observed?.token ?? "";
}

/** `token`: what the load was read for; undefined: what is there now. */
export async function loadCalls(counters: QuotaCounters, tenantId: string, seq = 0, token?: string): Promise<void> {
  const { counter, window } = calls(0n);
  const epoch = Math.random().toString(36).slice(2);
  const loaded = [{ counter, window, blockedUntil: 0, usage: [] }];
  const load = { tenantId, epoch, seq, lost: [], hasOwnClock: false, counters: loaded };
  await counters.load(load, token ?? (await tokenOf(counters, tenantId)));
}

/** The outcome, in a word. */
export const wordOf = (outcome: Outcome | undefined): string => {
  if (outcome?.kind === "decided") return outcome.allowed ? "allowed" : "denied";
  return outcome?.kind ?? "nothing";
};

export async function consume(
  counters: QuotaCounters,
  tenantId: string,
  key: string,
  charge: CounterCharge,
): Promise<string> {
  const [outcome] = await counters.execute(tenantId, [consuming(key, charge)], undefined);
  return wordOf(outcome);
}

/** What is reserved. */
export async function reserved(counters: QuotaCounters, tenantId: string): Promise<bigint | undefined> {
  const [outcome] = await counters.execute(
    tenantId,
    [{ ...consuming("", calls(1_000_000n, 0n)), kind: "check" } as Operation],
    undefined,
  );
  const reading = outcome?.kind === "decided" ? outcome.readings[0] : undefined;
  return reading === undefined ? undefined : reading.reserved / UNIT;
}
