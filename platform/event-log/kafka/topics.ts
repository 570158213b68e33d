import type { Admin } from "kafkajs";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import type { Topic } from "#schema/topics.js";
import { protocolErrorOf } from "./client.js";

/** A record with a full batch of events is about 1 MiB; the broker's limit leaves room for its envelope. */
const MAX_MESSAGE_BYTES = 2 << 20;
const VISIBLE_WITHIN_MS = 30_000;
const NOT_YET_THERE: ReadonlySet<string | undefined> = new Set(["UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE"]);

/** Creates the topic; concurrent creation is safe. It may take a moment to appear: see `countPartitions`. */
export async function createTopic(
  admin: Admin,
  topic: Topic,
  partitionCount: number,
  replicationFactor: number,
): Promise<void> {
  await admin.createTopics({
    // KafkaJS' own wait gives up immediately when the broker does not know the new topic yet.
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

/** Throws if the topic's partition count differs from the configuration. */
export async function assertPartitions(admin: Admin, topic: Topic, partitionCount: number): Promise<void> {
  const wanted = partitionsOf(topic, partitionCount);
  const count = await countPartitions(admin, topic.name);
  if (count !== wanted)
    throw new Error(`topic ${topic.name} has ${count} partitions, ${wanted} are configured; they can't be changed`);
}

const partitionsOf = (topic: Topic, partitionCount: number): number => (topic.keyedByTenant ? partitionCount : 1);

/** Waits for a topic just created, here or elsewhere: not every broker knows it or its leader yet. */
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
