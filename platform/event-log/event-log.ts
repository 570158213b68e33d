import type { Topic } from "#schema/topics.js";

/** One record of a topic's partition. Offsets ascend within the partition; compaction and trimming leave gaps. */
export interface LogRecord {
  readonly offset: number;
  readonly key: string | undefined;
  readonly value: Buffer;
  /** When the log stored it, epoch ms (the broker's clock). */
  readonly timestamp: number;
}

export interface LogBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly [LogRecord, ...LogRecord[]];
}

export interface NewRecord {
  readonly key?: string;
  readonly value: Buffer;
}

/**
 * A consumer's response to a batch: `continue` once its effect is durable, or `seek` to the next offset in its own database
 * (another owner moved it, or this consumer just started). The log never stores a consumer's position.
 */
export type BatchOutcome = { readonly kind: "continue" } | { readonly kind: "seek"; readonly next: number };

export interface ConsumerOptions {
  readonly topic: Topic;
  /** Consumers of one group share the topic's partitions; each partition has one owner at a time, as far as the log knows. */
  readonly group: string;
  /**
   * The start position on a newly assigned partition, from the consumer's own database. Asked again for a position outside the
   * log's bounds, here, after a `seek` or later: another owner may have gone on, and the log was trimmed. The same one again is a
   * LogPositionError to `onError` and stops that partition: nothing is skipped.
   */
  startAt(partition: number): Promise<number>;
  /** One call at a time per partition. An exception is a bug or a lost dependency: the batch is redelivered after a backoff. */
  onBatch(batch: LogBatch): Promise<BatchOutcome>;
  /** Called for every failure of `onBatch` or of the log; the consumer recovers automatically. */
  onError(error: unknown): void;
  readonly maxBatchBytes?: number;
}

export interface LogConsumer {
  /** Partitions this consumer owns now. */
  assigned(): readonly number[];
  /**
   * Epoch ms of the last successful `onBatch` or empty poll, on the partition where it is oldest: readiness requires progress,
   * not an open socket.
   */
  lastProgressAt(): number;
  /** Stops fetching, waits for the running `onBatch`, leaves the group. */
  stop(): Promise<void>;
}

export interface PartitionBounds {
  /** Offset of the oldest retained record. */
  readonly first: number;
  /** Offset of the next record. */
  readonly next: number;
}

/** An ordered, durable, partitioned log. */
export interface EventLog {
  /** Creates missing topics; concurrent processes are safe. Throws if an existing topic has another partition count. */
  ensureTopics(topics: readonly Topic[], partitionCount: number): Promise<void>;
  partitionCount(topic: Topic): Promise<number>;
  /**
   * Appends in order to one partition (see `Topic.concurrentAppends`) and resolves only when the log has the records durably. A
   * rejection leaves open whether they were stored: the caller retries and readers deduplicate. Rejects with MetrlyError
   * LOG_UNAVAILABLE within about 9 s when the log does not answer.
   */
  append(topic: Topic, partition: number, records: readonly NewRecord[]): Promise<void>;
  consume(options: ConsumerOptions): Promise<LogConsumer>;
  bounds(topic: Topic, partition: number): Promise<PartitionBounds>;
  /** Records from `from`, or from the oldest retained one, at most `maxRecords`: a bounded read outside any group. */
  read(topic: Topic, partition: number, from: number, maxRecords: number): Promise<readonly LogRecord[]>;
  /** Allows the log to delete records below `before`. */
  trim(topic: Topic, partition: number, before: number): Promise<void>;
  stop(): Promise<void>;
}
