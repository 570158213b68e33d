import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MINUTE_MS } from "#kernel/duration.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { BILLING_EVENTS, QUOTA_ALERTS, TOPICS } from "#schema/topics.js";
import { startMutableProxy } from "../../tests/chaos/mutable-proxy.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { createTestDatabase, hasPostgres, type TestDatabase, waitFor } from "../../tests/servers/servers.js";
import { sized } from "../../tests/support/effort.js";
import { migrationOf } from "../../tests/support/migration.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import { shortLimits } from "../../tests/support/short-limits.js";
import { unlessStopped } from "../../tests/support/unless-stopped.js";
import { startForeign } from "../../tests/systems/language/foreign-server.js";
import { enqueueOutbox, type OutboxRelay, startOutboxRelay } from "./outbox.js";

const OUTBOX_TABLE = `CREATE TABLE outbox (
  id BIGSERIAL PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now());`;

/** Long runs have the product's own limits. */
const profiles = shortLimits(sized(0.04, 1));
const OUTAGE_MS = sized(profiles.hot.transactionMs * 2, MINUTE_MS);

describe.skipIf(!hasPostgres)("an outbox", unlessStopped(), () => {
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
      profiles: PATIENT_LIMITS,
      onError,
    });
    database = await openDatabase({
      url,
      profiles: PATIENT_LIMITS,
      migrationsDir: await migrationOf(OUTBOX_TABLE),
      onError,
    });
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

  test("a log that is down for longer than any limit finds no transaction open, and no other relay sends", async () => {
    const stalled = stall(log);
    await database.transaction((tx) => enqueueOutbox(tx, [row(1), row(2)]));
    const brief = await openDatabase({ url: created[1]?.url ?? "", profiles, onError: () => undefined });
    startRelay(stalled.log, brief);
    await waitFor(() => stalled.waiting() === 1, { what: "an append that is not answered" });
    startRelay(log);
    const open =
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()";
    await brief.under("close").pool.query(`SELECT pg_sleep(${OUTAGE_MS / 1_000})`);
    expect((await database.pool.query(open)).rowCount).toBe(0);
    expect(await remaining()).toBe(2);
    expect(await published(0)).toEqual([]);
    stalled.resume();
    await waitFor(async () => (await remaining()) === 0, { what: "an empty outbox" });
    expect(await published(2)).toEqual([1, 2]);
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
    await brief.stop();
  });

  test("a relay that is frozen while it sends is replaced, and once thawed repeats only what was sent", async () => {
    const foreign = await startForeign("postgres", created[1]?.url ?? "");
    const proxy = await startMutableProxy(foreign.url);
    const far = await openDatabase({ url: proxy.url, profiles, onError: () => undefined });
    const stalled = stall(log);
    await database.transaction((tx) => enqueueOutbox(tx, [row(1), row(2), row(3)]));
    startRelay(stalled.log, far);
    await waitFor(() => stalled.waiting() === 1, { what: "a relay that sends" });
    proxy.mute();
    startRelay(log);
    await waitFor(async () => (await remaining()) === 0, { what: "the other relay" });
    await database.transaction((tx) => enqueueOutbox(tx, [row(4)]));
    expect(await published(4)).toEqual([1, 2, 3, 4]);
    stalled.resume();
    proxy.cutAll();
    expect(await published(7)).toEqual([1, 2, 3, 4, 1, 2, 3]);
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
    await far.stop();
    await proxy.stop();
    expect(foreign.replaced()).toBeGreaterThan(0);
    await foreign.stop();
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

  test("nothing goes before a row of another topic with a lower id, whatever the partitions", async () => {
    const sent: string[] = [];
    const rows = [1, 0, 2, 0, 0, 1, 2, 1, 0].map((which, id) => ({
      ...{ topic: which === 0 ? QUOTA_ALERTS : BILLING_EVENTS, partition: which === 0 ? 0 : which - 1, key: "k" },
      value: `${which}${id}`,
    }));
    await database.transaction((tx) => enqueueOutbox(tx, rows));
    startRelay({
      ...log,
      append: async (topic, _, records) => void sent.push(topic.name, ...records.map(({ value }) => value.toString())),
    });
    await waitFor(async () => (await remaining()) === 0, { what: "all rows to be sent" });
    const [quota, billing] = [QUOTA_ALERTS.name, BILLING_EVENTS.name];
    const expected = [
      [billing, "10"],
      [quota, "01"],
      [billing, "22"],
      [quota, "03", "04"],
      [billing, "15", "17"],
    ];
    expect(sent).toEqual([...expected, [billing, "26"], [quota, "08"]].flat());
  });

  function startRelay(target: EventLog, on = database): OutboxRelay {
    const relay = startOutboxRelay({
      database: on,
      log: target,
      topics: [QUOTA_ALERTS, BILLING_EVENTS],
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

/** A log that keeps appends waiting until it resumes. */
function stall(log: EventLog) {
  let resume = (): void => undefined;
  let waiting = 0;
  const resumed = new Promise<void>((resolve) => {
    resume = resolve;
  });
  const stalled: EventLog = {
    ...log,
    async append(topic, partition, records) {
      waiting += 1;
      await resumed;
      await log.append(topic, partition, records);
    },
  };
  return { log: stalled, waiting: () => waiting, resume };
}

const row = (n: number) => ({ topic: QUOTA_ALERTS, partition: 0, key: "acme", value: String(n) });

function onError(error: unknown): never {
  throw error;
}
