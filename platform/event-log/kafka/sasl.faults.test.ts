import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Topic } from "#schema/topics.js";
import { frameOf, wholeFrames } from "../../../tests/chaos/kafka-proxy.js";
import { type Link, type LinkEnds, startTcpProxy, type TcpProxy } from "../../../tests/chaos/tcp-proxy.js";
import { type PrivateKafka, startKafka } from "../../../tests/servers/private-servers.js";
import { freePort, hasKafka, waitFor } from "../../../tests/servers/servers.js";
import { newTopic } from "../event-log.conformance.js";
import type { EventLog } from "../event-log.js";
import { connectKafkaLog } from "./log.js";

const SASL_AUTHENTICATE = 36;
const [username, password] = ["metrly", "secret"];
const PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SETTINGS = {
  listeners: "CLIENT://:9092,CONTROLLER://:9093,LOCAL://:9094",
  "advertised.listeners": "CLIENT://:9092,LOCAL://:9094",
  "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,LOCAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
  "inter.broker.listener.name": "LOCAL",
  "sasl.enabled.mechanisms": "PLAIN",
  "listener.name.client.plain.sasl.jaas.config": `${PLAIN_MODULE} required user_${username}="${password}";`,
  "offsets.topic.replication.factor": "1",
  "offsets.topic.num.partitions": "4",
  "group.initial.rebalance.delay.ms": "0",
};

const WORK = {
  append: (log: EventLog, topic: Topic) => log.append(topic, 0, [{ value: Buffer.from("after") }]),
  bounds: (log: EventLog, topic: Topic) => log.bounds(topic, 0),
  read: (log: EventLog, topic: Topic) => log.read(topic, 0, 0, 10),
  consume: consumesOne,
};

/** A record that was there before. */
async function consumesOne(log: EventLog, topic: Topic): Promise<void> {
  let isSeen = false;
  const consumer = await log.consume({
    ...{ topic, group: randomUUID(), startAt: async () => 0, onError: () => {} },
    async onBatch() {
      isSeen = true;
      return { kind: "continue" };
    },
  });
  await waitFor(() => isSeen, { what: "a record" });
  await consumer.stop();
}

describe.skipIf(!hasKafka)("event log on a Kafka with credentials", () => {
  let kafka: PrivateKafka;
  let proxy: TcpProxy;
  const logs: EventLog[] = [];
  let losses = 0;
  /** Of each client: the authentications until now, and the one whose answer is lost. */
  const authentications = new Map<string, { asked: number; readonly lost: number }>();

  async function connect(clientId: string, own = password): Promise<EventLog> {
    const access = { tls: false, sasl: { mechanism: "plain", username, password: own } } as const;
    const brokers = [`127.0.0.1:${proxy.port}`];
    const log = await connectKafkaLog({ brokers, clientId, replicationFactor: 1, access });
    logs.push(log);
    return log;
  }

  beforeAll(async () => {
    const advertisedPort = await freePort();
    kafka = await startKafka(SETTINGS, { advertisedPort });
    proxy = await startTcpProxy(() => kafka.port, losingAnswers, advertisedPort);
  });
  afterAll(async () => {
    await Promise.all(logs.map((log) => log.stop()));
    await proxy.stop();
    await kafka.stop();
  });

  function losingAnswers(ends: LinkEnds): Link {
    const lost = new Set<number>();
    return {
      fromClient: wholeFrames((frame) => {
        const { apiKey, clientId, correlationId } = frameOf(frame);
        const of = apiKey === SASL_AUTHENTICATE ? authentications.get(clientId) : undefined;
        if (of !== undefined) {
          of.asked += 1;
          if (of.asked === of.lost) {
            lost.add(correlationId);
            losses += 1;
          }
        }
        ends.toServer(frame);
      }),
      fromServer: wholeFrames((frame) => {
        if (!lost.delete(frameOf(frame).answers)) ends.toClient(frame);
      }),
    };
  }

  test.each(Object.entries(WORK))(
    "whichever authentication gets no answer in time, it goes on: %s",
    async (name, work) => {
      const topic = newTopic();
      const writer = await connect(`writer-${name}`);
      await writer.ensureTopics([topic], 1);
      await writer.append(topic, 0, [{ value: Buffer.from("before") }]);
      async function losing(lost: number): Promise<number> {
        const clientId = `${name}-${lost}`;
        const counted = { asked: 0, lost };
        authentications.set(clientId, counted);
        const log = await connect(clientId);
        const refusals: unknown[] = [];
        const isDone = () =>
          work(log, topic).then(
            () => true,
            (error) => void refusals.push(error),
          );
        await waitFor(isDone, { what: `${name} without answer ${lost}` });
        for (const error of refusals) expect(error).toMatchObject({ code: "LOG_UNAVAILABLE" });
        return counted.asked;
      }
      const withoutLoss = await losing(0);
      expect(withoutLoss).toBeGreaterThan(0);
      const lossesBefore = losses;
      await Promise.all(Array.from({ length: withoutLoss }, (_, n) => losing(n + 1)));
      // A consumer does not ask the same brokers each time, so that the last one may not come.
      expect(losses - lossesBefore).toBeGreaterThanOrEqual(Math.max(1, withoutLoss - 1));
    },
  );

  test("wrong credentials are told as such", async () => {
    const log = await connect("wrong", "wrong");
    await expect(log.bounds(newTopic(), 0)).rejects.toThrow("Authentication failed: Invalid username or password");
  });
});
