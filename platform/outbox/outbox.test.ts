import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { QUOTA_ALERTS, TOPICS } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { createTestDatabase, hasPostgres, type TestDatabase, waitFor } from "../../tests/servers/servers.js";
import { migrationOf } from "../../tests/support/migration.js";
import { enqueueOutbox, type OutboxRelay, startOutboxRelay } from "./outbox.js";

const OUTBOX_TABLE = `CREATE TABLE outbox (
  id BIGSERIAL PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now());`;

describe.skipIf(!hasPostgres)("an outbox", () => {
  let created: TestDatabase[];
  let logDatabase: Database;
  let database: Database;
  let log: EventLog;
  const relays: OutboxRelay[] = [];

  beforeEach(async () => {
    created = await Promise.all([createMigratedDatabase("log"), createTestDatabase("outbox")]);
    const [logUrl = "", url = ""] = created.map((one) => one.url);
    logDatabase = await openDatabase({
      url: logUrl,
      onError,
    });
    database = await openDatabase({ url, migrationsDir: await migrationOf(OUTBOX_TABLE), onError });
    log = await connectPostgresLog({ database: logDatabase, onError });
    await log.ensureTopics(TOPICS, 1);
  });

  afterEach(async () => {
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
    await log.stop();
    await Promise.all([database.stop(), logDatabase.stop()]);
    await Promise.all(created.map((one) => one.drop()));
  });

  test("publishes committed events, in order, and no rolled-back ones", async () => {
    const relay = startRelay(log);
    for (let n = 0; n < 40; n += 1) {
      const work = database.transaction(async (tx) => {
        await enqueueOutbox(tx, [row(n)]);
        if (n % 4 === 3) throw new Error("rolled back");
      });
      await (n % 4 === 3 ? expect(work).rejects.toThrow("rolled back") : work);
      relay.kick();
    }
    const expected = Array.from({ length: 40 }, (_, n) => n).filter((n) => n % 4 !== 3);
    expect(await published(expected.length)).toEqual(expected);
  });

  test("an append whose answer is lost is repeated, never left out", async () => {
    let lost = 0;
    const flaky: EventLog = {
      ...log,
      async append(topic, partition, records) {
        await log.append(topic, partition, records);
        lost += 1;
        if (lost <= 2) throw new Error("the answer was lost");
      },
    };
    await database.transaction((tx) => enqueueOutbox(tx, [row(1), row(2)]));
    startRelay(flaky);
    await waitFor(async () => (await remaining()) === 0, { what: "an empty outbox" });
    expect(new Set(await published(6))).toEqual(new Set([1, 2]));
  });

  test("two relays on one database publish each row once", async () => {
    await database.transaction((tx) =>
      enqueueOutbox(
        tx,
        Array.from({ length: 1_200 }, (_, n) => row(n)),
      ),
    );
    startRelay(log);
    startRelay(log);
    await waitFor(async () => (await remaining()) === 0, { what: "an empty outbox" });
    expect(await published(1_200)).toEqual(Array.from({ length: 1_200 }, (_, n) => n));
  });

  test("reports since when it has failed, until it publishes again", async () => {
    let isDown = true;
    const relay = startRelay({
      ...log,
      async append(topic, partition, records) {
        if (isDown) throw new Error("the log is down");
        await log.append(topic, partition, records);
      },
    });
    const before = Date.now();
    await database.transaction((tx) => enqueueOutbox(tx, [row(1)]));
    const since = await waitFor(() => relay.failingSince(), { what: "the failure to be reported" });
    expect(since).toBeGreaterThanOrEqual(before);
    isDown = false;
    await waitFor(() => relay.failingSince() === undefined, { what: "the relay to have recovered" });
    expect(await published(1)).toEqual([1]);
  });

  function startRelay(target: EventLog): OutboxRelay {
    const relay = startOutboxRelay({
      database,
      log: target,
      topics: [QUOTA_ALERTS],
      onError: () => undefined,
      pollMs: 20,
    });
    relays.push(relay);
    return relay;
  }

  async function published(count: number): Promise<number[]> {
    const records = await waitFor(
      async () => {
        const read = await log.read(QUOTA_ALERTS, 0, 0, 10_000);
        return read.length >= count ? read : undefined;
      },
      { what: `${count} published rows` },
    );
    return records.map((record) => Number(record.value.toString()));
  }

  async function remaining(): Promise<number> {
    const { rows } = await database.pool.query<{ n: number }>("SELECT count(*) AS n FROM outbox");
    return rows[0]?.n ?? -1;
  }
});

const row = (n: number) => ({ topic: QUOTA_ALERTS, partition: 0, key: "acme", value: String(n) });

function onError(error: unknown): never {
  throw error;
}
