import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PrivateRedis, startRedis } from "../../../tests/servers/private-servers.js";
import { hasRedis, waitFor } from "../../../tests/servers/servers.js";
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
