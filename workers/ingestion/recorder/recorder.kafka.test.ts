import { randomBytes } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectKafkaLog } from "#platform/event-log/kafka/log.js";
import { namespacedLog } from "#platform/event-log/namespaced-log.js";
import { TOPICS, USAGE_RECEIVED } from "#schema/topics.js";
import { hasKafka, hasPostgres, kafkaBrokers, waitFor } from "../../../tests/servers/servers.js";
import { measureAccountings } from "../accounting/accounting.js";
import { createLogTail } from "../accounting/log-tail.js";
import { readLedger } from "../store/ledger.js";
import { appendItems, openWorld, publishedEntries, receivedItem, startService, type World } from "../world.testing.js";

describe.skipIf(!hasPostgres || !hasKafka)("recording from Kafka", () => {
  let world: World;
  const logs: EventLog[] = [];
  const namespace = `ingestion_${randomBytes(4).toString("hex")}`;

  async function connect(inside = namespace): Promise<EventLog> {
    const log = await connectKafkaLog({ brokers: kafkaBrokers(), clientId: "ingestion-test", replicationFactor: 1 });
    logs.push(log);
    return namespacedLog(log, inside);
  }
  beforeAll(async () => {
    world = await openWorld({ partitions: 1 });
  });
  afterAll(async () => {
    for (const log of logs) await log.stop();
    await world.close();
  });

  test("each event is recorded once and published in order, across a restart and a second process", async () => {
    const log = await connect();
    await log.ensureTopics(TOPICS, 1);
    const kafkaWorld = { ...world, log };
    const items = Array.from({ length: 300 }, (_, index) => receivedItem({ id: String(index % 200) }));
    const events = async () =>
      (await readLedger(world.database, { partition: 0, from: 1, limit: 10_000 })).entries.filter(
        ({ kind }) => kind === "event",
      );

    const first = await startService(kafkaWorld, { tickMs: 500 });
    await appendItems(log, 0, items.slice(0, 150));
    await waitFor(async () => (await events()).length === 150, { what: "the first half" });
    await first.stop();
    const others = [
      await startService({ ...world, log: await connect() }, { tickMs: 500 }),
      await startService({ ...world, log: await connect() }, { tickMs: 500 }),
    ];
    await appendItems(log, 0, items.slice(150));
    await waitFor(async () => (await events()).length === 200, { what: "all events" });
    const question = { tenantId: "acme", from: null, to: null, mark: 0 };
    const [accounting] = await measureAccountings(world.database, createLogTail(log), 1, [question]);
    expect(accounting).toEqual({
      accepted: 300,
      duplicates: 100,
      quarantined: 0,
      inFlight: 200,
    });
    const last = (await events()).at(-1)?.seq ?? 0;
    await waitFor(async () => (await publishedEntries(log, 0)).some(({ seq }) => seq === last), {
      what: "all published",
    });
    let reached = 0;
    for (const { seq } of await publishedEntries(log, 0)) {
      expect(seq).toBeLessThanOrEqual(reached + 1);
      reached = Math.max(reached, seq);
    }
    await waitFor(
      async () =>
        (await readLedger(world.database, { partition: 0, from: last, limit: 100 })).entries.some(
          ({ kind }) => kind === "tick",
        ),
      { what: "a tick that Kafka's clock agrees with" },
    );
    await log.trim(USAGE_RECEIVED, 0, 1);
    for (const { stop, failures } of others) {
      await stop();
      expect(failures).toEqual([]);
    }
  });

  test.each([
    ["holds as many other records", 0],
    ["is shorter than what was recorded", -2],
  ])("a recreated topic that %s stops the recorder and says what to do", async (_, added) => {
    const own = await openWorld({ partitions: 1 });
    const name = `recreated_${randomBytes(4).toString("hex")}`;
    const append = async (log: EventLog, prefix: string, count: number) => {
      for (let n = 0; n < count; n += 1) await appendItems(log, 0, [receivedItem({ id: `${prefix}-${n}` })]);
    };
    const events = async () =>
      (await readLedger(own.database, { partition: 0, from: 1, limit: 100 })).entries.flatMap((entry) =>
        entry.kind === "event" ? [entry.id] : [],
      );
    try {
      const before = await connect(name);
      await before.ensureTopics(TOPICS, 1);
      await append(before, "first", 3);
      const first = await startService({ ...own, log: before });
      await waitFor(async () => (await events()).length === 3, { what: "the first events" });
      await first.stop();
      const { next } = await before.bounds(USAGE_RECEIVED, 0);

      await deleteTopic(`${name}.${USAGE_RECEIVED.name}`);
      const log = await connect(name);
      await log.ensureTopics([USAGE_RECEIVED], 1);
      await append(log, "other", next + added);
      const second = await startService({ ...own, log });
      const reported = () => second.failures.map(String).join();
      await waitFor(() => reported().includes("Acknowledged usage may be missing"), {
        what: "the recorder to refuse the other topic",
      });
      expect(reported()).toMatch(/recorder_cursor\.next/);
      await second.stop();
      expect(await events()).toEqual(["first-0", "first-1", "first-2"]);
    } finally {
      await own.close();
    }
  });
});

/** Behind the log's back, as an operator's mistake would. */
async function deleteTopic(name: string): Promise<void> {
  const admin = new Kafka({ brokers: [...kafkaBrokers()], clientId: "operator", logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.deleteTopics({ topics: [name] });
    const isGone = async () => !(await admin.listTopics()).includes(name);
    await waitFor(isGone, { what: "the topic to be gone" });
  } finally {
    await admin.disconnect();
  }
}
