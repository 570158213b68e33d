import { HOUR_MS } from "#kernel/duration.js";
import type { LedgerClient } from "#platform/ledger/client.js";

/** Tolerance: events may be ahead of their time by this much, and recorders' clocks may differ. */
export const SLACK_MS = 2 * HOUR_MS;

/**
 * Binary search for the first entry up to `toSeq` recorded at or after a moment (`toSeq + 1`: none): entries are recorded in
 * the order of `seq`.
 */
export async function firstSeqAfter(
  ledger: LedgerClient,
  partition: number,
  toSeq: number,
  atMs: number,
): Promise<number> {
  let [low, high] = [1, toSeq + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { entries } = await ledger.read({ partition, from: middle, limit: 1 });
    const entry = entries[0];
    if (entry === undefined || entry.recordedAt >= atMs) high = middle;
    else low = middle + 1;
  }
  return low;
}
