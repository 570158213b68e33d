import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withDatabase } from "#platform/database/database.js";
import {
  createTestDatabase,
  databaseUrl,
  freePort,
  hasPostgres,
  hasRedis,
  redisUrl,
  type TestDatabase,
} from "../../../tests/servers/servers.js";
import { describeJobQueues } from "../job-queue.conformance.js";
import { connectJobQueues } from "./queues.js";

function onError(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

describe.skipIf(!hasRedis)("on Redis", () => {
  const prefix = `conformance-${randomBytes(4).toString("hex")}`;
  describeJobQueues("BullMQ on Redis", () => ({
    backend: { kind: "redis", url: redisUrl() },
    prefix,
    onError,
  }));

  test("does not start without its server", async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    await expect(connectJobQueues({ backend: { kind: "redis", url }, onError: () => {} })).rejects.toThrow();
  });
});

describe.skipIf(!hasPostgres)("on PostgreSQL", () => {
  let testDatabase: TestDatabase;
  beforeAll(async () => {
    testDatabase = await createTestDatabase("job_queue");
  });
  afterAll(() => testDatabase.drop());

  describeJobQueues("BullMQ on PostgreSQL", () => ({
    backend: { kind: "postgres", url: testDatabase.url },
    onError,
  }));

  test("several processes may set up the same new database at once", async () => {
    const fresh = await createTestDatabase("job_queue_fresh");
    const name = new URL(fresh.url).pathname.slice(1);
    await fresh.drop();
    const url = withDatabase(databaseUrl(), name);
    const opened = await Promise.all(
      [1, 2, 3].map(() => connectJobQueues({ backend: { kind: "postgres", url }, onError })),
    );
    await opened[0]?.queue("q").add("a", {});
    await Promise.all(opened.map((queues) => queues.stop()));
    await fresh.drop();
  });
});
