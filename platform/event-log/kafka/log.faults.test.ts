import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Topic } from "#schema/topics.js";
import { type PrivateKafka, startKafka } from "../../../tests/servers/private-servers.js";
import { hasKafka, waitFor } from "../../../tests/servers/servers.js";
import { newTopic } from "../event-log.conformance.js";
import type { EventLog } from "../event-log.js";
import { connectKafkaLog } from "./log.js";

describe.skipIf(!hasKafka)("event log on a Kafka that fails", () => {
  let kafka: PrivateKafka;
  let log: EventLog;
  beforeAll(async () => {
    kafka = await startKafka();
    log = await connectKafkaLog({ brokers: kafka.brokers, clientId: "faults", replicationFactor: 1 });
  });
  afterAll(async () => {
    await log.stop();
    await kafka.stop();
  });

  /** Appends numbers one after the other until stopped; remembers those that were acknowledged. */
  function keepAppending(topic: Topic) {
    const acknowledged: number[] = [];
    let isStopped = false;
    async function run(): Promise<void> {
      for (let number = 0; !isStopped; number += 1) {
        try {
          await log.append(topic, number % 2, [{ value: Buffer.from(String(number)) }]);
          acknowledged.push(number);
        } catch (error) {
          expect(error).toMatchObject({ code: "LOG_UNAVAILABLE" });
        }
      }
    }
    const running = run();
    return {
      acknowledged,
      stop() {
        isStopped = true;
        return running;
      },
    };
  }

  test("kill -9 of the broker loses nothing acknowledged, and consumers resume automatically", async () => {
    const topic = newTopic();
    await log.ensureTopics([topic], 2);
    const cursors = [0, 0];
    const seen = new Set<number>();
    const consumer = await log.consume({
      topic,
      group: "g",
      startAt: async (partition) => cursors[partition] ?? 0,
      onError: () => {},
      async onBatch({ partition, records }) {
        const next = cursors[partition] ?? 0;
        if (records[0].offset !== next) return { kind: "seek", next };
        for (const { value } of records) seen.add(Number(value.toString()));
        cursors[partition] = (records.at(-1)?.offset ?? 0) + 1;
        return { kind: "continue" };
      },
    });
    const appending = keepAppending(topic);
    await waitFor(() => seen.size > 50, { what: "records before the crash" });
    await kafka.kill("SIGKILL");
    await kafka.restart();
    const before = appending.acknowledged.length;
    await waitFor(() => appending.acknowledged.length > before + 50, { what: "appends again" });
    await appending.stop();
    await waitFor(() => appending.acknowledged.every((number) => seen.has(number)), {
      what: "everything acknowledged to be consumed",
    });
    const read = (partition: number) => waitFor(() => log.read(topic, partition, 0, 100_000), { what: "a read" });
    const stored = (await Promise.all([0, 1].map(read))).flat();
    const inLog = new Set(stored.map(({ value }) => Number(value.toString())));
    expect(appending.acknowledged.filter((number) => !inLog.has(number))).toEqual([]);
    await consumer.stop();
  });

  test("a frozen broker causes LOG_UNAVAILABLE, and works again afterwards", async () => {
    const topic = newTopic();
    await log.ensureTopics([topic], 1);
    const append = (text: string) => log.append(topic, 0, [{ value: Buffer.from(text) }]).then(() => true);
    await append("before");
    await kafka.kill("SIGSTOP");
    await expect(append("during")).rejects.toMatchObject({ code: "LOG_UNAVAILABLE" });
    await kafka.kill("SIGCONT");
    await waitFor(() => append("after"), { what: "an append" });
    const records = await waitFor(() => log.read(topic, 0, 0, 100), { what: "a read" });
    const texts = records.map(({ value }) => value.toString());
    expect(texts[0]).toBe("before");
    expect(texts).toContain("after");
  });
});
