import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PrivateRedis, startRedis } from "../../../tests/servers/private-servers.js";
import { createTestDatabase, hasPostgres, hasRedis, waitFor } from "../../../tests/servers/servers.js";
import { connectJobQueues } from "./queues.js";

describe.skipIf(!hasRedis)("job queues on a Redis that fails", () => {
  let redis: PrivateRedis;
  beforeEach(async () => {
    redis = await startRedis({ appendOnly: true });
  });
  afterEach(() => redis.stop());

  const open = () => connectJobQueues({ backend: { kind: "redis", url: redis.url }, onError: () => {} });

  test("a server that evicts is refused with a clear sentence", async () => {
    const admin = new Redis(redis.url);
    await admin.config("SET", "maxmemory-policy", "allkeys-lru");
    await admin.quit();
    await expect(open()).rejects.toThrow(
      /maxmemory-policy allkeys-lru; job queues and quota counters need "noeviction"/,
    );
  });

  test("while the server is down adding fails soon; afterwards queue and worker resume", async () => {
    const queues = await open();
    const queue = queues.queue("q");
    const ran: string[] = [];
    queues.work(
      "q",
      { concurrency: 1, lockDurationMs: 5_000 },
      async ({ id }) => {
        ran.push(id);
      },
      () => {},
    );
    await queue.add("before", {});
    await waitFor(() => ran.includes("before"), { what: "the first job" });
    await redis.kill("SIGKILL");
    await expect(queue.add("during", {})).rejects.toThrow();
    await redis.restart();
    await waitFor(() => queue.add("after", {}).then(() => true), { what: "adding" });
    await waitFor(() => ran.includes("after"), { what: "the last job" });
    await queues.stop();
  });

  test("stop ends although the server is gone", async () => {
    const queues = await open();
    await queues.queue("q").add("a", {}, 60_000);
    queues.work(
      "q",
      { concurrency: 1, lockDurationMs: 5_000 },
      async () => {},
      () => {},
    );
    await redis.kill("SIGKILL");
    await queues.stop();
  });
});

describe.skipIf(!hasPostgres)("job queues on a PostgreSQL that fails", () => {
  test("a worker and a queue whose first connections break go on with the next ones, and timers meanwhile", async () => {
    const database = await createTestDatabase("jobs-broken");
    const server = new URL(database.url);
    let isBroken = false;
    const proxy = net.createServer((client) => {
      if (isBroken) {
        client.destroy();
        return;
      }
      const upstream = net.connect(Number(server.port), server.hostname);
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on("error", () => [client, upstream].map((one) => one.destroy()));
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const url = new URL(database.url);
    url.hostname = "127.0.0.1";
    url.port = String((proxy.address() as AddressInfo).port);
    const queues = await connectJobQueues({ backend: { kind: "postgres", url: url.href }, onError: () => {} });
    try {
      isBroken = true;
      const ran: string[] = [];
      const handle = async ({ id }: { readonly id: string }) => {
        ran.push(id);
      };
      queues.work("q", { concurrency: 1, lockDurationMs: 5_000 }, handle, () => {});
      const queue = queues.queue("q");
      await expect(queue.add("during", {})).rejects.toThrow();
      await new Promise((resolve) => setTimeout(resolve, 100));
      isBroken = false;
      await waitFor(() => queue.add("after", {}).then(() => true), { what: "adding" });
      await waitFor(() => ran.includes("after"), { what: "the job" });
    } finally {
      await queues.stop();
      proxy.close();
      await database.drop();
    }
  });
});
