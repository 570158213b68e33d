import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";

/**
 * Splits contiguous entries into those of one transaction each, at most `maxEntries`. A backfill comes alone: its effect is
 * prepared from what the database has once everything before it is applied.
 */
export function* ledgerSteps(entries: readonly LedgerEntry[], maxEntries: number): Generator<readonly LedgerEntry[]> {
  let start = 0;
  for (let next = 1; next <= entries.length; next += 1) {
    const isSplit = entries[next - 1]?.kind === "backfill" || entries[next]?.kind === "backfill";
    if (next < entries.length && next - start < maxEntries && !isSplit) continue;
    yield entries.slice(start, next);
    start = next;
  }
}
