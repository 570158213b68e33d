import { HOUR_MS } from "#kernel/duration.js";
import { hourOf } from "#kernel/period.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";

/** Events reached an hour by their own times: none before `firstSeq` is in it or in a later one. */
export interface Reach {
  /** Start of the hour, epoch ms. */
  readonly hour: number;
  readonly firstSeq: number;
}

/**
 * Of entries from `firstSeq` on whose times are not known, from the newest hour in which anything arrived (undefined: nothing
 * did): no event but a test tenant's is accepted as much as an hour ahead of its arrival.
 */
export function unreadReach(firstSeq: number, newestArrival: number | undefined): Reach | undefined {
  return newestArrival === undefined ? undefined : { hour: newestArrival + HOUR_MS, firstSeq };
}

/**
 * How far entries reach beyond `before`, the newest hour of all events before them; undefined: not beyond it. A test tenant's
 * events may be years ahead, so they do not count.
 */
export function reachOf(
  entries: readonly LedgerEntry[],
  before: number,
  isOfTest: (tenantId: string) => boolean,
): Reach | undefined {
  let reach: Reach | undefined;
  for (const entry of entries) {
    if (entry.kind !== "event") continue;
    const hour = hourOf(entry.time);
    if (hour <= (reach?.hour ?? before) || isOfTest(entry.tenantId)) continue;
    reach = { hour, firstSeq: reach?.firstSeq ?? entry.seq };
  }
  return reach;
}
