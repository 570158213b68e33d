/** A batch of the log, recorded. */
export interface RecordedBatch {
  readonly items: number;
  readonly bytes: number;
  /** How long recording it took, ms. */
  readonly tookMs: number;
}

/** The longest that usage waits for more, ms: a part of the 300 ms within which it is in the totals. */
const LONGEST_MS = 100;
/** A batch with fewer items is no load: what comes next is recorded at once. */
const LEAST_ITEMS = 50;
/** Times as long as a batch took. A transaction costs as much as a thousand items, of the recorder and all that follows it. */
const TIMES = 4;

/**
 * How long to let the log fill before the next batch, ms. Under load a pause makes transactions fewer and larger; without load, or
 * behind a log that has more than a batch holds, there is none.
 */
export function pauseAfter({ items, bytes, tookMs }: RecordedBatch, maxBytes: number): number {
  if (items < LEAST_ITEMS || bytes >= maxBytes / 2) return 0;
  return Math.min(LONGEST_MS, TIMES * tookMs);
}
