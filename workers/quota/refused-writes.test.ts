import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateRedis, startRedis } from "../../tests/servers/private-servers.js";
import { hasPostgres, hasRedis, waitFor } from "../../tests/servers/servers.js";
import type { Answer, LimitAnswer } from "./room.testing.js";
import { openWorld, type StartedService, type World } from "./world.testing.js";

interface Refusal {
  begin(redis: Redis): Promise<unknown>;
  end(redis: Redis): Promise<unknown>;
}

const set = (redis: Redis, name: string, value: string) => redis.config("SET", name, value);

const REFUSALS: Readonly<Record<string, Refusal>> = {
  OOM: { begin: (redis) => set(redis, "maxmemory", "1"), end: (redis) => set(redis, "maxmemory", "0") },
  NOREPLICAS: {
    begin: (redis) => set(redis, "min-replicas-to-write", "1"),
    end: (redis) => set(redis, "min-replicas-to-write", "0"),
  },
  NOAUTH: {
    async begin(redis) {
      await set(redis, "requirepass", "changed");
      await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
    end: (redis) => set(redis, "requirepass", ""),
  },
};

describe.skipIf(!hasPostgres || !hasRedis)("a Redis that answers and refuses to write", () => {
  let server: PrivateRedis;
  let redis: Redis;
  let world: World;
  let service: StartedService;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
    world = await openWorld({ redisUrl: server.url });
    world.meter("units", { aggregation: "SUM", valueProperty: "n", eventType: "use.units" });
    for (const kind of ["HARD", "SOFT"] as const) world.plan(kind, [{ meter: "units", limit: "1000", kind }]);
    service = await world.startService();
  });
  afterAll(async () => {
    await service.stop();
    await world.close();
    redis.disconnect();
    await server.stop();
  });

  const tenant = (id: string, plan: "HARD" | "SOFT") => {
    world.tenant(id, plan);
    return { id, headers: world.key(id) };
  };
  type Tenant = ReturnType<typeof tenant>;
  const consume = async ({ headers }: Tenant, amount: number, idempotencyKey: string, ttlSeconds = 300) => {
    const payload = { meter: "units", amount: String(amount), idempotencyKey, ttlSeconds };
    const response = await service.app.inject({ method: "POST", url: "/v1/quota/consume", headers, payload });
    return { ...response.json<Answer>(), status: response.statusCode };
  };
  const shown = ({ status, reason, code }: Answer & { status: number }) => `${status} ${reason ?? code}`;
  const isReady = async () => (await service.service.readiness()).ready;

  test.each(Object.keys(REFUSALS))(
    "%s: decisions say so, and usage recorded meanwhile counts afterwards",
    async (name) => {
      const refusal = REFUSALS[name];
      if (refusal === undefined) throw new Error(name);
      const unasked = tenant(`unasked-${name}`, "HARD");
      const reserved = tenant(`reserved-${name}`, "HARD");
      const soft = tenant(`soft-${name}`, "SOFT");
      await waitFor(isReady, { what: "readiness" });
      for (const one of [unasked, soft]) expect(shown(await consume(one, 1, "warm", 1))).toBe("200 WITHIN_LIMITS");
      expect(shown(await consume(reserved, 600, "job", 86_400))).toBe("200 WITHIN_LIMITS");

      await refusal.begin(redis);
      expect(shown(await consume(unasked, 1, "hard"))).toBe("429 COUNTER_REBUILDING");
      expect(shown(await consume(soft, 1, "soft"))).toBe("200 DEGRADED");
      await world.record(unasked.id, [{ id: "use", type: "use.units", data: { n: 900 } }]);
      await world.record(reserved.id, [{ id: "job", type: "use.units", data: { n: 600 } }]);
      for (const { id } of [unasked, reserved]) await waitFor(() => world.appliedSeq(id), { what: "the usage" });
      await waitFor(async () => !(await isReady()), { what: "no readiness" });

      await refusal.end(redis);
      const first = await waitFor(
        async () => {
          const answer = await consume(unasked, 500, "after");
          return answer.reason === "COUNTER_REBUILDING" ? undefined : answer;
        },
        { what: "a decision" },
      );
      expect(shown(first)).toBe("429 LIMIT_EXCEEDED");
      await waitFor(
        async () => {
          const url = "/v1/quota/check";
          const payload = { meter: "units", amount: "0" };
          const response = await service.app.inject({ method: "POST", url, headers: reserved.headers, payload });
          const limit: LimitAnswer | undefined = response.json<Answer>().limits[0];
          return limit?.used === "600" && limit.reserved === "0";
        },
        { what: "the event to take the place of its reservation" },
      );
      await waitFor(isReady, { what: "readiness again" });
    },
  );
});
