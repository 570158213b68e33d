/** A partition's numbers in one snapshot, each from where it was written. */
export interface IdentityFacts {
  /** The recorder's cursor and its totals. */
  readonly next: number;
  readonly seq: number;
  readonly items: number;
  readonly events: number;
  readonly duplicates: number;
  readonly quarantined: number;
  /** Of the ledger behind the place that was asked for: its first and last place, entries, and events among them. */
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
  readonly newEntries: number;
  readonly newEvents: number;
  readonly poison: number;
  /** The sums of usage_account, usage_duplicate and quarantined_event; absent when only what is new was looked at. */
  readonly sums?: {
    readonly accepted: number;
    readonly recorded: number;
    readonly duplicates: number;
    readonly quarantined: number;
    readonly duplicateRows: number;
    readonly quarantinedRows: number;
  };
}

/** Up to where the ledger was found to be complete. */
export interface Verified {
  readonly seq: number;
  readonly events: number;
}

export interface IdentityVerdict {
  /** Where it breaks, in words; undefined: it holds. */
  readonly mismatch: string | undefined;
  /** By how much; 0: it holds. */
  readonly amount: number;
  readonly verified: Verified;
}

/**
 * Whether a partition's numbers agree. Without `verified` the ledger is looked at from its first entry that is not archived;
 * what was archived is taken from the cursor's total.
 */
export function mismatchOf(facts: IdentityFacts, verified: Verified | undefined): IdentityVerdict {
  const start = verified?.seq ?? (facts.firstSeq ?? facts.seq + 1) - 1;
  const isWhole = verified !== undefined || start === 0;
  const eventsBefore = verified?.events ?? (isWhole ? 0 : facts.events - facts.newEvents);
  const pairs: readonly (readonly [string, number, number])[] = [
    ["items and what became of them", facts.items, facts.events + facts.duplicates + facts.quarantined],
    ["places given out and entries of the ledger", facts.seq, start + facts.newEntries],
    ["the cursor's place and the ledger's last", facts.seq, facts.lastSeq ?? start],
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
    ["items and those accepted of tenants", facts.items, sums.accepted],
    ["events and those recorded of tenants", facts.events, sums.recorded],
    ["duplicates and those of tenants", facts.duplicates, sums.duplicates],
    ["quarantined and those of tenants", facts.quarantined, sums.quarantined],
    ["duplicates and those of keys", facts.duplicates, sums.duplicateRows],
    ["quarantined and the quarantine's rows", facts.quarantined, sums.quarantinedRows],
  ];
}
