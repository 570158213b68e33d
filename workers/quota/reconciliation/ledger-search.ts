import { HOUR_MS } from "#kernel/duration.js";
import type { LedgerClient } from "#platform/ledger/client.js";

/** Usage may be told this much ahead of its time, and clocks of recorders may differ. */
export const SLACK_MS = 2 * HOUR_MS;

/**
 * The first entry up to `toSeq` that was recorded at or after a moment (`toSeq + 1`: none was), by halving: entries are recorded
 * in the order of `seq`.
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
