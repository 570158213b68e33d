import { Partitioners } from "kafkajs";
import { MetrlyError } from "#kernel/errors.js";
import type { Topic } from "#schema/topics.js";
import { appendWithinDeadline } from "../deadline.js";
import type { EventLog, LogConsumer, NewRecord, PartitionBounds } from "../event-log.js";
import { groupAppends, sizeOf } from "../group-append.js";
import { UnknownPartitionError } from "../position.js";
import { answered, joined, oneAtATime } from "./answered.js";
import { createKafka, type KafkaConnection, once, protocolErrorOf } from "./client.js";
import { consumeFromKafka } from "./consumer.js";
import { createFetcher } from "./fetch.js";
import { assertPartitions, countPartitions, createTopic } from "./topics.js";

/** kafkajs sends one Kafka batch per `send`, and the broker's limit applies to the batch. */
const LIMITS = { maxRecords: 10_000, maxBytes: 1 << 20 };
const PERMANENT = new Set([
  "MESSAGE_TOO_LARGE",
  "RECORD_LIST_TOO_LARGE",
  "INVALID_TOPIC_EXCEPTION",
  "TOPIC_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
]);

export interface KafkaLogOptions extends KafkaConnection {
  /** Replication factor of new topics; from 3 on, an append needs two in-sync replicas. */
  readonly replicationFactor: number;
}

/**
 * The event log on Kafka. Produces with `acks: all` without idempotence: kafkajs' idempotent producer loses acknowledged
 * records when responses are lost, while a plain one may only duplicate them, and all our readers deduplicate. A timed-out
 * append may be retried behind newer records; readers that keep state by key compare versions.
 */
export async function connectKafkaLog(options: KafkaLogOptions): Promise<EventLog> {
  const kafka = createKafka(options);
  const producer = kafka.producer({
    idempotent: false,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const admin = createKafka(options, { requestTimeout: 10_000, retry: { retries: 5 } }).admin();
  const fetcher = createFetcher(options);
  const connectProducer = once(() => producer.connect());
  const connectAdmin = once(() => admin.connect());
  const adminInTurn = oneAtATime();
  const appenders = new Map<string, ReturnType<typeof groupAppends>>();
  const consumers = new Set<LogConsumer>();
  const stopped = new AbortController();

  /** Of each topic, for all its partitions: a consumer that starts asks for each of them at once. */
  const questions = new Map<string, () => Promise<Map<number, PartitionBounds>>>();

  function boundsOf(topic: string): Promise<Map<number, PartitionBounds>> {
    const ask = questions.get(topic) ?? joined(() => fetchBounds(topic));
    questions.set(topic, ask);
    return ask();
  }

  async function fetchBounds(topic: string): Promise<Map<number, PartitionBounds>> {
    await connectAdmin();
    const offsets = await adminInTurn(() => admin.fetchTopicOffsets(topic));
    return new Map(offsets.map(({ partition, low, high }) => [partition, { first: Number(low), next: Number(high) }]));
  }

  function appenderOf(topic: Topic, partition: number): ReturnType<typeof groupAppends> {
    const key = `${topic.name}/${partition}`;
    const limits = { ...LIMITS, writesAtOnce: topic.concurrentAppends ?? 1 };
    const appender = appenders.get(key) ?? groupAppends((records) => send(topic, partition, records), limits);
    appenders.set(key, appender);
    return appender;
  }

  async function send(topic: Topic, partition: number, records: readonly NewRecord[]): Promise<void> {
    await connectProducer();
    const metadata = await producer.send({
      topic: topic.name,
      acks: -1,
      timeout: 2_000,
      messages: records.map(({ key, value }) => ({ key: key ?? null, value, partition })),
    });
    // kafkajs silently drops records for a partition missing from its metadata.
    const stored = metadata.some((one) => one.partition === partition && one.errorCode === 0);
    if (!stored) throw new UnknownPartitionError(topic.name, partition);
  }

  async function bounds(topic: Topic, partition: number): Promise<PartitionBounds> {
    const found = (await boundsOf(topic.name)).get(partition);
    if (found === undefined) throw new UnknownPartitionError(topic.name, partition);
    return found;
  }

  return {
    bounds: (topic, partition) => answered(() => bounds(topic, partition)),
    async ensureTopics(topics, partitionCount) {
      await connectAdmin();
      await adminInTurn(async () => {
        const existing = new Set(await admin.listTopics());
        for (const topic of topics) {
          if (!existing.has(topic.name)) await createTopic(admin, topic, partitionCount, options.replicationFactor);
          await assertPartitions(admin, topic, partitionCount);
        }
      });
    },
    async partitionCount(topic) {
      await connectAdmin();
      return adminInTurn(() => countPartitions(admin, topic.name));
    },
    async append(topic, partition, records) {
      for (const chunk of chunksOf(records)) {
        const append = appenderOf(topic, partition);
        await appendWithinDeadline((abandoned) => append(chunk, abandoned), isTransient, stopped.signal);
      }
    },
    async consume(consumerOptions) {
      const consumer = consumeFromKafka(options, boundsOf, consumerOptions);
      consumers.add(consumer);
      return consumer;
    },
    read: (topic, partition, from, maxRecords) =>
      answered(async () => {
        const { first, next } = await bounds(topic, partition);
        return fetcher.fetch(topic.name, partition, Math.max(from, first), next, maxRecords);
      }),
    async trim(topic, partition, before) {
      const { first, next } = await bounds(topic, partition);
      if (before <= first) return;
      const offset = String(Math.min(before, next));
      await adminInTurn(() => admin.deleteTopicRecords({ topic: topic.name, partitions: [{ partition, offset }] }));
    },
    async stop() {
      stopped.abort();
      await Promise.all([...consumers].map((consumer) => consumer.stop()));
      await Promise.all([producer.disconnect(), admin.disconnect(), fetcher.stop()]);
    },
  };
}

function isTransient(error: unknown): boolean {
  if (error instanceof MetrlyError || error instanceof UnknownPartitionError) return false;
  if (error instanceof TypeError || error instanceof RangeError) return false;
  return !PERMANENT.has(protocolErrorOf(error) ?? "");
}

function* chunksOf(records: readonly NewRecord[]): Generator<readonly NewRecord[]> {
  let chunk: NewRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const size = sizeOf([record]);
    if (chunk.length > 0 && bytes + size > LIMITS.maxBytes) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(record);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}
