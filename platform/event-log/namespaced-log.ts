import type { Topic } from "#schema/topics.js";
import type { EventLog } from "./event-log.js";

/**
 * The same log with prefixed topic and group names, so that installations can share a broker. Consumers still see the
 * contracts' names.
 */
export function namespacedLog(log: EventLog, namespace: string): EventLog {
  const inside = (topic: Topic): Topic => ({ ...topic, name: `${namespace}.${topic.name}` });
  return {
    ensureTopics: (topics, partitionCount) => log.ensureTopics(topics.map(inside), partitionCount),
    partitionCount: (topic) => log.partitionCount(inside(topic)),
    append: (topic, partition, records) => log.append(inside(topic), partition, records),
    consume: (options) =>
      log.consume({
        ...options,
        topic: inside(options.topic),
        group: `${namespace}.${options.group}`,
        onBatch: (batch) => options.onBatch({ ...batch, topic: options.topic.name }),
      }),
    bounds: (topic, partition) => log.bounds(inside(topic), partition),
    read: (topic, partition, from, maxRecords) => log.read(inside(topic), partition, from, maxRecords),
    trim: (topic, partition, before) => log.trim(inside(topic), partition, before),
    stop: () => log.stop(),
  };
}
