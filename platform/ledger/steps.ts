import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { isMeterActive } from "#schema/tenancy-history.js";

/** Of one transaction: each reading has an effect of its own in memory and in the database. */
const MAX_READINGS = 10_000;

type MetersOfType = TenancyCopy["metersOfType"];

/**
 * Splits contiguous entries into those of one transaction each: at most `maxEntries`, and about `MAX_READINGS` readings of the
 * meters that count their types, which may be many. A backfill comes alone: its effect is prepared from what the database has
 * once everything before it is applied. Tenancy must have reached the entries' versions.
 */
export function* ledgerSteps(
  entries: readonly LedgerEntry[],
  maxEntries: number,
  metersOfType: MetersOfType,
): Generator<readonly LedgerEntry[]> {
  const readingsOf = countReadings(metersOfType);
  let start = 0;
  let readings = 0;
  for (let next = 1; next <= entries.length; next += 1) {
    const entry = entries[next - 1];
    if (entry !== undefined) readings += readingsOf(entry);
    const isSplit = entry?.kind === "backfill" || entries[next]?.kind === "backfill";
    if (next < entries.length && next - start < maxEntries && readings < MAX_READINGS && !isSplit) continue;
    yield entries.slice(start, next);
    start = next;
    readings = 0;
  }
}

/** How many meters an event is counted by or retracted from, about: backfills may have added some that are archived by now. */
function countReadings(metersOfType: MetersOfType): (entry: LedgerEntry) => number {
  const known = new Map<string, Map<number, number>>();
  function activeAt(type: string, version: number): number {
    const ofType = known.get(type) ?? new Map<number, number>();
    known.set(type, ofType);
    const count = ofType.get(version) ?? metersOfType(type).filter((meter) => isMeterActive(meter, version)).length;
    ofType.set(version, count);
    return count;
  }
  return (entry) => {
    if (entry.kind === "event") return activeAt(entry.type, entry.tenancyVersion);
    if (entry.kind !== "void") return 0;
    const { type, tenancyVersion } = entry.event;
    return activeAt(type, tenancyVersion) || activeAt(type, entry.tenancyVersion);
  };
}
