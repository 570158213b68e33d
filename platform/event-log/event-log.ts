import type { Topic } from "#schema/topics.js";

/** One record of a topic's partition. `offset` ascends within the partition; compaction and trimming leave holes below. */
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
 * What a consumer answers to a batch: `continue` after its effect is durable, or `seek` to the offset its own database
 * says is next (another owner moved it, or this consumer just started). The log never keeps a consumer's position.
 */
export type BatchOutcome = { readonly kind: "continue" } | { readonly kind: "seek"; readonly next: number };

export interface ConsumerOptions {
  readonly topic: Topic;
  /** Consumers of one group share the topic's partitions; each partition has one owner at a time, as far as the log knows. */
  readonly group: string;
  /**
   * Where to begin on a newly assigned partition: read from the consumer's own database. A position outside the log's
   * bounds, here, after a `seek` or later on, is a LogPositionError to `onError` and stops that partition: nothing is skipped.
   */
  startAt(partition: number): Promise<number>;
  /** One call at a time per partition. A throw is a bug or a lost dependency: the batch is delivered again after a backoff. */
  onBatch(batch: LogBatch): Promise<BatchOutcome>;
  /** Told of every failure of `onBatch` or of the log; the consumer goes on by itself. */
  onError(error: unknown): void;
  readonly maxBatchBytes?: number;
}

export interface LogConsumer {
  /** Partitions this consumer owns now. */
  assigned(): readonly number[];
  /**
   * When `onBatch` last succeeded or an empty poll completed on the partition that is furthest behind in this, epoch ms:
   * readiness needs movement, not an open socket.
   */
  lastProgressAt(): number;
  /** Stops fetching, waits for the running `onBatch`, leaves the group. */
  stop(): Promise<void>;
}

export interface PartitionBounds {
  /** Offset of the oldest record still there. */
  readonly first: number;
  /** Offset that the next appended record will get. */
  readonly next: number;
}

/** An ordered, durable, partitioned log. */
export interface EventLog {
  /** Creates missing topics; several processes may do so at once. Throws if an existing one has another partition count. */
  ensureTopics(topics: readonly Topic[], partitionCount: number): Promise<void>;
  partitionCount(topic: Topic): Promise<number>;
  /**
   * Appends in order to one partition (see `Topic.concurrentAppends`) and resolves only when the log has them durably. A rejection says nothing about
   * whether they are there: the caller appends again and its readers deduplicate.
   * Rejects with MetrlyError LOG_UNAVAILABLE within about 9 s when the log does not answer.
   */
  append(topic: Topic, partition: number, records: readonly NewRecord[]): Promise<void>;
  consume(options: ConsumerOptions): Promise<LogConsumer>;
  bounds(topic: Topic, partition: number): Promise<PartitionBounds>;
  /** Records from `from` on, or from the oldest one still there, at most `maxRecords`: a bounded read outside any group. */
  read(topic: Topic, partition: number, from: number, maxRecords: number): Promise<readonly LogRecord[]>;
  /** Allows the log to forget everything below `before`. */
  trim(topic: Topic, partition: number, before: number): Promise<void>;
  stop(): Promise<void>;
}
