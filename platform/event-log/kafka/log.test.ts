import { randomBytes } from "node:crypto";
import net from "node:net";
import { describe, expect, test, vi } from "vitest";
import { freePort, hasKafka, kafkaBrokers } from "../../../tests/servers/servers.js";
import { describeEventLog, newTopic } from "../event-log.conformance.js";
import { connectKafkaLog } from "./log.js";

describe.skipIf(!hasKafka)("on Kafka", () => {
  const clientId = `conformance-${randomBytes(4).toString("hex")}`;
  describeEventLog("Kafka", {
    open: () => connectKafkaLog({ brokers: kafkaBrokers(), clientId, replicationFactor: 1 }),
    openUnreachable: async () =>
      connectKafkaLog({ brokers: [`127.0.0.1:${await freePort()}`], clientId, replicationFactor: 1 }),
    sharesPartitions: true,
  });

  test("bounds and reads give LOG_UNAVAILABLE when no broker answers", async () => {
    const down = await connectKafkaLog({ brokers: [`127.0.0.1:${await freePort()}`], clientId, replicationFactor: 1 });
    const topic = newTopic();
    for (const asked of [down.bounds(topic, 0), down.read(topic, 0, 0, 1)])
      await expect(asked).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
    await down.stop();
  });

  test("a connection is not given up that is made while the process stands still", async () => {
    const log = await connectKafkaLog({ brokers: kafkaBrokers(), clientId, replicationFactor: 1 });
    const { connect } = net;
    const standingStill = vi.spyOn(net, "connect").mockImplementation((...args: unknown[]) => {
      const socket = Reflect.apply(connect, net, args);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);
      return socket;
    });
    try {
      const topic = newTopic();
      await log.ensureTopics([topic], 1);
      await log.append(topic, 0, [{ value: Buffer.from("a") }]);
      expect(await log.read(topic, 0, 0, 1)).toHaveLength(1);
      expect(standingStill).toHaveBeenCalled();
    } finally {
      standingStill.mockRestore();
      await log.stop();
    }
  });

  test("topics that a process asks about for the first time do not disturb each other", async () => {
    const topics = Array.from({ length: 8 }, newTopic);
    const open = () => connectKafkaLog({ brokers: kafkaBrokers(), clientId, replicationFactor: 1 });
    const first = await open();
    await first.ensureTopics(topics, 1);
    for (const topic of topics) await first.append(topic, 0, [{ value: Buffer.from(topic.name) }]);
    await first.stop();
    const [known, ...others] = topics;
    if (known === undefined) throw new Error("there are several topics");
    for (let tries = 0; tries < 5; tries += 1) {
      const log = await open();
      await log.bounds(known, 0);
      for (const topic of others) {
        const [bounds, count] = await Promise.all([log.bounds(known, 0), log.partitionCount(topic)]);
        expect([bounds, count]).toEqual([{ first: 0, next: 1 }, 1]);
      }
      const records = await Promise.all(topics.map((topic) => log.read(topic, 0, 0, 1)));
      expect(records.map(([record]) => String(record?.value))).toEqual(topics.map(({ name }) => name));
      await log.stop();
    }
  });

  test("processes that start concurrently all get their topics", async () => {
    const topics = Array.from({ length: 5 }, newTopic);
    const logs = await Promise.all(
      Array.from({ length: 6 }, () => connectKafkaLog({ brokers: kafkaBrokers(), clientId, replicationFactor: 1 })),
    );
    try {
      await Promise.all(logs.map((log) => log.ensureTopics(topics, 64)));
      for (const topic of topics) expect(await logs[0]?.partitionCount(topic)).toBe(64);
    } finally {
      await Promise.all(logs.map((log) => log.stop()));
    }
  });
});
