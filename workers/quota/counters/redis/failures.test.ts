import { describe, expect, test } from "vitest";
import { hasRedis } from "../../../../tests/servers/servers.js";
import { runs } from "../../../../tests/support/effort.js";
import { CountersUnavailable, type QuotaCounters } from "../counters.js";
import { calls, consuming, loadCalls, openTestCounters, privateRedis, reserved, wordOf } from "./redis.testing.js";

const LIMIT = 60n;
const TENANTS = ["a", "b", "c"];

describe.skipIf(!hasRedis)("failures while several processes work", () => {
  const { server, redis } = privateRedis();

  test("what was answered is what all of them count, whatever answers were lost", async () => {
    const all = await Promise.all([1, 2, 3, 4].map(() => openTestCounters(server().url, "p")));
    for (const tenantId of TENANTS) await loadCalls(all[0] as QuotaCounters, tenantId);
    const open = new Map<string, bigint>();
    let failures = 0;

    /** Asks until there is an answer: the same key again is the same reservation. */
    async function surely<T>(work: () => Promise<T>): Promise<T> {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof CountersUnavailable)) throw error;
          failures += 1;
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }
    }

    async function work(counters: QuotaCounters, name: string): Promise<void> {
      const mine: { readonly tenantId: string; readonly key: string }[] = [];
      for (let n = 0; n < runs(40); n += 1) {
        const tenantId = TENANTS[Math.floor(Math.random() * TENANTS.length)] ?? "";
        const key = `${name}-${n}`;
        const amount = BigInt(1 + Math.floor(Math.random() * 4));
        const operation = consuming(key, calls(LIMIT, amount));
        const [outcome] = await surely(() => counters.execute(tenantId, [operation], undefined));
        expect(["allowed", "denied"]).toContain(wordOf(outcome));
        if (wordOf(outcome) === "allowed") {
          mine.push({ tenantId, key });
          open.set(`${tenantId} ${key}`, amount);
        }
        const given = mine.length > 3 ? mine.shift() : undefined;
        if (given === undefined) continue;
        await surely(() => counters.execute(given.tenantId, [{ kind: "release", key: given.key }], undefined));
        open.delete(`${given.tenantId} ${given.key}`);
      }
    }

    let isOver = false;
    async function fail(): Promise<void> {
      while (!isOver) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
        const kind = Math.random();
        if (kind < 0.5) await redis().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        else if (kind < 0.6) await redis().script("FLUSH");
        else {
          const setting = kind < 0.8 ? "maxmemory" : "min-replicas-to-write";
          await redis().config("SET", setting, "1");
          await new Promise((resolve) => setTimeout(resolve, 5));
          await redis().config("SET", setting, "0");
        }
      }
    }
    const failing = fail();
    await Promise.all(all.flatMap((one, index) => [work(one, `${index}x`), work(one, `${index}y`)]));
    isOver = true;
    await failing;

    expect(failures).toBeGreaterThan(0);
    const fresh = await openTestCounters(server().url, "p");
    for (const tenantId of TENANTS) {
      const sum = [...open].reduce((total, [key, amount]) => (key.startsWith(tenantId) ? total + amount : total), 0n);
      expect(sum).toBeLessThanOrEqual(LIMIT);
      for (const one of [...all, fresh]) expect(await surely(() => reserved(one, tenantId))).toBe(sum);
    }
    await Promise.all([...all, fresh].map((one) => one.stop()));
  });
});
