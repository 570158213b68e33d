import { connect as connectSocket, createServer, type Socket } from "node:net";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { PROFILES } from "#platform/database/profiles.js";
import { deferred } from "#platform/lifecycle/deferred.js";
import { packageRoot } from "#platform/process/package-root.js";
import {
  createTestDatabase,
  freePort,
  hasPostgres,
  type TestDatabase,
  waitFor,
} from "../../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../../tests/support/patient-limits.js";
import { describeEventLog, newTopic } from "../event-log.conformance.js";
import type { EventLog } from "../event-log.js";
import { connectPostgresLog } from "./log.js";
import { expire } from "./retention.js";

const migrationsDir = path.join(packageRoot(), "prisma/log/migrations");

describe.skipIf(!hasPostgres)("on PostgreSQL", () => {
  let testDatabase: TestDatabase;
  beforeAll(async () => {
    testDatabase = await createTestDatabase("event_log");
  });
  afterAll(() => testDatabase.drop());

  async function open(url = testDatabase.url, onError = throwLater, pollMs?: number): Promise<EventLog> {
    return logOn(await openDatabase({ url, profiles: PATIENT_LIMITS, migrationsDir, onError }), onError, pollMs);
  }

  describeEventLog("PostgreSQL", {
    open,
    sharesPartitions: false,
    async openUnreachable() {
      const url = `postgres://nobody@127.0.0.1:${await freePort()}/nothing`;
      const pool = new pg.Pool({ connectionString: url });
      const unused = async () => {
        throw new Error("not used");
      };
      const sessions = { pool, limits: PROFILES.hot, transaction: unused, begin: unused };
      return logOn({ url, profiles: PROFILES, ...sessions, under: () => sessions, stop: () => pool.end() }, () => {});
    },
  });

  test("a compacted topic keeps one record per key", async () => {
    const log = await open();
    const topic = newTopic({ compacted: true, keyedByTenant: false });
    await log.ensureTopics([topic], 1);
    for (let i = 0; i < 10; i += 1) await log.append(topic, 0, [{ key: `k${i % 2}`, value: Buffer.from(`${i}`) }]);
    await log.append(topic, 0, [{ value: Buffer.from("no key, no compaction") }]);
    expect((await log.read(topic, 0, 0, 100)).map(({ offset }) => offset)).toEqual([8, 9, 10]);
    await log.stop();
  });

  test("retention deletes only records that are too old", async () => {
    const database = await openDatabase({
      url: testDatabase.url,
      profiles: PATIENT_LIMITS,
      migrationsDir,
      onError: throwLater,
    });
    const log = await logOn(database, throwLater);
    const [brief, unlimited] = [newTopic({ retentionMs: 60_000 }), newTopic()];
    await log.ensureTopics([brief, unlimited], 1);
    for (const topic of [brief, unlimited])
      for (const text of ["a", "b", "c"]) await log.append(topic, 0, [{ value: Buffer.from(text) }]);
    await database.pool.query("UPDATE log_record SET at = at - interval '2 minutes' WHERE log_offset < 2");
    await Promise.all([brief, unlimited].map((topic) => expire(database.pool, topic)));
    expect(await log.bounds(brief, 0)).toEqual({ first: 2, next: 3 });
    expect(await log.bounds(unlimited, 0)).toEqual({ first: 0, next: 3 });
    await database.pool.query("UPDATE log_record SET at = at - interval '2 minutes'");
    await expire(database.pool, brief);
    expect(await log.bounds(brief, 0)).toEqual({ first: 3, next: 3 });
    await log.stop();
  });

  test("a consumer in another process is woken by an append", async () => {
    const [writer, reader] = await Promise.all([open(), open(undefined, undefined, HOUR_MS)]);
    const topic = newTopic();
    await writer.ensureTopics([topic], 1);
    let startedAt = Number.POSITIVE_INFINITY;
    let batches = 0;
    const consumer = await reader.consume({
      topic,
      group: "g",
      async startAt() {
        const before = Date.now();
        startedAt = before;
        await waitFor(() => Date.now() > before, { what: "the next millisecond" });
        return 0;
      },
      onError: throwLater,
      async onBatch() {
        batches += 1;
        return { kind: "continue" };
      },
    });
    await waitFor(() => consumer.lastProgressAt() > startedAt, { what: "the first look, which finds nothing" });
    // The next look is in an hour, so only a wake-up brings a record. The first ones are lost if its LISTEN is not there yet.
    await waitFor(
      async () => {
        await writer.append(topic, 0, [{ value: Buffer.from("x") }]);
        return batches > 0;
      },
      { what: "a wake-up" },
    );
    await consumer.stop();
    await Promise.all([writer.stop(), reader.stop()]);
  });

  test("appends of two processes never leave a hole or hide a record", async () => {
    const logs = await Promise.all([open(), open()]);
    const topic = newTopic();
    await logs[0].ensureTopics([topic], 1);
    const seen: number[] = [];
    const consumer = await logs[0].consume({
      topic,
      group: "g",
      startAt: async () => 0,
      onError: throwLater,
      async onBatch({ records }) {
        for (const { offset } of records) seen.push(offset);
        return { kind: "continue" };
      },
    });
    const writers = logs.flatMap((log) =>
      Array.from({ length: 4 }, async () => {
        for (let i = 0; i < 50; i += 1) await log.append(topic, 0, [{ key: "k", value: Buffer.from("x") }]);
      }),
    );
    await Promise.all(writers);
    await waitFor(() => seen.length >= 400, { what: "400 records" });
    expect(seen).toEqual(Array.from({ length: 400 }, (_, i) => i));
    await consumer.stop();
    await Promise.all(logs.map((log) => log.stop()));
  });

  test("what this process appended reaches its consumers without being read again", async () => {
    const database = await openDatabase({
      ...{ url: testDatabase.url, profiles: PATIENT_LIMITS, migrationsDir, onError: throwLater },
    });
    const log = await logOn(database, throwLater);
    const topic = newTopic();
    await log.ensureTopics([topic], 1);
    const seen: string[] = [];
    const consumer = await log.consume({
      ...{ topic, group: "g", startAt: async () => 0, onError: throwLater },
      async onBatch({ records }) {
        for (const { value } of records) seen.push(value.toString());
        if (seen.length === 1) {
          await log.append(topic, 0, [{ value: Buffer.from("kept") }]);
          await database.pool.query(
            `UPDATE log_record SET value = 'read' FROM log_partition p WHERE p.id = partition_id AND p.topic = $1`,
            [topic.name],
          );
        }
        return { kind: "continue" };
      },
    });
    await log.append(topic, 0, [{ value: Buffer.from("first") }]);
    await waitFor(() => seen.length === 2, { what: "both records" });
    expect(seen).toEqual(["first", "kept"]);
    await consumer.stop();
    await log.stop();
  });

  test("what a consumer did not take is read from the log the next time, mended or not", async () => {
    const database = await openDatabase({
      ...{ url: testDatabase.url, profiles: PATIENT_LIMITS, migrationsDir, onError: throwLater },
    });
    const log = await logOn(database, throwLater);
    const topic = newTopic();
    await log.ensureTopics([topic], 1);
    const seen: string[] = [];
    const consumer = await log.consume({
      ...{ topic, group: "g", startAt: async () => 0, onError: throwLater },
      async onBatch({ records: [first] }) {
        seen.push(first.value.toString());
        if (first.value.toString() !== "newer") return { kind: "seek", next: first.offset + 1 };
        await database.pool.query(
          `UPDATE log_record SET value = 'mended' FROM log_partition p
           WHERE p.id = partition_id AND p.topic = $1 AND log_offset = $2`,
          [topic.name, first.offset],
        );
        return { kind: "seek", next: first.offset };
      },
    });
    await log.append(
      topic,
      0,
      ["first", "newer", "last"].map((text) => ({ value: Buffer.from(text) })),
    );
    await waitFor(() => seen.includes("last"), { what: "the last record" });
    expect(seen).toEqual(["first", "newer", "mended", "last"]);
    await consumer.stop();
    await log.stop();
  });

  test("what this process appended is not delivered to a consumer that was stopped before it began", async () => {
    const log = await open();
    const topic = newTopic();
    await log.ensureTopics([topic], 1);
    const began = deferred();
    const seen: string[] = [];
    const consumer = await log.consume({
      ...{ topic, group: "g", onError: throwLater },
      startAt: () => began.promise.then(() => 0),
      async onBatch({ records }) {
        for (const { value } of records) seen.push(value.toString());
        return { kind: "continue" };
      },
    });
    await log.append(topic, 0, [{ value: Buffer.from("a") }]);
    const stopped = consumer.stop();
    began.resolve();
    await stopped;
    expect(seen).toEqual([]);
    await log.stop();
  });

  test("what is trimmed before a consumer of this process had it stops that", async () => {
    const log = await open();
    const topic = newTopic();
    await log.ensureTopics([topic], 1);
    const errors: unknown[] = [];
    const seen: string[] = [];
    const consumer = await log.consume({
      ...{ topic, group: "g", startAt: async () => 0, onError: (error) => errors.push(error) },
      async onBatch({ records }) {
        for (const { value } of records) seen.push(value.toString());
        for (const text of ["b", "c", "d"]) await log.append(topic, 0, [{ value: Buffer.from(text) }]);
        await log.trim(topic, 0, 3);
        return { kind: "continue" };
      },
    });
    await log.append(topic, 0, [{ value: Buffer.from("a") }]);
    await waitFor(() => errors.length > 0, { what: "the error" });
    expect([errors, seen]).toMatchObject([[{ name: "LogPositionError" }], ["a"]]);
    await consumer.stop();
    await log.stop();
  });

  test("appends of this and another process between each other's wake only by being announced", async () => {
    const [own, other] = await Promise.all([open(undefined, undefined, HOUR_MS), open()]);
    const topic = newTopic();
    await own.ensureTopics([topic], 1);
    const seen: number[] = [];
    const consumer = await own.consume({
      ...{ topic, group: "g", startAt: async () => 0, onError: throwLater },
      async onBatch({ records }) {
        for (const { offset } of records) seen.push(offset);
        return { kind: "continue" };
      },
    });
    const append = (log: EventLog) => log.append(topic, 0, [{ value: Buffer.from("x") }]);
    await waitFor(
      async () => {
        await append(other);
        return seen.length > 0;
      },
      { what: "its LISTEN" },
    );
    for (let round = 0; round < 100; round += 1) await Promise.all([append(other), append(own), append(other)]);
    const { next } = await own.bounds(topic, 0);
    await waitFor(() => seen.length >= next, { what: "all records" });
    expect(seen).toEqual(Array.from({ length: next }, (_, offset) => offset));
    await consumer.stop();
    await Promise.all([own.stop(), other.stop()]);
  });

  test("appends and consumers resume after an outage of the server", async () => {
    const proxy = await startProxy(new URL(testDatabase.url));
    const throughProxy = new URL(testDatabase.url);
    throughProxy.host = `127.0.0.1:${proxy.port}`;
    const errors: unknown[] = [];
    const log = await open(throughProxy.toString(), (error) => errors.push(error));
    const topic = newTopic();
    await log.ensureTopics([topic], 1);
    const seen: string[] = [];
    const consumer = await log.consume({
      topic,
      group: "g",
      startAt: async () => 0,
      onError: (error) => errors.push(error),
      async onBatch({ records }) {
        for (const { value } of records) seen.push(value.toString());
        return { kind: "continue" };
      },
    });
    await log.append(topic, 0, [{ value: Buffer.from("before") }]);
    await waitFor(() => seen.length === 1, { what: "the first record" });
    proxy.cut();
    const appended = log.append(topic, 0, [{ value: Buffer.from("during") }]);
    await waitFor(() => errors.length > 0, { what: "an error" });
    proxy.restore();
    await appended;
    await waitFor(() => seen.includes("during"), { what: "the second record" });
    await consumer.stop();
    await log.stop();
    proxy.stop();
  });
});

async function logOn(database: Database, onError: (error: unknown) => void, pollMs?: number): Promise<EventLog> {
  const log = await connectPostgresLog({ database, onError, ...(pollMs !== undefined && { pollMs }) });
  return {
    ...log,
    async stop() {
      await log.stop();
      await database.stop();
    },
  };
}

function throwLater(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}

/** A TCP proxy to the server that can be cut. */
async function startProxy(target: URL) {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((downstream) => {
    if (isCut) return downstream.destroy();
    const upstream = connectSocket(Number(target.port), target.hostname);
    for (const [from, to] of [
      [downstream, upstream],
      [upstream, downstream],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
    return undefined;
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    restore() {
      isCut = false;
    },
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
