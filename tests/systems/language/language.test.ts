import { randomBytes } from "node:crypto";
import { appendFile } from "node:fs/promises";
import path from "node:path";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { HOUR_MS } from "#kernel/duration.js";
import { openDatabase, withDatabase } from "#platform/database/database.js";
import { PROFILES } from "#platform/database/profiles.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { connectJobQueues } from "#platform/job-queue/bullmq/queues.js";
import { readLedger } from "../../../workers/ingestion/store/ledger.js";
import { appendItems, openWorld, receivedItem, startService } from "../../../workers/ingestion/world.testing.js";
import { CountersUnavailable, type QuotaCounters } from "../../../workers/quota/counters/counters.js";
import { openRedisCounters } from "../../../workers/quota/counters/redis/redis.js";
import { createTenancyStore } from "../../../workers/tenancy/store/store.js";
import { createMigratedDatabase } from "../../servers/migrated.js";
import { startRedis } from "../../servers/private-servers.js";
import {
  databaseUrl,
  hasKafka,
  hasPostgres,
  hasRedis,
  kafkaBrokers,
  PATIENCE_MS,
  waitFor,
} from "../../servers/servers.js";
import { migrationOf } from "../../support/migration.js";
import { FOREIGN, type ForeignServer, startForeign } from "./foreign-server.js";

const onError = (): void => undefined;

describe.skipIf(!hasPostgres)("a PostgreSQL in another language", () => {
  let foreign: ForeignServer;

  beforeEach(async () => {
    foreign = await startForeign("postgres", databaseUrl());
  });
  afterEach(async () => {
    expect(foreign.replaced()).toBeGreaterThan(0);
    await foreign.stop();
  });

  test("databases are created and migrated by several processes, once, and edited migrations refused", async () => {
    const name = `foreign_${randomBytes(6).toString("hex")}`;
    const url = withDatabase(foreign.url, name);
    const migrationsDir = await migrationOf("CREATE TABLE t (n INT UNIQUE);");
    const opened = await Promise.all([1, 2, 3].map(() => openDatabase({ url, migrationsDir, onError })));
    await expect(opened[0]?.pool.query("SELECT 1/0")).rejects.toMatchObject({ code: "22012", message: FOREIGN });
    await appendFile(path.join(migrationsDir, "1_init", "migration.sql"), "-- changed");
    await expect(openDatabase({ url, migrationsDir, onError })).rejects.toThrow("was edited");
    await Promise.all(opened.map((database) => database.stop()));
    const admin = await openDatabase({ url: databaseUrl(), onError });
    await admin.pool.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.stop();
  });

  test("usage is recorded into a month that has no table yet", async () => {
    const clock = manualClock(Date.UTC(2026, 0, 15));
    const world = await openWorld({ clock });
    const through = withDatabase(foreign.url, path.basename(new URL(world.url).pathname));
    const service = await startService({ ...world, url: through });
    clock.set(Date.UTC(2026, 5, 15));
    await appendItems(world.log, 0, [receivedItem({ id: "a" })]);
    await waitFor(
      async () => (await readLedger(world.database, { partition: 0, from: 1, limit: 10 })).entries.length > 0,
      { what: "the event" },
    );
    await service.stop();
    await world.close();
  });

  test("a change that waits too long for others is BUSY", async () => {
    const created = await createMigratedDatabase("tenancy");
    const url = withDatabase(foreign.url, path.basename(new URL(created.url).pathname));
    // Only locks: a machine that stops for a second must not end the session.
    const hot = { ...PROFILES.hot, lockMs: 1_000 };
    const database = await openDatabase({ url, profiles: { ...PROFILES, hot }, onError });
    const clock = manualClock(0);
    const store = createTenancyStore({ database, clock, partitions: 1, onCommitted: onError });
    const other = await openDatabase({ url: created.url, onError });
    const holder = await other.under("rebuild").begin();
    await holder.tx.query("SELECT 1 FROM tenancy_head FOR UPDATE");
    await expect(store.change("operator", async () => undefined)).rejects.toMatchObject({ code: "BUSY" });
    await holder.rollback();
    await store.change("operator", async () => undefined);
    await store.stop();
    await Promise.all([database.stop(), other.stop()]);
    await created.drop();
  });

  test("the job queues set up their tables and survive an id that is taken", async () => {
    const name = `foreign_jobs_${randomBytes(6).toString("hex")}`;
    const jobs = await connectJobQueues({
      backend: { kind: "postgres", url: withDatabase(foreign.url, name) },
      onError,
    });
    const done: string[] = [];
    for (let n = 0; n < 2; n += 1) await jobs.queue<string>("q").add("same", "data");
    const options = { concurrency: 1, lockDurationMs: 5_000 };
    jobs.work<string>("q", options, async ({ id }) => void done.push(id), onError);
    await waitFor(() => done.length > 0, { what: "the job" });
    await jobs.stop();
    const admin = await openDatabase({ url: databaseUrl(), onError });
    await admin.pool.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await admin.stop();
  });
});

const CALLS = { counter: "calls|HOUR", window: { kind: "sliding", windowMs: HOUR_MS } } as const;

async function load(counters: QuotaCounters): Promise<void> {
  const [observed] = await counters.observe(["acme"]);
  const loaded = [{ ...CALLS, blockedUntil: 0, usage: [] }];
  const facts = { tenantId: "acme", epoch: "first", seq: 0, lost: [], hasOwnClock: false, counters: loaded };
  await counters.load(facts, observed?.token ?? "");
}

async function isAllowed(counters: QuotaCounters, key: string): Promise<boolean> {
  const charge = { ...CALLS, meter: "calls", amount: 1n, hardLimit: 10n, laterLimits: [], bounded: false };
  const operation = {
    kind: "consume",
    key,
    content: "calls",
    meter: "calls",
    ttlMs: HOUR_MS,
    charges: [charge],
  } as const;
  const [outcome] = await counters.execute("acme", [operation], undefined);
  return outcome?.kind === "decided" && outcome.allowed;
}

describe.skipIf(!hasRedis)("a Redis in another language", () => {
  test("scripts that it forgot are sent again, and refusals make the counters unavailable until it works", async () => {
    const server = await startRedis();
    const foreign = await startForeign("redis", server.url);
    const admin = new Redis(server.url);
    const counters = await openRedisCounters({
      ...{ urls: [foreign.url], prefix: "foreign", maxKeys: 10, answerWithinMs: PATIENCE_MS, onError },
    });
    await load(counters);
    expect(await isAllowed(counters, "a")).toBe(true);
    await admin.script("FLUSH");
    expect(await isAllowed(counters, "b")).toBe(true);
    await admin.config("SET", "maxmemory", "1");
    await expect(isAllowed(counters, "c")).rejects.toThrow(CountersUnavailable);
    await admin.config("SET", "maxmemory", "0");
    await waitFor(() => isAllowed(counters, "c"), {
      what: "a working Redis",
    });
    expect(foreign.replaced()).toBeGreaterThanOrEqual(2);
    await counters.stop();
    admin.disconnect();
    await foreign.stop();
    await server.stop();
  });
});

describe.skipIf(!hasKafka)("a Kafka in another language", () => {
  test("topics that exist are used, unknown partitions and other counts are refused, consumers join and resume", async () => {
    const [broker = ""] = kafkaBrokers();
    const foreign = await startForeign("kafka", broker);
    const connect = () => connectKafkaLog({ brokers: [foreign.url], clientId: "foreign", replicationFactor: 1 });
    const [first, second] = await Promise.all([connect(), connect()]);
    const topic = { name: `foreign.${randomBytes(4).toString("hex")}`, keyedByTenant: true };
    await Promise.all([first.ensureTopics([topic], 2), second.ensureTopics([topic], 2)]);
    await expect(first.ensureTopics([topic], 3)).rejects.toThrow("2 partitions, 3 are configured");
    await expect(first.append(topic, 7, [{ value: Buffer.from("x") }])).rejects.toThrow();
    await first.append(topic, 0, [{ value: Buffer.from("a") }]);
    const read: string[] = [];
    const consumer = await second.consume({
      ...{ topic, group: "foreign", startAt: async () => 0, onError },
      async onBatch({ records }) {
        for (const { value } of records) read.push(value.toString());
        return { kind: "continue" };
      },
    });
    await waitFor(() => read.length > 0, { what: "the record" });
    await consumer.stop();
    expect(foreign.replaced()).toBeGreaterThan(0);
    await Promise.all([first.stop(), second.stop()]);
    await foreign.stop();
  });
});
