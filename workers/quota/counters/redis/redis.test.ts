import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { startRedis } from "../../../../tests/servers/private-servers.js";
import { hasRedis, redisUrl, waitFor } from "../../../../tests/servers/servers.js";
import { quotaCountersConformance } from "../counters.conformance.js";
import { CountersUnavailable } from "../counters.js";
import { createRedisQuotaCounters } from "./redis.js";

const onError = (): void => undefined;

describe.skipIf(!hasRedis)("Redis", () => {
  const prefix = `test:${randomUUID()}`;
  quotaCountersConformance("Redis", () => createRedisQuotaCounters({ urls: [redisUrl()], prefix, onError }));

  test("two processes see one incarnation; a loss starts another", async () => {
    const own = `test:${randomUUID()}`;
    const [a, b] = await Promise.all(
      [1, 2].map(() => createRedisQuotaCounters({ urls: [redisUrl()], prefix: own, onError })),
    );
    if (a === undefined || b === undefined) throw new Error("not started");
    const [before = { name: "", since: 0 }] = await a.incarnations(["t"]);
    const { name } = before;
    expect((await b.incarnations(["t"]))[0]).toMatchObject({ name, since: before.since });
    expect(Math.abs(before.since - Date.now())).toBeLessThan(HOUR_MS);
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

  test("a broken connection fails immediately instead of queueing", async () => {
    const counters = await createRedisQuotaCounters({ urls: [redisUrl()], prefix, onError });
    await counters.stop();
    await expect(counters.incarnations(["t"])).rejects.toBeInstanceOf(CountersUnavailable);
  });

  test("a server that starts later is found; one that evicts is refused, then too", async () => {
    const server = await startRedis();
    await server.kill("SIGKILL");
    const counters = await createRedisQuotaCounters({ urls: [server.url], prefix, onError });
    await expect(counters.now()).rejects.toBeInstanceOf(CountersUnavailable);
    await server.restart();
    await waitFor(() => counters.now(), { what: "the counters to answer" });
    await counters.stop();
    await server.stop();

    const evicting = await startRedis({ flags: ["--save", "", "--maxmemory-policy", "allkeys-lru"] });
    const refused = createRedisQuotaCounters({ urls: [evicting.url], prefix, onError });
    await expect(refused).rejects.toThrow('"noeviction"');
    await evicting.stop();
  });
});
