import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { type PrivateRedisCluster, startRedisCluster } from "../../../../tests/servers/redis-cluster.js";
import { hasRedis, waitFor } from "../../../../tests/servers/servers.js";
import { quotaCountersConformance } from "../counters.conformance.js";
import { type CounterCharge, CountersUnavailable, type QuotaCounters } from "../counters.js";
import { createRedisQuotaCounters } from "./redis.js";

const onError = (): void => undefined;
const calls: CounterCharge = {
  counter: "calls",
  window: { kind: "sliding", windowMs: HOUR_MS, bucketMs: 180_000 },
  amount: 1,
  hardLimit: 2,
  settles: true,
  bounded: false,
};

describe.skipIf(!hasRedis)("Redis Cluster", () => {
  let cluster: PrivateRedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.stop());

  quotaCountersConformance("Redis Cluster", () =>
    createRedisQuotaCounters({ urls: [cluster.url], prefix: randomUUID(), onError }),
  );

  test("a failover is a loss only to the tenants of its slots", async () => {
    const counters = await createRedisQuotaCounters({ urls: [cluster.url], prefix: randomUUID(), onError });
    const tenantIds = Array.from({ length: 40 }, (_, n) => `tenant-${n}`);
    const load = async (tenantId: string) => {
      const [{ name } = { name: "" }] = await counters.incarnations([tenantId]);
      await counters.load({
        tenantId,
        incarnation: name,
        seq: 7,
        counters: [{ ...calls, blockedUntil: 0, buckets: [] }],
      });
      return name;
    };
    const before = new Map<string, string>();
    for (const tenantId of tenantIds) before.set(tenantId, await load(tenantId));
    expect(new Set(before.values()).size).toBe(3);
    const outcomes = await Promise.all(tenantIds.map((tenantId) => consume(counters, tenantId, "k")));
    expect(new Set(outcomes)).toEqual(new Set(["allowed"]));

    await cluster.masters[0]?.kill("SIGKILL");
    const lost = new Set<string>();
    for (const tenantId of tenantIds) {
      const outcome = await waitFor(() => consume(counters, tenantId, "k2").catch(unlessUnavailable), {
        what: `an answer for ${tenantId}`,
      });
      expect(["allowed", "unknown"]).toContain(outcome);
      if (outcome === "unknown") lost.add(tenantId);
    }
    expect(lost.size).toBeGreaterThan(0);
    expect(lost.size).toBeLessThan(tenantIds.length / 2);
    for (const tenantId of tenantIds) {
      const after = (await counters.incarnations([tenantId]))[0]?.name;
      expect(after === before.get(tenantId)).toBe(!lost.has(tenantId));
    }
    for (const tenantId of lost) await load(tenantId);
    const known = await counters.positions(tenantIds);
    expect(known).toEqual(tenantIds.map(() => 7));
    await counters.stop();
  });
});

async function consume(counters: QuotaCounters, tenantId: string, reservation: string): Promise<string> {
  const outcome = await counters.decide({
    ...{ tenantId, mode: "consume", reservation, ttlMs: 60_000, now: undefined },
    charges: [calls],
  });
  return outcome.kind === "decided" && outcome.allowed ? "allowed" : outcome.kind;
}

function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof CountersUnavailable)) throw error;
  return undefined;
}
