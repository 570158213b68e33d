import type { Pool } from "#platform/database/session.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { ConsumerOptions, LogConsumer, LogRecord } from "../event-log.js";
import { checkPosition, LogPositionError, secondLooks } from "../position.js";
import { type ReadResult, readPartition } from "./read.js";
import type { Tails } from "./tails.js";
import { placeOf, type WakeUps } from "./wake-ups.js";

const MAX_RECORDS = 1_000;
const MAX_BYTES = 1 << 20;
const BACKOFF = { firstMs: 100, longestMs: 5_000 };

/** Where the records are, and when to look for them. */
interface Source {
  readonly pool: Pool;
  readonly tails: Tails;
  readonly wakeUps: WakeUps;
  /** The longest pause between two looks, ms. */
  readonly pollMs: number;
}

/** One loop per partition: read, deliver, advance. Partitions are independent. */
export function consumePartitions(
  source: Source,
  partitions: readonly number[],
  options: ConsumerOptions,
): LogConsumer {
  let isStopped = false;
  const progress = new Map(partitions.map((partition) => [partition, nowMs()]));
  const loops = partitions.map((partition) =>
    consumePartition({ ...source, partition, options, onProgress: () => progress.set(partition, nowMs()) }),
  );
  return {
    assigned: () => (isStopped ? [] : partitions),
    lastProgressAt: () => Math.min(...progress.values()),
    async stop() {
      isStopped = true;
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}

interface PartitionLoop extends Source {
  readonly partition: number;
  readonly options: ConsumerOptions;
  onProgress(): void;
}

function consumePartition(loop: PartitionLoop): { stop(): Promise<void> } {
  const { pool, options, partition, wakeUps, tails } = loop;
  const topic = options.topic.name;
  const place = placeOf(topic, partition);
  const maxBytes = options.maxBatchBytes ?? MAX_BYTES;
  const isWorthAnotherLook = secondLooks();
  let position: number | undefined;
  /** Since the partition was last read. */
  let isAppendedElsewhere = false;
  /** What a consumer did not take is read from the log before it gets it again: an operator may have mended it there. */
  let isRefused = false;

  /** Undefined: the cursor is to be read again. */
  function positionIn({ bounds, records }: ReadResult, from: number): number | undefined {
    try {
      return checkedPosition(loop, from, bounds, records);
    } catch (error) {
      if (!isWorthAnotherLook(from)) throw error;
      return undefined;
    }
  }

  const reading = repeat({
    everyMs: loop.pollMs,
    backoff: BACKOFF,
    async run(stopping) {
      position ??= await options.startAt(partition);
      if (stopping.aborted) return;
      let records = isRefused ? [] : tails.from(place, position, MAX_RECORDS, maxBytes);
      const isAppendedHere = records.length > 0;
      if (!isAppendedHere) {
        isAppendedElsewhere = false;
        const read = await readPartition(pool, topic, partition, position, MAX_RECORDS, maxBytes);
        if (stopping.aborted) return;
        position = positionIn(read, position);
        if (position === undefined) return reading.kick();
        records = read.records;
      }
      const [first, ...rest] = records;
      if (first !== undefined) {
        isRefused = true;
        const outcome = await options.onBatch({ topic, partition, records: [first, ...rest] });
        isRefused = outcome.kind === "seek" && outcome.next <= (rest.at(-1) ?? first).offset;
        position = outcome.kind === "seek" ? outcome.next : (rest.at(-1) ?? first).offset + 1;
        // After the last one that this process appended, a wake-up comes with the next.
        if (!isAppendedHere || isAppendedElsewhere || !tails.isEnd(place, position)) reading.kick();
      }
      loop.onProgress();
    },
    onError(error) {
      options.onError(error);
      if (error instanceof LogPositionError) void reading.stop();
    },
  });
  const forget = wakeUps.listen(place, (appended) => {
    isAppendedElsewhere ||= appended === "elsewhere";
    reading.kick();
  });
  return {
    stop() {
      forget();
      return reading.stop();
    },
  };
}

/** Fails on a missing record; only compaction may leave gaps. */
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
