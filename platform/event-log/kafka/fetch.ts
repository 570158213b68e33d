import type { KafkaMessage } from "kafkajs";
import Cluster from "kafkajs/src/cluster/index.js";
import type { LogRecord } from "../event-log.js";
import { accessOptions, CONNECTING, createKafka, type KafkaConnection, once, TIMEOUTS } from "./client.js";

const MAX_BYTES_PER_FETCH = 4 << 20;
const MAX_BYTES = 16 << 20;
const READ_COMMITTED = 1;

export interface KafkaFetcher {
  /** Records in [from, before), oldest first; both must be within the partition's bounds. */
  fetch(topic: string, partition: number, from: number, before: number, maxRecords: number): Promise<LogRecord[]>;
  stop(): Promise<void>;
}

/**
 * Reads a partition from an offset without a consumer group. kafkajs has no such call, and a temporary group costs a rebalance
 * (3 s with broker defaults) and leaves an entry in the broker's group list for each read. So this uses its internal client,
 * typed in `kafkajs-internals.d.ts`; a fetch there is one request, and an offset out of range is an error.
 */
export function createFetcher(connection: KafkaConnection): KafkaFetcher {
  const cluster = new Cluster({
    ...TIMEOUTS,
    ...CONNECTING,
    logger: createKafka(connection).logger(),
    ...accessOptions(connection),
    brokers: [...connection.brokers],
    clientId: connection.clientId,
    enforceRequestTimeout: true,
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
  });
  const connect = once(() => cluster.connect());

  async function fetchOnce(topic: string, partition: number, from: number, maxBytes: number): Promise<LogRecord[]> {
    const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
    if (leader === undefined) throw new Error(`${topic}/${partition} has no leader`);
    const broker = await cluster.findBroker({ nodeId: leader });
    const { responses } = await broker.fetch({
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes,
      isolationLevel: READ_COMMITTED,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes }] }],
    });
    return responses
      .flatMap((response) => response.partitions)
      .flatMap(({ messages }) => messages.filter((message) => message.isControlRecord !== true).map(toRecord))
      .filter(({ offset }) => offset >= from);
  }

  return {
    async fetch(topic, partition, from, before, maxRecords) {
      await connect();
      await cluster.addTargetTopic(topic);
      await cluster.refreshMetadataIfNecessary();
      const found: LogRecord[] = [];
      // However little is asked for, a broker gives the whole batch that the first record is in.
      const most = maxRecords === 1 ? 1 : MAX_BYTES_PER_FETCH;
      let bytes = 0;
      for (let next = from; next < before && found.length < maxRecords && bytes < MAX_BYTES; ) {
        const records = await fetchOnce(topic, partition, next, most).catch(async (error: unknown) => {
          await cluster.refreshMetadata();
          throw error;
        });
        const last = records.at(-1);
        if (last === undefined) break;
        found.push(...records.filter(({ offset }) => offset < before));
        bytes += records.reduce((sum, { value }) => sum + value.length, 0);
        next = last.offset + 1;
      }
      return found.slice(0, maxRecords);
    },
    stop: () => cluster.disconnect(),
  };
}

export function toRecord(message: Pick<KafkaMessage, "offset" | "key" | "value" | "timestamp">): LogRecord {
  return {
    offset: Number(message.offset),
    key: message.key?.toString("utf8"),
    value: message.value ?? Buffer.alloc(0),
    timestamp: Number(message.timestamp),
  };
}
