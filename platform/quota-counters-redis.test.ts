import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hasRedis, redisUrl } from "../tests/servers/servers.js";
import { quotaCountersConformance } from "./quota-counters.conformance.js";
import { CountersUnavailable } from "./quota-counters.js";
import { createRedisQuotaCounters } from "./quota-counters-redis.js";

const onError = (): void => undefined;

describe.skipIf(!hasRedis)("Redis", () => {
  const prefix = `test:${randomUUID()}`;
  quotaCountersConformance("Redis", () => createRedisQuotaCounters({ url: redisUrl(), prefix, onError }));

  test("two processes see one incarnation; what is lost gets another", async () => {
    const own = `test:${randomUUID()}`;
    const [a, b] = await Promise.all(
      [1, 2].map(() => createRedisQuotaCounters({ url: redisUrl(), prefix: own, onError })),
    );
    if (a === undefined || b === undefined) throw new Error("not started");
    const [before = { name: "", since: 0 }] = await a.incarnations(["t"]);
    const { name } = before;
    expect((await b.incarnations(["t"]))[0]).toMatchObject({ name, since: before.since });
    expect(Math.abs(before.since - Date.now())).toBeLessThan(5_000);
    await a.load({ tenantId: "t", incarnation: name, seq: 4, counters: [] });
    expect(await b.positions(["t"])).toEqual([4]);
    const { Redis } = await import("ioredis");
    const redis = new Redis(redisUrl());
    await redis.del(`${own}:incarnation`);
    redis.disconnect();
    expect((await b.incarnations(["t"]))[0]?.name).not.toBe(name);
    expect(await b.positions(["t"])).toEqual([undefined]);
    await Promise.all([a.stop(), b.stop()]);
  });

  test("a connection that is down says so at once instead of queueing", async () => {
    const counters = await createRedisQuotaCounters({ url: redisUrl(), prefix, onError });
    await counters.stop();
    await expect(counters.incarnations(["t"])).rejects.toBeInstanceOf(CountersUnavailable);
  });
});
