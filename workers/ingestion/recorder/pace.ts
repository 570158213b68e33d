/** A batch of the log, recorded. */
export interface RecordedBatch {
  /** Records of the log, and the items in them. */
  readonly records: number;
  readonly items: number;
  readonly bytes: number;
  /** How long recording it took, ms. */
  readonly tookMs: number;
}

/** The longest that usage waits for more, ms: a part of the 300 ms within which it is in the totals. */
const LONGEST_MS = 100;
/** A batch with fewer items is no load: what comes next is recorded at once. */
const LEAST_ITEMS = 50;
/** A log gives at most 1,000 records at a time, however small they are. */
const MANY_RECORDS = 500;
/** Times as long as a batch took. A transaction costs as much as a thousand items, of the recorder and all that follows it. */
const TIMES = 4;
/** Kafka gives batches of so many partitions at a time: the pauses of more of them would add up, also for one without load. */
const PARTITIONS_AT_ONCE = 8;

/**
 * How long to let the log fill before the partition's next batch, ms. Under load a pause makes transactions fewer and larger; without load,
 * or behind a log that has more than a batch holds, there is none. All `partitions` of this process together wait no longer than one.
 */
export function pauseAfter(
  { records, items, bytes, tookMs }: RecordedBatch,
  { maxBytes, partitions }: { readonly maxBytes: number; readonly partitions: number },
): number {
  if (items < LEAST_ITEMS || bytes >= maxBytes / 2 || records >= MANY_RECORDS) return 0;
  return Math.min(LONGEST_MS, TIMES * tookMs) * Math.min(1, PARTITIONS_AT_ONCE / partitions);
}
