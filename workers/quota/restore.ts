import type { Database } from "#platform/database/database.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import type { QuotaCounters, SavedPart } from "./counters/counters.js";
import { dropSavedCounters, takeSavedCounters } from "./store/saved.js";
import { DatabaseUnreachable } from "./store/unreachable.js";

/**
 * Restores what an orderly stop saved, before anything is decided or settled. What cannot be read is reported and counts as a
 * loss of that tenant.
 */
export async function restoreCounters(
  database: Database,
  counters: Pick<QuotaCounters, "restore">,
  onError: (error: unknown) => void,
): Promise<void> {
  for (;;) {
    const parts = await takeSavedCounters(database);
    if (parts.length === 0) return;
    for (const ofTenant of byTenant(parts)) {
      try {
        // Counters that survive on their own never take them: what is saved is out of date.
        if (!counters.restore(ofTenant)) return await dropSavedCounters(database);
      } catch (error) {
        if (error instanceof DatabaseUnreachable) throw error;
        onError(error);
      }
      await new Promise<void>(nextTurn);
    }
  }
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
