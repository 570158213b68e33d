import { Redis } from "ioredis";
import kafkajs from "kafkajs";
import { parseConfig } from "#platform/process/config.js";
import type { RunningCompose } from "../systems/compose/start.js";

// In Node without vitest, its CommonJS has no names to import.
const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

/** Redis as its administrator, past the network. */
export async function commandRedis(compose: RunningCompose, ...command: readonly [string, ...string[]]): Promise<void> {
  const config = parseConfig(compose.processes.get("quota")?.env ?? {});
  const url = new URL(config.redisUrl ?? "");
  url.host = new URL(compose.redis.url).host;
  const redis = new Redis(url.toString(), { maxRetriesPerRequest: 1 });
  redis.on("error", () => undefined);
  try {
    const [name, ...args] = command;
    await redis.call(name, ...args);
  } finally {
    redis.disconnect();
  }
}

/** The replicas that a topic demands of a batch: with two, its only broker refuses. */
export async function demandReplicas(compose: RunningCompose, topic: string, replicas: number): Promise<void> {
  const { kafkaBrokers, kafkaAccess } = parseConfig(compose.processes.get("ingestion")?.env ?? {});
  const { username = "", password = "" } = kafkaAccess.sasl ?? {};
  const kafka = new Kafka({
    ...{ brokers: [...kafkaBrokers], clientId: "faults", logLevel: logLevel.NOTHING },
    // The compose file's mechanism.
    sasl: { mechanism: "plain", username, password },
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const name = (await admin.listTopics()).find((known) => known.endsWith(topic));
    if (name === undefined) throw new Error(`there is no topic ${topic}`);
    const configEntries = [{ name: "min.insync.replicas", value: String(replicas) }];
    const resources = [{ type: ConfigResourceTypes.TOPIC, name, configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
  } finally {
    await admin.disconnect();
  }
}
