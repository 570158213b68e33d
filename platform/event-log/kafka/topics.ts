import type { Admin } from "kafkajs";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import type { Topic } from "#schema/topics.js";
import { protocolErrorOf } from "./client.js";

/** A record of a full batch of events is about 1 MiB; the broker's limit leaves room for its envelope. */
const MAX_MESSAGE_BYTES = 2 << 20;
const VISIBLE_WITHIN_MS = 30_000;
const NOT_YET_THERE: ReadonlySet<string | undefined> = new Set(["UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE"]);

/** Creates the topic; another process may do so at the same time. It may take a moment to be there: see `countPartitions`. */
export async function createTopic(
  admin: Admin,
  topic: Topic,
  partitionCount: number,
  replicationFactor: number,
): Promise<void> {
  await admin.createTopics({
    // KafkaJS' own waiting gives up at once when the broker does not know the new topic yet.
    waitForLeaders: false,
    topics: [
      {
        topic: topic.name,
        numPartitions: partitionsOf(topic, partitionCount),
        replicationFactor,
        configEntries: [
          { name: "cleanup.policy", value: topic.compacted ? "compact" : "delete" },
          { name: "retention.ms", value: String(topic.retentionMs ?? -1) },
          { name: "retention.bytes", value: "-1" },
          { name: "max.message.bytes", value: String(MAX_MESSAGE_BYTES) },
          { name: "message.timestamp.type", value: "LogAppendTime" },
          { name: "min.insync.replicas", value: replicationFactor >= 3 ? "2" : "1" },
        ],
      },
    ],
  });
}

/** Throws if the topic has another number of partitions than is configured. */
export async function assertPartitions(admin: Admin, topic: Topic, partitionCount: number): Promise<void> {
  const wanted = partitionsOf(topic, partitionCount);
  const count = await countPartitions(admin, topic.name);
  if (count !== wanted)
    throw new Error(`topic ${topic.name} has ${count} partitions, ${wanted} are configured; they can't be changed`);
}

const partitionsOf = (topic: Topic, partitionCount: number): number => (topic.keyedByTenant ? partitionCount : 1);

/** Waits for a topic that was just created, here or by another process: not every broker knows it yet, or who leads it. */
export async function countPartitions(admin: Admin, topic: string): Promise<number> {
  const deadline = monotonicMs() + VISIBLE_WITHIN_MS;
  for (;;) {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics.find(({ name }) => name === topic)?.partitions.length ?? 0;
    } catch (error) {
      if (!NOT_YET_THERE.has(protocolErrorOf(error)) || monotonicMs() > deadline) throw error;
      await sleep(100);
    }
  }
}
