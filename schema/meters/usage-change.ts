import type { LedgerEntry, RecordedEvent } from "../events/usage-recorded.v1.js";

/** An event that a ledger entry adds to usage (1) or retracts from it (-1). */
export interface UsageChange {
  readonly event: RecordedEvent;
  readonly sign: 1 | -1;
}

/** The entry's own change of usage; undefined: none. A backfill adds events of earlier entries. */
export function usageChange(entry: LedgerEntry): UsageChange | undefined {
  switch (entry.kind) {
    case "event":
      return { event: entry, sign: 1 };
    case "void":
      return { event: entry.event, sign: -1 };
    case "tick":
    case "close":
    case "backfill":
    case "creditGrant":
    case "creditVoid":
      return undefined;
    default:
      return entry satisfies never;
  }
}
