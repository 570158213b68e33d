import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { partitionOf } from "#kernel/partition.js";
import { askRedisOnce } from "#platform/redis/once.js";
import { QUOTA_WINDOWS } from "#schema/vocabulary.js";
import { hasPostgres, hasRedis, PATIENCE_MS, redisUrl, waitFor } from "../../../tests/servers/servers.js";
import { createMemoryQuotaCounters } from "../counters/memory/memory.js";
import { outlivesLoss } from "../rules/windows.js";
import { createQuotaStore } from "../store/store.js";
import { createUsageRecorded } from "../usage-recorded.js";
import { openWorld, type StartedService, type World } from "../world.testing.js";
import { createTenantLimits } from "./tenant-limits.js";

/** A loss must not forget what these admitted. */
const LASTING = QUOTA_WINDOWS.filter(outlivesLoss);

interface Answer {
  readonly allowed: boolean;
  readonly reason: string;
  readonly limits: readonly { used: string; reserved: string }[];
}

async function consume(service: StartedService, headers: Record<string, string>, payload: object): Promise<Answer> {
  const response = await service.app.inject({ method: "POST", url: "/v1/quota/consume", headers, payload });
  return response.json<Answer>();
}

/** Asks for one more at a time, some at once, with keys of their own; answers how many were allowed. */
async function admitted(
  service: StartedService,
  headers: Record<string, string>,
  times: number,
  meter?: string,
): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: times }, () =>
      consume(service, headers, { meter, idempotencyKey: randomUUID(), ttlSeconds: 3600 }),
    ),
  );
  return answers.filter((answer) => answer.allowed).length;
}

describe.skipIf(!hasPostgres)("quota after a loss of counters in process", () => {
  let world: World;
  const services: StartedService[] = [];

  beforeAll(async () => {
    world = await openWorld();
    world.meter("calls");
    for (const window of LASTING) {
      world.plan(window, [{ limit: "60", window }]);
      world.plan(`requests-${window}`, [{ limit: "60", window, meter: null }]);
    }
    world.plan("minute", [{ limit: "5", window: "MINUTE" }]);
    world.plan("minute-soft", [{ limit: "5", window: "MINUTE", kind: "SOFT" }]);
  });
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
  });
  afterAll(async () => world.close());

  /** A new process; the one before is killed. */
  const restart = async (): Promise<StartedService> => {
    for (const service of services.splice(0)) await service.kill();
    const service = await world.startService();
    services.push(service);
    return service;
  };

  for (const window of LASTING) {
    for (const meter of ["calls", undefined]) {
      test(`killed again and again, ${meter ?? "requests"} per ${window} are never admitted beyond the limit`, async () => {
        const id = `kill-${window}-${meter ?? "requests"}`;
        world.tenant(id, meter === undefined ? `requests-${window}` : window);
        const headers = world.key(id);
        const perLife: number[] = [];
        for (let life = 0; life < 5; life += 1) perLife.push(await admitted(await restart(), headers, 17, meter));
        const total = perLife.reduce((sum, n) => sum + n, 0);
        expect(perLife[0]).toBe(17);
        expect(total).toBeLessThanOrEqual(60);
        // Each loss costs at most a block of 2 % (2) that was granted and not used.
        expect(total).toBeGreaterThanOrEqual(60 - 4 * 2);
      });
    }
  }

  test("usage recorded before and after a loss is added to lost admissions", async () => {
    world.tenant("mixed", "BILLING_PERIOD");
    const headers = world.key("mixed");
    const first = await restart();
    expect(await admitted(first, headers, 20, "calls")).toBe(20);
    await world.record(
      "mixed",
      Array.from({ length: 25 }, () => ({ id: randomUUID() })),
    );
    await waitFor(() => world.appliedSeq("mixed"), { what: "the usage" });
    const total = 20 + (await admitted(await restart(), headers, 60, "calls"));
    expect(total).toBeLessThanOrEqual(35);
    expect(total).toBeGreaterThanOrEqual(33);
  });

  test("what a soft limit admitted before a hard one begins is not forgotten", async () => {
    world.plan("soft", [{ limit: "10", kind: "SOFT" }]);
    const boundary = Date.UTC(2026, 2, 1);
    const assigned = (planId: string, effectiveFrom: number) => ({
      ...{ planId, effectiveFrom, planVersion: 1, inVersion: 1, cancelledInVersion: null },
    });
    const assignments = [assigned("soft", 0), assigned("BILLING_PERIOD", boundary)];
    const at = (testClock: number) => world.tenant("hardens", null, { testClock, assignments });
    at(boundary - 600_000);
    const headers = world.key("hardens");
    expect(await admitted(await restart(), headers, 17, "calls")).toBe(17);
    const service = await restart();
    at(boundary + 60_000);
    const total = 17 + (await admitted(service, headers, 60, "calls"));
    expect(total).toBeLessThanOrEqual(60);
    expect(total).toBeGreaterThanOrEqual(60 - 2);
  });

  test("a hard minute is denied for a minute with its reason, a soft one goes on degraded, a new tenant is not touched", async () => {
    world.tenant("short", "minute");
    world.tenant("short-soft", "minute-soft");
    world.tenant("newcomer", "minute");
    const [hard, soft, newcomer] = ["short", "short-soft", "newcomer"].map((id) => world.key(id));
    const before = await restart();
    const request = { meter: "calls", idempotencyKey: "a" };
    expect((await consume(before, hard ?? {}, request)).allowed).toBe(true);
    expect((await consume(before, soft ?? {}, request)).allowed).toBe(true);
    const lostAfter = Date.now();
    const after = await restart();
    expect(await consume(after, hard ?? {}, request)).toMatchObject({ allowed: false, reason: "COUNTER_REBUILDING" });
    expect(await consume(after, soft ?? {}, request)).toMatchObject({ allowed: true, reason: "DEGRADED" });
    expect(await consume(after, newcomer ?? {}, request)).toMatchObject({ allowed: true, reason: "WITHIN_LIMITS" });
    const denied = await after.app.inject({
      method: "POST",
      url: "/v1/quota/consume",
      headers: hard ?? {},
      payload: request,
    });
    const passed = Math.ceil((Date.now() - lostAfter) / 1_000);
    expect(Number(denied.headers["retry-after"])).toBeGreaterThanOrEqual(60 - passed);
    expect(Number(denied.headers["retry-after"])).toBeLessThanOrEqual(60);
  });
});

describe.skipIf(!hasPostgres || !hasRedis)("quota after a loss in Redis", () => {
  let world: World;
  let service: StartedService;

  beforeAll(async () => {
    world = await openWorld({ redisUrl: redisUrl() });
    world.meter("calls");
    world.plan("sixty", [{ limit: "60", window: "HOUR" }]);
    world.plan("minute", [{ limit: "50", window: "MINUTE" }]);
    service = await world.startService();
  });
  afterAll(async () => {
    await service.stop();
    await world.close();
  });

  async function flush(): Promise<void> {
    const gone = askRedisOnce(
      redisUrl(),
      async (redis) => {
        const keys = await redis.keys(`${world.namespace}:*`);
        expect(keys.length).toBeGreaterThan(0);
        await redis.del(...keys);
      },
      PATIENCE_MS,
    );
    await gone;
  }

  test("flushed while two processes admit, it never admits more than the limit", async () => {
    world.tenant("flushed", "sixty");
    const headers = world.key("flushed");
    const other = await world.startService();
    let total = 0;
    for (let round = 0; round < 4; round += 1) {
      const both = await Promise.all([service, other].map((one) => admitted(one, headers, 11, "calls")));
      total += both.reduce((sum, n) => sum + n, 0);
      await flush();
    }
    await other.stop();
    expect(total).toBeLessThanOrEqual(60);
    expect(total).toBeGreaterThanOrEqual(60 - 4 * 4);
  });

  test("a hard minute is denied after a flush", async () => {
    world.tenant("flushed-minute", "minute");
    const headers = world.key("flushed-minute");
    expect(await admitted(service, headers, 3, "calls")).toBe(3);
    await flush();
    expect((await consume(service, headers, { meter: "calls", idempotencyKey: "x" })).reason).toBe(
      "COUNTER_REBUILDING",
    );
  });

  test("a flush costs nothing beyond what was open: bounds follow releases, settlements and expiries", async () => {
    world.plan("thousand", [{ limit: "1000" }]);
    const ids = ["flush-released", "flush-expired", "flush-settled"];
    for (const id of ids) world.tenant(id, "thousand");
    const [released, expired, settled] = ids.map((id) => world.key(id));
    const job = { meter: "calls", amount: "950", idempotencyKey: "job" };
    for (const [headers, ttlSeconds] of [
      [released, 3_600],
      [expired, 1],
      [settled, 3_600],
    ] as const)
      expect((await consume(service, headers ?? {}, { ...job, ttlSeconds })).allowed).toBe(true);
    const release = await service.app.inject({
      ...{ method: "POST", url: "/v1/quota/release", headers: released ?? {}, payload: { idempotencyKey: "job" } },
    });
    expect(release.json()).toEqual({ released: true });
    await world.record("flush-settled", [{ id: "job" }]);
    await waitFor(
      async () => {
        const { rows } = await world.database.pool.query<{ sum: string | null }>(
          // One that has ended counts no longer, and its row stays for a while.
          "SELECT sum(bound) AS sum FROM granted_bound WHERE tenant_id = ANY ($1) AND expires_at > now()",
          [ids],
        );
        return Number(rows[0]?.sum) === 0;
      },
      { what: "the bounds to fall" },
    );
    await flush();
    for (const headers of [released, expired, settled])
      expect(await consume(service, headers ?? {}, { ...job, amount: "900", idempotencyKey: "next" })).toMatchObject({
        allowed: true,
        limits: [{ reserved: "900" }],
      });
  });

  test("a process that died between commit and settlement is made up for by the next", async () => {
    const id = "torn";
    world.tenant(id, "sixty");
    const headers = world.key(id);
    await consume(service, headers, { meter: "calls", idempotencyKey: "a" });
    await world.record(id, [{ id: "first" }]);
    await waitFor(() => world.appliedSeq(id), { what: "the usage" });
    await service.stop();

    const partition = partitionOf(id, 2);
    const apply = createUsageRecorded({
      store: createQuotaStore(world.database, () => partition),
      counters: createMemoryQuotaCounters({ now: Date.now }, { maxKeys: 1_000 }),
      tenancy: world.tenancy,
      ledger: world.ledger,
      partitions: 2,
      limits: createTenantLimits(world.tenancy, { nowOf: Date.now }, { now: Date.now }),
      onBehind: () => undefined,
      onAlerts: () => undefined,
    });
    const entries = await world.record(
      id,
      Array.from({ length: 4 }, (_, n) => ({ id: `lost-${n}` })),
    );
    await world.database.transaction(async (tx) => {
      await tx.query("UPDATE high_water_mark SET seq = seq + $2 WHERE partition = $1", [partition, entries.length]);
      await apply(tx, partition, entries, undefined);
    });

    service = await world.startService();
    let last: Answer | undefined;
    await waitFor(
      async () => {
        last = await consume(service, headers, { meter: "calls", idempotencyKey: "a" });
        return last.limits[0]?.used === "5";
      },
      { what: "the repair" },
    ).catch(async (error: unknown) => {
      const { reasons } = await service.service.readiness();
      throw new Error(`the last answer was ${JSON.stringify(last)}; not ready: ${reasons.join()}`, { cause: error });
    });
    expect(last?.limits[0]).toMatchObject({ reserved: "1" });
  });
});
