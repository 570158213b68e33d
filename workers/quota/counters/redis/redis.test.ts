import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import { startRedis } from "../../../../tests/servers/private-servers.js";
import { hasRedis, redisUrl, waitFor } from "../../../../tests/servers/servers.js";
import { quotaCountersConformance } from "../counters.conformance.js";
import { CountersUnavailable, type QuotaCounters } from "../counters.js";
import { UNIT } from "../exact-model.testing.js";
import { calls, consume, consuming, loadCalls, openTestCounters, reserved, tokenOf, wordOf } from "./redis.testing.js";

describe.skipIf(!hasRedis)("Redis", () => {
  const prefix = `test:${randomUUID()}`;
  let redis: Redis;
  const pair: QuotaCounters[] = [];
  const open = async (own = prefix): Promise<QuotaCounters> => openTestCounters(redisUrl(), own);
  beforeAll(async () => {
    redis = new Redis(redisUrl());
    pair.push(await open(), await open());
  });
  afterAll(async () => {
    for (const one of pair) await one.stop();
    redis.disconnect();
  });

  const first = async () => pair[0] ?? open();
  quotaCountersConformance("Redis", {
    open: first,
    // The other of two processes, whose replica is of some time ago.
    reopen: async (counters) => pair.find((one) => one !== counters) ?? counters,
    async lose(counters, tenantId) {
      await redis.del(`${prefix}:{${tenantId}}:h`);
      return counters;
    },
  });

  test("two processes see one incarnation; a loss starts another", async () => {
    const own = `test:${randomUUID()}`;
    const [a, b] = await Promise.all([open(own), open(own)]);
    const [before] = await a.observe(["t"]);
    expect(await b.observe(["t"])).toEqual([before]);
    expect(Math.abs((before?.since ?? 0) - Date.now())).toBeLessThan(HOUR_MS);
    await loadCalls(a, "t", 4);
    expect(await b.positions(["t"])).toEqual([4]);
    await redis.del(`${own}:era`);
    expect((await b.observe(["t"]))[0]?.since).toBeGreaterThanOrEqual(before?.since ?? Number.NaN);
    expect(await b.positions(["t"])).toEqual([undefined]);
    expect(await consume(b, "t", "k", calls(1n))).toBe("unknown");
    // Of an incarnation that is over, as this process finds out.
    expect(await consume(a, "t", "k", calls(1n))).toBe("unknown");
    await loadCalls(a, "t", 5);
    expect(await b.positions(["t"])).toEqual([5]);
    await Promise.all([a.stop(), b.stop()]);
  });

  test("what was read before a tenant was lost again builds no state", async () => {
    const [a] = await Promise.all([open()]);
    const token = await tokenOf(a, "twice");
    await redis.del(`${prefix}:{twice}:h`);
    await loadCalls(a, "twice", 4, token);
    expect(await a.positions(["twice"])).toEqual([undefined]);
    expect(await consume(a, "twice", "k", calls(1n))).toBe("unknown");
    await loadCalls(a, "twice", 4);
    expect(await consume(a, "twice", "k", calls(1n))).toBe("allowed");
    await a.stop();
  });

  test("a tenant that is gone within a life of the store was lost when that is noticed", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    await loadCalls(a, "gone");
    expect(await consume(a, "gone", "1", calls(9n))).toBe("allowed");
    const before = await a.now();
    await redis.del(`${prefix}:{gone}:h`, `${prefix}:{gone}:k`, `${prefix}:{gone}:l`);
    expect(await consume(a, "gone", "2", calls(9n))).toBe("unknown");
    for (const one of [a, b]) expect((await one.observe(["gone"]))[0]?.since).toBeGreaterThanOrEqual(before);
    expect((await a.observe(["new"]))[0]?.since).toBeLessThan(before);
    await Promise.all([a.stop(), b.stop()]);
  });

  test("a state that is older than one seen before is not used", async () => {
    const a = await open();
    const keys = ["h", "k", "l"].map((part) => `${prefix}:{older}:${part}`);
    await loadCalls(a, "older");
    const before = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    expect(await consume(a, "older", "k", calls(1n))).toBe("allowed");
    for (const [index, key] of keys.entries()) {
      await redis.del(key);
      if (before[index]) await redis.restore(key, 0, before[index]);
    }
    expect(await consume(a, "older", "other", calls(1n))).toBe("unknown");
    await a.stop();
  });

  test("keys of every kind are found again by another process", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    await loadCalls(a, "keys");
    const keys = ["", "v", "s", '"quoted"', "\\u0041\n", "ключ/🔑", "x".repeat(256), "-", "[1,2]"];
    for (const key of keys) expect(await consume(a, "keys", key, calls(100n))).toBe("allowed");
    expect(await reserved(b, "keys")).toBe(BigInt(keys.length));
    for (const key of keys)
      expect(await b.execute("keys", [{ kind: "release", key }], undefined)).toEqual([
        { kind: "released", released: true },
      ]);
    expect(await reserved(a, "keys")).toBe(0n);
    await Promise.all([a.stop(), b.stop()]);
  });

  test("the keys of a tenant expire, also when its reservations ended and came again", async () => {
    const a = await open();
    await loadCalls(a, "ttl");
    for (const key of ["1", "2"]) {
      await consume(a, "ttl", key, calls(100n));
      for (const part of ["h", "k", "l"])
        expect(await redis.pttl(`${prefix}:{ttl}:${part}`)).toBeGreaterThan(39 * 24 * HOUR_MS);
      await a.execute("ttl", [{ kind: "release", key }], undefined);
    }
    expect(await redis.exists(`${prefix}:{ttl}:k`)).toBe(0);
    await a.stop();
  });

  test("a bound falls to what is open under it", async () => {
    const a = await open();
    const bounded = { ...calls(100n), bounded: true };
    await loadCalls(a, "falls");
    const [outcome] = await a.execute("falls", [consuming("1", bounded)], undefined);
    if (outcome?.kind !== "bounds") throw new Error("no bound is asked for");
    const { epoch } = outcome;
    const granted = { id: "m|calls", bound: 50n * UNIT, until: Date.now() + HOUR_MS };
    await a.grant("falls", epoch, [{ ...granted, version: 1 }]);
    const [admitted] = await a.execute("falls", [consuming("1", bounded)], undefined);
    expect(wordOf(admitted)).toBe("allowed");
    let version = 1;
    const bound = async (): Promise<bigint | undefined> => {
      const lowered = await a.lower(10);
      version += 1;
      await a.lowered(lowered.map((one) => ({ ...one, nextVersion: version })));
      return lowered.at(-1)?.bound;
    };
    await waitFor(async () => (await bound()) === 2n * UNIT, { what: "a lower bound" });
    await waitFor(async () => (await bound()) === UNIT, { what: "what is open" });
    // What was granted before that is refused.
    await a.grant("falls", epoch, [{ ...granted, version: 1 }]);
    const [after] = await a.execute("falls", [consuming("2", bounded)], undefined);
    expect(after?.kind).toBe("bounds");
    await a.stop();
  });

  test("the log of changes stays short", async () => {
    const a = await open();
    await loadCalls(a, "log");
    for (let n = 0; n < 100; n += 1) await consume(a, "log", `k${n}`, calls(1_000n));
    expect(await redis.llen(`${prefix}:{log}:l`)).toBeLessThan(40);
    await a.stop();
  });

  test("a jump of the clock is a loss, for every process", async () => {
    const own = `test:${randomUUID()}`;
    const [a, b] = await Promise.all([open(own), open(own)]);
    await loadCalls(a, "t");
    expect([await reserved(a, "t"), await reserved(b, "t")]).toEqual([0n, 0n]);
    const restore = replaceTime({ ...machineTime, monotonicMs: () => performance.now() + 60_000 });
    try {
      expect(await consume(a, "t", "k", calls(1n))).toBe("unknown");
    } finally {
      restore();
    }
    expect(await consume(b, "t", "k", calls(1n))).toBe("unknown");
    await loadCalls(b, "t");
    expect(await consume(b, "t", "k", calls(1n))).toBe("allowed");
    await Promise.all([a.stop(), b.stop()]);
  });

  test("a broken connection fails immediately instead of queueing", async () => {
    const counters = await open();
    await counters.stop();
    await expect(counters.observe(["t"])).rejects.toBeInstanceOf(CountersUnavailable);
    await expect(consume(counters, "t", "k", calls(1n))).rejects.toBeInstanceOf(CountersUnavailable);
  });

  test("a server that starts later is found; one that evicts is refused, then too", async () => {
    const server = await startRedis();
    await server.kill("SIGKILL");
    const counters = await openTestCounters(server.url, prefix);
    await expect(counters.now()).rejects.toBeInstanceOf(CountersUnavailable);
    await server.restart();
    await waitFor(() => counters.now(), { what: "the counters to answer" });
    await counters.stop();
    await server.stop();

    const evicting = await startRedis({ flags: ["--save", "", "--maxmemory-policy", "allkeys-lru"] });
    await expect(openTestCounters(evicting.url, prefix)).rejects.toThrow('"noeviction"');
    await evicting.stop();
  });
});
