import { pino } from "pino";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { TransactionTooLong } from "#platform/database/transaction-sizes.js";
import type { LogConsumer } from "#platform/event-log/event-log.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { placeOf } from "#platform/event-log/read-records.js";
import { type StoppableLog, withUpgradeStops } from "#platform/event-log/upgrade-stops.js";
import { systemClock } from "#platform/process/clock.js";
import { logRetried } from "#platform/process/logger.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { TOPICS, USAGE_RECORDED } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { createTestDatabase, hasPostgres, type TestDatabase, waitFor } from "../../tests/servers/servers.js";
import { migrationOf } from "../../tests/support/migration.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import { rewriteRecord } from "../../tests/support/rewrite-record.js";
import { refuseLargeInserts } from "../../tests/support/slow-inserts.js";
import type { LedgerClient } from "./client.js";
import { NeedsLongTransaction, startLedgerConsumer } from "./consumer.js";

const EFFECT_TABLES = `
  CREATE TABLE high_water_mark (partition INTEGER PRIMARY KEY, seq BIGINT NOT NULL, next_offset BIGINT NOT NULL);
  CREATE TABLE effect (n BIGSERIAL PRIMARY KEY, seq BIGINT NOT NULL);
`;

describe.skipIf(!hasPostgres)("a downstream consumer", () => {
  let databases: TestDatabase[] = [];
  let logDatabase: Database;
  let database: Database;
  let log: StoppableLog;
  const consumers: LogConsumer[] = [];
  let waits = 0;
  const malformed: string[] = [];
  const tenancyState = createTenancyState(systemClock);
  const tenancy = { ...tenancyState.reads, stop: async () => undefined };

  beforeEach(async () => {
    waits = 0;
    databases = await Promise.all([createMigratedDatabase("log"), createTestDatabase("ledger_effect")]);
    const [logUrl = "", effectUrl = ""] = databases.map((created) => created.url);
    logDatabase = await openDatabase({
      url: logUrl,
      profiles: PATIENT_LIMITS,
      onError: fail,
    });
    database = await openDatabase({
      url: effectUrl,
      profiles: PATIENT_LIMITS,
      migrationsDir: await migrationOf(EFFECT_TABLES),
      onError: fail,
    });
    log = withUpgradeStops(await connectPostgresLog({ database: logDatabase, onError: fail }), new Registry());
    await log.ensureTopics(TOPICS, 1);
  });

  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.stop()));
    await log.stop();
    await database.stop();
    await logDatabase.stop();
    await Promise.all(databases.map((created) => created.drop()));
  });

  test("applies each entry once although publishing repeats and overlaps", async () => {
    await publish(1, 3);
    await publish(1, 5);
    await publish(4, 9);
    await start({ ledger: ledgerOf(0) });
    await untilMark(9);
    await publish(8, 10);
    await untilMark(10);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("reads a gap from the ledger, in pages", async () => {
    await publish(8, 9);
    await start({ ledger: ledgerOf(9), maxEntries: 3 });
    await untilMark(9);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("applies in halves what takes longer than a transaction may, and says so when one entry alone does", async () => {
    const allowFew = await refuseLargeInserts(database.pool, "effect", 2);
    const errors: unknown[] = [];
    await publish(1, 7);
    await start({ ledger: ledgerOf(0), onError: (error) => errors.push(error) });
    await untilMark(7);
    expect(errors).toEqual([]);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await allowFew();
    const allow = await refuseLargeInserts(database.pool, "effect", 0);
    await publish(8, 9);
    await waitFor(() => errors.some((error) => error instanceof TransactionTooLong), { what: "the alarm" });
    await allow();
    await untilMark(9);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("what a batch cannot read within the limit of transactions is applied in one without it", async () => {
    const asked: boolean[] = [];
    const errors: unknown[] = [];
    await publish(1, 2);
    await publish(3, 4);
    await start({
      ledger: ledgerOf(0),
      onError: (error) => errors.push(error),
      beforeCommit: (_, isLong) => {
        asked.push(isLong);
        if (!isLong && asked.length === 1) throw new NeedsLongTransaction();
      },
    });
    await untilMark(4);
    expect([asked.slice(0, 2), errors]).toEqual([[false, true], []]);
    expect(await effects()).toEqual([1, 2, 3, 4]);
  });

  test("stops although tenancy does not reach the version that a batch waits for", async () => {
    await publish(1, 2, 1_000_000);
    const consumer = await start({ ledger: ledgerOf(0) });
    await waitFor(() => waits > 0, { what: "the batch to wait for tenancy" });
    await consumer.stop();
    expect(await effects()).toEqual([]);
  });

  test("a failure in the effect moves nothing; the batch is applied again", async () => {
    let failures = 0;
    await publish(1, 4);
    await start({
      ledger: ledgerOf(0),
      beforeCommit: () => {
        failures += 1;
        if (failures < 3) throw new Error("the effect failed");
      },
    });
    await untilMark(4);
    expect(failures).toBe(3);
    expect(await effects()).toEqual([1, 2, 3, 4]);
  });

  test("two consumers of one partition together apply each entry once", async () => {
    await start({ ledger: ledgerOf(200), group: "a" });
    await start({ ledger: ledgerOf(200), group: "b" });
    for (let seq = 1; seq <= 196; seq += 5) await publish(seq, seq + 4);
    await untilMark(200);
    expect(await effects()).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  });

  test("a consumer hears that another one moved the mark, though that one never finished its work", async () => {
    let moves = 0;
    await start({ ledger: ledgerOf(20), onMovedElsewhere: () => (moves += 1) });
    for (const seq of [1, 6]) {
      await publish(seq, seq + 4);
      await untilMark(seq + 4);
    }
    await waitFor(() => moves === 1, { what: "the first look" });
    await database.pool.query("UPDATE high_water_mark SET seq = 13");
    await publish(11, 13);
    await waitFor(() => moves === 2, { what: "the other's move" });
    await publish(14, 20);
    await untilMark(20);
    expect(moves).toBe(2);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 19, 20]);
  });

  test("a consumer whose partition another one takes over while it works goes on from there, without an alarm", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "info" }, { write: (line) => void lines.push(line) });
    await publish(1, 4, 3);
    await start({ ledger: ledgerOf(0), onError: (error) => logRetried(logger, error, "the batch comes again") });
    await waitFor(() => waits > 0, { what: "the batch to wait for tenancy" });
    await database.pool.query("UPDATE high_water_mark SET seq = 2");
    tenancyState.apply({ kind: "heartbeat", id: "heartbeat", version: 3, at: 0 });
    await untilMark(4);
    expect(await effects()).toEqual([3, 4]);
    expect(lines.map((line): { level: number } => JSON.parse(line))).toMatchObject([
      { level: pino.levels.values.warn },
    ]);
  });

  test("waits until the copy of tenancy has reached the batch's version", async () => {
    await publish(1, 1, 7);
    await start({ ledger: ledgerOf(0) });
    tenancyState.apply({ kind: "heartbeat", id: "heartbeat", version: 6, at: 0 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await effects()).toEqual([]);
    tenancyState.apply({ kind: "heartbeat", id: "heartbeat", version: 7, at: 0 });
    await untilMark(1);
    expect(await effects()).toEqual([1]);
  });

  test("splits a batch by the meters of the version that it waits for", async () => {
    const steps: number[] = [];
    await log.append(USAGE_RECORDED, 0, [{ value: Buffer.from(recordOfEvents(10, 20)) }]);
    await start({ ledger: ledgerOf(0), beforeCommit: (length) => steps.push(length) });
    await waitFor(() => waits > 0, { what: "the batch to wait for tenancy" });
    for (let n = 0; n < 2_000; n += 1) tenancyState.apply(meter(`m${n}`, 19));
    tenancyState.apply({ kind: "heartbeat", id: "heartbeat", version: 20, at: 0 });
    await untilMark(10);
    expect(steps).toEqual([5, 5]);
  });

  test.each([
    ["an entry", recordOf(3, 4).replace('"tick"', '"freeze"'), 'the ledger entry "freeze"'],
    ["a version", recordOf(3, 4).replace("{", '{"schema":"metrly.usage.recorded.v3",'), "metrly.usage.recorded.v3"],
    ["an encoding", "\u0001", 'the encoding "1"'],
  ])("%s of newer code stops the partition there, until the code knows it", async (_, newer, what) => {
    await publish(1, 2);
    await log.append(USAGE_RECORDED, 0, [{ value: Buffer.from(newer) }]);
    await publish(5, 6);
    await start({ ledger: ledgerOf(6) });
    await waitFor(() => log.waitingForUpgrade().length > 0, { what: "the partition to wait" });
    expect(log.waitingForUpgrade()[0]).toContain("test waits at usage.recorded/0 offset 1: upgrade this process");
    expect(log.waitingForUpgrade()[0]).toContain(what);
    expect(await effects()).toEqual([1, 2]);
    await rewriteRecord(logDatabase, USAGE_RECORDED, { partition: 0, offset: 1 }, recordOf(3, 4));
    await untilMark(6);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6]);
    await waitFor(() => log.waitingForUpgrade().length === 0, { what: "nothing to wait" });
  });

  test("a malformed record is reported and skipped; its entries are read from the ledger", async () => {
    await publish(1, 2);
    await log.append(USAGE_RECORDED, 0, [{ value: Buffer.from(recordOf(3, 4).replace('"seq":4', '"seq":"4"')) }]);
    await publish(5, 6);
    await start({ ledger: ledgerOf(6) });
    await untilMark(6);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(malformed).toContain("usage.recorded/0 offset 1");
    expect(log.waitingForUpgrade()).toEqual([]);
  });

  test("a gap whose ledger entries newer code wrote is not passed over", async () => {
    await publish(3, 3);
    const unknown = { contract: "metrly.usage.recorded.v1", set: "ledger entry", member: "freeze" };
    const older = { read: () => Promise.reject(new UpgradeRequired(unknown)) };
    await start({ ledger: older });
    await waitFor(() => log.waitingForUpgrade().length > 0, { what: "the partition to wait" });
    expect(log.waitingForUpgrade()[0]).toContain("test waits at usage.recorded/0: upgrade this process");
    expect(await effects()).toEqual([]);
  });

  test("a restart resumes from the mark, also on a recreated topic", async () => {
    await publish(1, 4);
    await start({ ledger: ledgerOf(0) });
    await untilMark(4);
    await consumers.pop()?.stop();
    await database.pool.query("UPDATE high_water_mark SET next_offset = 1000");
    await publish(5, 6);
    await start({ ledger: ledgerOf(6) });
    await untilMark(6);
    expect(await effects()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  async function start(options: {
    ledger: LedgerClient;
    group?: string;
    maxEntries?: number;
    beforeCommit?: (entries: number, isLong: boolean) => void;
    onMovedElsewhere?: () => void;
    onError?: (error: unknown) => void;
  }) {
    const consumer = await startLedgerConsumer({
      log,
      database,
      tenancy: {
        ...tenancy,
        reached(version, signal) {
          waits += 1;
          return tenancy.reached(version, signal);
        },
      },
      ledger: options.ledger,
      group: options.group ?? "test",
      ...(options.maxEntries !== undefined && { maxEntries: options.maxEntries }),
      ...(options.onMovedElsewhere !== undefined && { onMovedElsewhere: options.onMovedElsewhere }),
      onError: options.onError ?? (() => undefined),
      onHole: fail,
      onMalformed: (batch, record) => void malformed.push(placeOf(batch, record)),
      async apply(tx, _partition, entries, _prepared, isLong) {
        await tx.query("INSERT INTO effect (seq) SELECT * FROM unnest($1::bigint[])", [
          entries.map((entry) => entry.seq),
        ]);
        options.beforeCommit?.(entries.length, isLong);
        return undefined;
      },
    });
    consumers.push(consumer);
    return consumer;
  }

  async function publish(firstSeq: number, lastSeq: number, tenancyVersion = 0): Promise<void> {
    await log.append(USAGE_RECORDED, 0, [{ value: Buffer.from(recordOf(firstSeq, lastSeq, tenancyVersion)) }]);
  }

  async function effects(): Promise<number[]> {
    const { rows } = await database.pool.query<{ seq: number }>("SELECT seq FROM effect ORDER BY n");
    return rows.map((row) => row.seq);
  }

  async function untilMark(seq: number): Promise<void> {
    await waitFor(
      async () => {
        const { rows } = await database.pool.query<{ seq: number }>("SELECT seq FROM high_water_mark");
        return rows[0]?.seq === seq;
      },
      { what: `mark ${seq}` },
    );
  }
});

function entries(first: number, last: number, tenancyVersion: number): LedgerEntry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    kind: "tick",
    seq: first + i,
    recordedAt: 1,
    tenancyVersion,
    at: 1,
  }));
}

function recordOf(firstSeq: number, lastSeq: number, tenancyVersion = 0): string {
  return JSON.stringify({ partition: 0, firstSeq, lastSeq, entries: entries(firstSeq, lastSeq, tenancyVersion) });
}

function recordOfEvents(count: number, tenancyVersion: number): string {
  const event = { kind: "event", recordedAt: 1, tenancyVersion, tenantId: "acme", source: "test", type: "call" };
  const entries = Array.from({ length: count }, (_, n) => ({
    ...event,
    ...{ seq: n + 1, id: `${n}`, time: 1, receivedAt: 1, data: "{}" },
  }));
  return JSON.stringify({ partition: 0, firstSeq: 1, lastSeq: count, entries });
}

const meter = (id: string, version: number): MeterState => ({
  ...{ kind: "meter", id, version, name: id, eventType: "call", aggregation: "COUNT", valueProperty: null },
  ...{ dimensions: [], unit: null, createdInVersion: version, archivedInVersion: null },
});

/** A ledger that holds ticks 1..head. */
const ledgerOf = (head: number): LedgerClient => ({
  async read({ from, limit }) {
    const last = Math.min(head, from + limit - 1);
    return { entries: entries(from, last, 0), nextSeq: last + 1, headSeq: head };
  },
});

function fail(error: unknown): never {
  throw error;
}
