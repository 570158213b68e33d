import { randomBytes } from "node:crypto";
import { describe } from "vitest";
import { freePort, hasKafka, kafkaBrokers } from "../tests/servers/servers.js";
import { describeEventLog } from "./event-log.conformance.js";
import { connectKafkaLog } from "./event-log-kafka.js";

describe.skipIf(!hasKafka)("on Kafka", () => {
  const clientId = `conformance-${randomBytes(4).toString("hex")}`;
  describeEventLog("Kafka", {
    open: () => connectKafkaLog({ brokers: kafkaBrokers(), clientId, replicationFactor: 1 }),
    openUnreachable: async () =>
      connectKafkaLog({ brokers: [`127.0.0.1:${await freePort()}`], clientId, replicationFactor: 1 }),
    sharesPartitions: true,
  });
});
