/** A partition's numbers in one snapshot, each from its own source. */
export interface IdentityFacts {
  /** The recorder's cursor and its totals. */
  readonly next: number;
  readonly seq: number;
  readonly items: number;
  readonly events: number;
  readonly duplicates: number;
  readonly quarantined: number;
  /** Of the ledger after the verified position: its first and last position, entries, and events among them. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  readonly newEntries: number;
  readonly newEvents: number;
  readonly poison: number;
  /** The sums of usage_account, usage_duplicate and quarantined_event; absent in an incremental check. */
  readonly sums?: {
    readonly accepted: number;
    readonly recorded: number;
    readonly duplicates: number;
    readonly quarantined: number;
    readonly duplicateRows: number;
    readonly quarantinedRows: number;
  };
}

/** The position up to which the ledger is verified. */
export interface Verified {
  readonly seq: number;
  readonly events: number;
}

export interface IdentityVerdict {
  /** The mismatch in words; undefined: none. */
  readonly mismatch: string | undefined;
  /** The difference; 0: none. */
  readonly amount: number;
  readonly verified: Verified;
}

/**
 * Whether a partition's numbers agree. Without `verified` the ledger is checked from its first entry that is not archived; the
 * cursor's total covers the archived ones.
 */
export function mismatchOf(facts: IdentityFacts, verified: Verified | undefined): IdentityVerdict {
  const start = verified?.seq ?? (facts.firstSeq ?? facts.seq + 1) - 1;
  const eventsBefore = verified?.events ?? (start === 0 ? 0 : facts.events - facts.newEvents);
  const pairs: readonly (readonly [string, number, number])[] = [
    ["items and their outcomes", facts.items, facts.events + facts.duplicates + facts.quarantined],
    ["assigned positions and entries of the ledger", facts.seq, start + facts.newEntries],
    ["the cursor's position and the ledger's last", facts.seq, facts.lastSeq ?? start],
    ["events counted and events in the ledger", facts.events, eventsBefore + facts.newEvents],
    ...sumPairs(facts),
  ];
  const differing = pairs.filter(([, a, b]) => a !== b);
  return {
    mismatch: differing.length === 0 ? undefined : differing.map(([what, a, b]) => `${what}: ${a} and ${b}`).join("; "),
    amount: Math.max(0, ...differing.map(([, a, b]) => Math.abs(a - b))),
    verified: { seq: facts.seq, events: facts.events },
  };
}

function sumPairs({ sums, ...facts }: IdentityFacts): (readonly [string, number, number])[] {
  if (sums === undefined) return [];
  return [
    ["items and the tenants' accepted items", facts.items, sums.accepted],
    ["events and the tenants' recorded events", facts.events, sums.recorded],
    ["duplicates and the tenants' duplicates", facts.duplicates, sums.duplicates],
    ["quarantined and the tenants' quarantined items", facts.quarantined, sums.quarantined],
    ["duplicates and the keys' duplicates", facts.duplicates, sums.duplicateRows],
    ["quarantined and the quarantine's rows", facts.quarantined, sums.quarantinedRows],
  ];
}
