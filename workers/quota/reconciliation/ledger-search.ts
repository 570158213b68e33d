import type { LedgerClient } from "#platform/ledger/client.js";

/**
 * The first entry up to `toSeq` from which on events may have a time at or after a moment (`toSeq + 1`: none). Not by the moments
 * of recording: recorders' clocks may be wrong.
 */
export async function firstSeqWith(
  ledger: LedgerClient,
  partition: number,
  toSeq: number,
  timeMs: number,
): Promise<number> {
  const { entries, nextSeq } = await ledger.read({ partition, from: 1, limit: 1, eventsFrom: timeMs });
  return Math.min(entries[0]?.seq ?? nextSeq, toSeq + 1);
}
