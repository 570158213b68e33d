import type pg from "pg";
import type { ConsumerOptions, LogConsumer, LogRecord } from "../event-log.js";
import { checkPosition, LogPositionError } from "../position.js";
import { type ReadResult, readPartition } from "./read.js";
import type { WakeUps } from "./wake-ups.js";

const MAX_RECORDS = 1_000;
const MAX_BYTES = 1 << 20;
/** Wake-ups are quick but may be lost with their connection; this is what finds the records then. */
const POLL_MS = 1_000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;

/** One loop per partition: read, hand over, advance. Partitions don't wait for each other. */
export function consumePartitions(
  pool: pg.Pool,
  partitions: readonly number[],
  wakeUps: WakeUps,
  options: ConsumerOptions,
): LogConsumer {
  const stopped = new AbortController();
  const progress = new Map(partitions.map((partition) => [partition, Date.now()]));
  const loops = partitions.map((partition) =>
    consumePartition({
      pool,
      partition,
      wakeUps,
      options,
      stopped: stopped.signal,
      onProgress: () => progress.set(partition, Date.now()),
    }),
  );
  return {
    assigned: () => (stopped.signal.aborted ? [] : partitions),
    lastProgressAt: () => Math.min(...progress.values()),
    async stop() {
      stopped.abort();
      wakeUps.wakeAll();
      await Promise.all(loops);
    },
  };
}

interface PartitionLoop {
  readonly pool: pg.Pool;
  readonly partition: number;
  readonly wakeUps: WakeUps;
  readonly options: ConsumerOptions;
  readonly stopped: AbortSignal;
  onProgress(): void;
}

async function consumePartition(loop: PartitionLoop): Promise<void> {
  const { options, partition, stopped, wakeUps } = loop;
  const topic = options.topic.name;
  let position: number | undefined;
  let backoffMs = FIRST_BACKOFF_MS;
  while (!stopped.aborted) {
    const woken = wakeUps.listen(topic, partition);
    try {
      position ??= await options.startAt(partition);
      const { bounds, records } = await readPartition(
        loop.pool,
        topic,
        partition,
        position,
        MAX_RECORDS,
        options.maxBatchBytes ?? MAX_BYTES,
      );
      if (stopped.aborted) return;
      position = checkedPosition(loop, position, bounds, records);
      const [first, ...rest] = records;
      if (first !== undefined) {
        const outcome = await options.onBatch({ topic, partition, records: [first, ...rest] });
        position = outcome.kind === "seek" ? outcome.next : (rest.at(-1) ?? first).offset + 1;
      }
      loop.onProgress();
      backoffMs = FIRST_BACKOFF_MS;
      if (first === undefined) await woken.within(POLL_MS);
    } catch (error) {
      options.onError(error);
      if (error instanceof LogPositionError) return;
      await wakeUps.pause(backoffMs * (0.5 + Math.random()));
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    } finally {
      woken.done();
    }
  }
}

/** Refuses to go on when what is wanted is not there; only compaction may leave holes. */
function checkedPosition(
  { options, partition }: PartitionLoop,
  position: number,
  bounds: ReadResult["bounds"],
  records: readonly LogRecord[],
): number {
  checkPosition(options.topic.name, partition, position, bounds);
  const found = records[0]?.offset ?? bounds.next;
  if (found !== position && !options.topic.compacted)
    throw new LogPositionError(options.topic.name, partition, position, `the next record is ${found}`);
  return records.length === 0 ? bounds.next : position;
}
