import { connect, createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { hasPostgres, hasRedis, redisUrl, waitFor } from "../../tests/servers/servers.js";
import { type Answer, describeRoom } from "./room.testing.js";
import { openWorld, type World } from "./world.testing.js";

function prepare(world: World): void {
  world.meter("calls");
  world.plan("ten", [{ limit: "10" }]);
}

describeRoom("quota", prepare, (room) => {
  test("it is ready when its consumer moves and its counters answer", async () => {
    expect(await waitFor(async () => (await room.service().service.readiness()).ready, { what: "readiness" })).toBe(
      true,
    );
  });

  test("an orderly restart keeps reservations, keys and short windows as they were", async () => {
    const { headers } = room.tenant("restart", "ten");
    const before = await room.post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "a" });
    await room.restart();
    const again = await room.post("consume", headers, { meter: "calls", amount: "6", idempotencyKey: "a" });
    expect(again.body).toEqual(before.body);
    expect((await room.post("consume", headers, { meter: "calls", amount: "4", idempotencyKey: "b" })).status).toBe(
      200,
    );
  });
});

describe.skipIf(!hasPostgres || !hasRedis)("quota while Redis does not answer", () => {
  test("hard limits deny, soft ones go on degraded, readiness has the reason, and quota recovers automatically", async () => {
    const proxy = await startProxy(redisUrl());
    const world = await openWorld({ redisUrl: proxy.url });
    world.meter("calls");
    world.plan("hard", [{ limit: "5", window: "DAY" }]);
    world.plan("soft", [{ limit: "5", kind: "SOFT" }]);
    world.tenant("h", "hard");
    world.tenant("s", "soft");
    const keys = { h: world.key("h"), s: world.key("s") };
    const service = await world.startService();
    const consume = async (who: "h" | "s", idempotencyKey: string) => {
      const payload = { meter: "calls", idempotencyKey };
      const request = { method: "POST", url: "/v1/quota/consume", headers: keys[who], payload } as const;
      const response = await service.app.inject(request);
      return { retryAfter: response.headers["retry-after"], ...response.json<Answer>() };
    };
    expect(await consume("h", "a")).toMatchObject({ allowed: true, reason: "WITHIN_LIMITS" });
    proxy.cut();
    expect(await consume("h", "b")).toMatchObject({ allowed: false, reason: "COUNTER_REBUILDING", retryAfter: "1" });
    expect(await consume("s", "b")).toMatchObject({ allowed: true, reason: "DEGRADED" });
    expect((await service.service.readiness()).reasons).toContain("the quota counters cannot be used");
    proxy.mend();
    const again = await waitFor(
      async () => {
        const answer = await consume("h", "c");
        return answer.allowed ? answer : undefined;
      },
      { what: "Redis again" },
    );
    expect(again.limits[0]).toMatchObject({ reserved: "2" });
    await service.stop();
    await world.close();
    await proxy.stop();
  });
});

/** A way to Redis that can be cut: open connections break and new ones are refused until it is mended. */
async function startProxy(target: string) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let open = true;
  const server = createServer((client) => {
    if (!open) return client.destroy();
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy has no port");
  const cut = (): void => {
    open = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    cut,
    mend: (): void => {
      open = true;
    },
    stop: () => {
      cut();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
