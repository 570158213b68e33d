import type { Logger } from "pino";
import { readingAt } from "#kernel/upgrade-required.js";
import type { Database } from "#platform/database/database.js";
import { createTransactionSizes } from "#platform/database/transaction-sizes.js";
import type { BatchOutcome, EventLog, LogBatch, LogConsumer } from "#platform/event-log/event-log.js";
import { LogPositionError } from "#platform/event-log/position.js";
import { BILLING_EVENTS, QUOTA_ALERTS, type Topic } from "#schema/topics.js";
import type { NotificationMetrics } from "./metrics.js";
import { decodeNotice, type Notice } from "./rules/notice.js";
import { type IntakeBatch, type PoisonRecord, startCursor, storeIntake } from "./store/intake.js";
import type { DeliveryRef } from "./store/notices.js";

/** Of one transaction. */
const MAX_RECORDS = 1_000;

export interface IntakeOptions {
  readonly log: EventLog;
  readonly database: Database;
  readonly metrics: NotificationMetrics;
  readonly logger: Logger;
  /** Sends new deliveries. */
  sendDue(planned: readonly DeliveryRef[]): void;
  /** The log has deleted the next records, and the partition is stopped: a restart reads from the log's beginning. */
  onHole(error: Error): void;
}

export type Intake = Awaited<ReturnType<typeof startIntake>>;

/** Turns the events of quota and billing into notices and planned deliveries. */
export async function startIntake(options: IntakeOptions) {
  const consumers: { topic: Topic; consumer: LogConsumer }[] = [];
  const stop = async () => {
    await Promise.all(consumers.map(({ consumer }) => consumer.stop()));
  };
  try {
    for (const topic of [QUOTA_ALERTS, BILLING_EVENTS])
      consumers.push({ topic, consumer: await follow(topic, options) });
  } catch (error) {
    await stop();
    throw error;
  }
  return { consumers, stop };
}

function follow(
  topic: Topic,
  { log, database, metrics, logger, sendDue, onHole }: IntakeOptions,
): Promise<LogConsumer> {
  const sizes = createTransactionSizes(database, MAX_RECORDS);
  return log.consume({
    topic,
    group: `notification-${topic.name}`,
    async startAt(partition) {
      const start = await startCursor(database, topic.name, partition, () => log.bounds(topic, partition));
      if (start.lost !== undefined)
        logger.error(
          { topic: topic.name, partition, ...start.lost },
          "the log does not hold the cursor's offset: events may have expired unread; reading from its beginning",
        );
      return start.next;
    },
    async onBatch(batch): Promise<BatchOutcome> {
      const { partition } = batch;
      let left: LogBatch | undefined = batch;
      while (left !== undefined) {
        const some = firstOf(left, sizes.of(partition));
        const decoded = decodeBatch(some);
        const stored = await sizes.attempt(partition, some.records.length, () => storeIntake(database, decoded));
        // The rest is delivered again, by the smaller size.
        if (stored === undefined) return { kind: "seek", next: decoded.firstOffset };
        const outcome = stored.done;
        if (outcome.kind === "fenced") return { kind: "seek", next: outcome.next };
        for (const { type } of outcome.notices) metrics.notices.inc({ type });
        for (const { offset, error } of decoded.poison) {
          metrics.poison.inc();
          logger.error({ topic: topic.name, partition, offset, error }, "a poison record was set aside");
        }
        sendDue(outcome.planned);
        left = without(left, some.records.length);
      }
      return { kind: "continue" };
    },
    onError(error) {
      if (error instanceof LogPositionError) onHole(error);
      else logger.warn({ err: error, topic: topic.name }, "a batch of events failed and will be retried");
    },
  });
}

/** At most `count` records of a batch. */
function firstOf({ records: [first, ...rest], ...batch }: LogBatch, count: number): LogBatch {
  return { ...batch, records: [first, ...rest.slice(0, count - 1)] };
}

/** A batch without its first `count` records; undefined: none is left. */
function without({ records, ...batch }: LogBatch, count: number): LogBatch | undefined {
  const [first, ...rest] = records.slice(count);
  return first === undefined ? undefined : { ...batch, records: [first, ...rest] };
}

function decodeBatch(batch: LogBatch): IntakeBatch {
  const notices: Notice[] = [];
  const poison: PoisonRecord[] = [];
  for (const { offset, key, value } of batch.records) {
    const decoded = readingAt(offset, () => decodeNotice(value.toString("utf8")));
    if (decoded.kind === "notice") notices.push(decoded.notice);
    else poison.push({ offset, key, value, error: decoded.error });
  }
  const [first] = batch.records;
  return {
    topic: batch.topic,
    partition: batch.partition,
    firstOffset: first.offset,
    nextOffset: (batch.records.at(-1) ?? first).offset + 1,
    notices,
    poison,
  };
}
