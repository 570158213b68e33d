import type { Database } from "#platform/database/database.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import type { QuotaCounters, SavedPart } from "./counters/counters.js";
import { takeSavedCounters } from "./store/saved.js";

/**
 * Restores what an orderly stop saved, before anything is decided or settled. What cannot be read is reported and counts as a
 * loss of that tenant. Returns the number of this start, which saving needs.
 */
export function restoreCounters(
  database: Database,
  counters: Pick<QuotaCounters, "restore">,
  onError: (error: unknown) => void,
): Promise<number> {
  return takeSavedCounters(database, async (parts) => {
    for (const ofTenant of byTenant(parts)) {
      try {
        // Counters that survive on their own never take them: what is saved is out of date.
        if (!(await counters.restore(ofTenant))) return false;
      } catch (error) {
        onError(error);
      }
      await new Promise<void>(nextTurn);
    }
    return true;
  });
}

function* byTenant(parts: readonly SavedPart[]): Iterable<readonly SavedPart[]> {
  for (let at = 0; at < parts.length; ) {
    const first = parts[at];
    let end = at + 1;
    while (end < parts.length && parts[end]?.tenantId === first?.tenantId) end += 1;
    yield parts.slice(at, end);
    at = end;
  }
}
