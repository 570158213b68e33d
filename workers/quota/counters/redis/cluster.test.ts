import { randomUUID } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateRedisCluster, startRedisCluster } from "../../../../tests/servers/redis-cluster.js";
import { hasRedis, PATIENCE_MS, waitFor } from "../../../../tests/servers/servers.js";
import { type ForeignServer, startForeignCluster } from "../../../../tests/systems/language/foreign-server.js";
import { quotaCountersConformance } from "../counters.conformance.js";
import { CountersUnavailable, type QuotaCounters } from "../counters.js";
import { calls, consume, loadCalls, openTestCounters, reserved } from "./redis.testing.js";

describe.skipIf(!hasRedis)("Redis Cluster", () => {
  let cluster: PrivateRedisCluster;
  /** What the product sees of it: the language of its refusals is another one. */
  let nodes: readonly ForeignServer[];
  let client: Cluster;
  const prefix = randomUUID();
  const pair: QuotaCounters[] = [];
  const open = async (): Promise<QuotaCounters> => openTestCounters(nodes[0]?.url ?? "", prefix);
  beforeAll(async () => {
    cluster = await startRedisCluster();
    nodes = await startForeignCluster([...cluster.masters, cluster.replica].map(({ url }) => url));
    client = new Cluster([cluster.url]);
    pair.push(await open(), await open());
  });
  afterAll(async () => {
    for (const one of pair) await one.stop();
    expect(nodes.some((node) => node.replaced() > 0)).toBe(true);
    for (const node of nodes) await node.stop();
    client.disconnect();
    await cluster.stop();
  });

  quotaCountersConformance("Redis Cluster", {
    open: async () => pair[0] ?? open(),
    reopen: async (counters) => pair.find((one) => one !== counters) ?? counters,
    async lose(counters, tenantId) {
      await client.del(`${prefix}:{${tenantId}}:h`);
      return counters;
    },
  });

  test("a slot that moves to another master is a loss to its tenants only, for every process", async () => {
    const [a, b] = await Promise.all([open(), open()]);
    const tenantIds = Array.from({ length: 30 }, (_, n) => `moved-${n}`);
    for (const tenantId of tenantIds) {
      await loadCalls(a, tenantId, 3);
      expect(await consume(b, tenantId, "k", calls(2n))).toBe("allowed");
    }
    const [from, to] = cluster.masters.map(({ url }) => url);
    const moved = await moveSlotOf(tenantIds, from ?? "", to ?? "", async (tenantId) => {
      for (const counters of [a, b])
        await expect(consume(counters, tenantId, "k3", calls(2n))).rejects.toThrow(CountersUnavailable);
    });
    for (const counters of [a, b]) {
      const outcome = await waitFor(() => consume(counters, moved, "k2", calls(2n)).catch(unlessUnavailable), {
        what: "an answer of the new master",
      });
      expect(outcome).toBe("unknown");
    }
    await loadCalls(b, moved, 3);
    expect(await consume(a, moved, "k2", calls(2n))).toBe("allowed");
    for (const tenantId of tenantIds) expect(await reserved(a, tenantId)).toBe(1n);
    await Promise.all([a.stop(), b.stop()]);
  });

  /** Moves the slot of one of the tenants, with all keys in it, calling `meanwhile` after each key; answers which tenant. */
  async function moveSlotOf(
    tenantIds: readonly string[],
    from: string,
    to: string,
    meanwhile: (tenantId: string) => Promise<void>,
  ): Promise<string> {
    const [source, target] = [new Redis(from), new Redis(to)];
    try {
      const mine = (await source.call("CLUSTER", "SLOTS")) as [number, number, [string, number, string]][];
      const [, , [, , sourceId]] = mine.find(([, , [, port]]) => port === Number(new URL(from).port)) ?? fail();
      const [, , [, , targetId]] = mine.find(([, , [, port]]) => port === Number(new URL(to).port)) ?? fail();
      for (const tenantId of tenantIds) {
        const slot = Number(await source.call("CLUSTER", "KEYSLOT", `{${tenantId}}`));
        if (!mine.some(([first, last, [, , id]]) => id === sourceId && first <= slot && slot <= last)) continue;
        await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId);
        await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", targetId);
        const keys = (await source.call("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[];
        const { hostname, port } = new URL(to);
        for (const key of keys) {
          await source.call("MIGRATE", hostname, port, key, 0, PATIENCE_MS);
          await meanwhile(tenantId);
        }
        for (const node of [target, source]) await node.call("CLUSTER", "SETSLOT", slot, "NODE", targetId);
        return tenantId;
      }
      throw new Error("no tenant there");
    } finally {
      source.disconnect();
      target.disconnect();
    }
  }

  test("a slot that no node serves is unavailable until one does, and nothing of it is lost", async () => {
    const counters = await open();
    await loadCalls(counters, "unserved", 3);
    expect(await consume(counters, "unserved", "k", calls(2n))).toBe("allowed");
    const slot = Number(await client.cluster("KEYSLOT", "{unserved}"));
    const owner = client.nodes("master").find(({ options: { port } }) => port === ownerPort(client.slots[slot]));
    await owner?.call("CLUSTER", "DELSLOTS", slot);
    await expect(consume(counters, "unserved", "k2", calls(2n))).rejects.toThrow(CountersUnavailable);
    await owner?.call("CLUSTER", "ADDSLOTS", slot);
    const outcome = await waitFor(() => consume(counters, "unserved", "k2", calls(2n)).catch(unlessUnavailable), {
      what: "the slot to be served",
    });
    expect(outcome).toBe("allowed");
    await counters.stop();
  });

  test("a failover is a loss only to the tenants of its slots", async () => {
    const counters = await open();
    const tenantIds = Array.from({ length: 40 }, (_, n) => `tenant-${n}`);
    for (const tenantId of tenantIds) await loadCalls(counters, tenantId, 7);
    const began = await sinceOf(counters, tenantIds);
    const outcomes = await Promise.all(tenantIds.map((tenantId) => consume(counters, tenantId, "k", calls(2n))));
    expect(new Set(outcomes)).toEqual(new Set(["allowed"]));

    await cluster.failOver();
    const lost = new Set<string>();
    for (const tenantId of tenantIds) {
      const outcome = await waitFor(() => consume(counters, tenantId, "k2", calls(2n)).catch(unlessUnavailable), {
        what: `an answer for ${tenantId}`,
      });
      expect(["allowed", "unknown"]).toContain(outcome);
      if (outcome === "unknown") lost.add(tenantId);
    }
    expect(lost.size).toBeGreaterThan(0);
    expect(lost.size).toBeLessThan(tenantIds.length / 2);
    const begins = await sinceOf(counters, tenantIds);
    for (const [index, tenantId] of tenantIds.entries())
      expect(begins[index] === began[index]).toBe(!lost.has(tenantId));
    for (const tenantId of lost) await loadCalls(counters, tenantId, 7);
    expect(await counters.positions(tenantIds)).toEqual(tenantIds.map(() => 7));
    await counters.stop();
  });
});

const sinceOf = async (counters: QuotaCounters, tenantIds: readonly string[]): Promise<readonly number[]> =>
  (await counters.observe(tenantIds)).map(({ since }) => since);

/** Of the node that ioredis names like `127.0.0.1:7000`, masters first. */
const ownerPort = (named: readonly string[] | undefined): number => Number(named?.[0]?.split(":").at(-1));

function fail(): never {
  throw new Error("not a master");
}

function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof CountersUnavailable)) throw error;
  return undefined;
}
