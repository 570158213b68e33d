import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";

/** Of one transaction: each reading has an effect of its own in memory and in the database. */
const MAX_READINGS = 10_000;

/**
 * Splits contiguous entries into those of one transaction each: at most `maxEntries`, and about `MAX_READINGS` readings of the
 * meters that count their types, which may be many. A backfill comes alone: its effect is prepared from what the database has
 * once everything before it is applied.
 */
export function* ledgerSteps(
  entries: readonly LedgerEntry[],
  maxEntries: number,
  metersOfType: TenancyCopy["metersOfType"],
): Generator<readonly LedgerEntry[]> {
  let start = 0;
  let readings = 0;
  for (let next = 1; next <= entries.length; next += 1) {
    const entry = entries[next - 1];
    if (entry?.kind === "event") readings += metersOfType(entry.type).length;
    const isSplit = entry?.kind === "backfill" || entries[next]?.kind === "backfill";
    if (next < entries.length && next - start < maxEntries && readings < MAX_READINGS && !isSplit) continue;
    yield entries.slice(start, next);
    start = next;
    readings = 0;
  }
}
