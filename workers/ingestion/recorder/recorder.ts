import type { Logger } from "pino";
import { readingAt } from "#kernel/upgrade-required.js";
import { createTransactionSizes } from "#platform/database/transaction-sizes.js";
import type { BatchOutcome, EventLog, LogBatch, LogConsumer, LogRecord } from "#platform/event-log/event-log.js";
import { LogPositionError } from "#platform/event-log/position.js";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import { logRetried } from "#platform/process/logger.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import type { IngestionMetrics } from "../metrics.js";
import { decodeRecord } from "../rules/decode-record.js";
import { recordUuid } from "../rules/fingerprint.js";
import { MAX_ITEMS_PER_STEP, planSteps, type ReceivedRecord, type RecordingStep } from "../rules/plan-steps.js";
import type { LedgerBlock } from "../store/ledger-block.js";
import { openCursor, type RecorderCursor } from "../store/recording.js";
import { ledgerVersionReached, withKnownVersions } from "./known-versions.js";
import { pauseAfter } from "./pace.js";
import { type Recorded, type RecordingDependencies, recordStep } from "./recording.js";

export interface RecorderOptions extends RecordingDependencies {
  readonly tenancy: RecordingDependencies["tenancy"] & Pick<TenancyCopy, "reached">;
  readonly log: EventLog;
  readonly partitionCount: number;
  readonly metrics: IngestionMetrics;
  readonly logger: Logger;
  /** Called after each commit; a crash may lose its effect, so it must be recoverable from the ledger. */
  onRecorded(partition: number, blocks: readonly LedgerBlock[]): void;
  /** Called with whether the last tick agreed with the log's clock. */
  onTick(agreed: boolean): void;
  /** The log lacks unrecorded records, or is another log: continuing would silently lose usage. */
  onHole(error: Error): void;
}

export type Recorder = Awaited<ReturnType<typeof startRecorder>>;

const GROUP = "ingestion-recorder";
const MAX_BATCH_BYTES = 2 << 20;

/** Records usage.received into the ledger: one consumer per partition, each event once, in the log's order. */
export async function startRecorder(options: RecorderOptions) {
  const cursors = new Map<number, RecorderCursor>();
  const stopping = new AbortController();
  const sizes = createTransactionSizes(options.database, MAX_ITEMS_PER_STEP);
  let consuming: LogConsumer | undefined;

  async function startAt(partition: number): Promise<number> {
    const cursor = await openCursor(options.database, partition);
    await assertSameLog(options.log, partition, cursor);
    await ledgerVersionReached({ ...options, stopped: stopping.signal }, cursor.tenancyVersion);
    cursors.set(partition, cursor);
    options.onRecorded(partition, []);
    return cursor.next;
  }

  async function onBatch(batch: LogBatch): Promise<BatchOutcome> {
    const { partition } = batch;
    const beganAt = monotonicMs();
    let items = 0;
    const records = await withKnownVersions(readBatch(batch, options.partitionCount), options.tenancy);
    for (const step of planSteps(records, sizes.of(partition))) {
      const recorded = await sizes.attempt(partition, step.units, () => recordStep(options, partition, step));
      // The rest is delivered again, by the smaller size.
      if (recorded === undefined) return { kind: "seek", next: step.records[0].offset };
      const result = recorded.done;
      if (result.kind === "fenced") return { kind: "seek", next: result.next };
      cursors.set(partition, result.cursor);
      options.metrics.recorded(result);
      report(options, partition, step, result);
      options.onRecorded(partition, result.blocks);
      items += step.elements.length;
    }
    const bytes = batch.records.reduce((sum, { value }) => sum + value.length, 0);
    const pauseMs = pauseAfter(
      { records: batch.records.length, items, bytes, tookMs: monotonicMs() - beganAt },
      { maxBytes: MAX_BATCH_BYTES, partitions: consuming?.assigned().length ?? 1 },
    );
    // A stopped recorder does not wait.
    if (pauseMs > 0) await sleep(pauseMs, stopping.signal);
    return { kind: "continue" };
  }

  const consumer = await options.log.consume({
    topic: USAGE_RECEIVED,
    group: GROUP,
    maxBatchBytes: MAX_BATCH_BYTES,
    startAt,
    onBatch,
    onError(error) {
      if (error instanceof LogPositionError) options.onHole(withAdvice(error));
      else logRetried(options.logger, error, "recording failed; the batch will be redelivered");
    },
  });
  consuming = consumer;
  return {
    assigned: () => consumer.assigned(),
    lastProgressAt: () => consumer.lastProgressAt(),
    /** The position of each partition this process has recorded, as last committed here. */
    cursors: (): ReadonlyMap<number, RecorderCursor> => cursors,
    stop(): Promise<void> {
      stopping.abort();
      return consumer.stop();
    },
  };
}

/** The log is contiguous: a missing offset inside a batch would be lost silently. */
function readBatch({ topic, partition, records }: LogBatch, partitionCount: number): ReceivedRecord[] {
  for (const [index, { offset }] of records.entries()) {
    const wanted = records[0].offset + index;
    if (offset !== wanted) throw new LogPositionError(topic, partition, wanted, `the next record is ${offset}`);
  }
  return records.map((record) => ({ ...record, decoded: decode(record, partition, partitionCount) }));
}

function decode(record: LogRecord, partition: number, partitionCount: number) {
  return readingAt(record.offset, () => decodeRecord(record.value, partition, partitionCount));
}

function report(
  { logger, dimensions, onTick }: RecorderOptions,
  partition: number,
  step: RecordingStep,
  { full }: Recorded,
): void {
  for (const scope of full) {
    const { tenantId, meter, period } = scope;
    const limit = dimensions.limitOf(scope);
    logger.warn(
      { tenantId, meter: meter.id, periodStart: new Date(period.start).toISOString(), limit },
      "a meter reached its limit of dimension value combinations; events with new ones are quarantined",
    );
  }
  for (const { offset, error } of step.poison)
    logger.error({ partition, offset, reason: error }, "poison record; kept in poison_record");
  if (step.refusedTicks > 0) onTick(false);
  else if (step.ticks > 0) onTick(true);
}

/**
 * The record before the cursor, if still in the log, must be the one recorded last. Otherwise the topic was recreated, and its
 * offsets have another meaning.
 */
async function assertSameLog(log: EventLog, partition: number, cursor: RecorderCursor): Promise<void> {
  if (cursor.lastRecord === null) return;
  const before = cursor.next - 1;
  const { first, next } = await log.bounds(USAGE_RECEIVED, partition);
  if (before < first || before >= next) return;
  const [record] = await log.read(USAGE_RECEIVED, partition, before, 1);
  if (record?.offset === before && recordUuid(record.value) !== cursor.lastRecord)
    throw new LogPositionError(USAGE_RECEIVED.name, partition, cursor.next, "the record before it is another one");
}

function withAdvice(cause: LogPositionError): Error {
  return new Error(
    `${cause.message}. Acknowledged usage may be missing: restore the log, or, if the missing records are known to be ` +
      "recorded or given up, set recorder_cursor.next of the partition to the log's first offset (last_record to NULL) and start again.",
    { cause },
  );
}
