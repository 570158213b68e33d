import { type StoredStamp, storedEntries, storedEntryOf } from "#schema/events/ledger-block.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { packed } from "../rules/pack.js";

/** Entries of one partition with one stamp, as stored: see the migration for the columns. */
export interface LedgerBlock {
  readonly first_seq: number;
  readonly last_seq: number;
  readonly recorded_at_ms: number;
  readonly tenancy_version: number;
  readonly ticked_ms: number | null;
  readonly is_shared: boolean;
  readonly tenants: readonly string[];
  readonly event_count: number;
  readonly entries: string;
}

/** The columns needed to read a block's entries. */
export type StoredBlock = Pick<LedgerBlock, "first_seq" | "recorded_at_ms" | "tenancy_version" | "entries">;

export const stampOf = (block: StoredBlock): StoredStamp => ({
  firstSeq: block.first_seq,
  recordedAt: block.recorded_at_ms,
  tenancyVersion: block.tenancy_version,
});

/** The entries of a block. Throws for a block not from `blocksOf`. */
export const entriesOf = (block: StoredBlock): LedgerEntry[] =>
  storedEntries(stampOf(block), JSON.parse(block.entries));

/** Reading one entry reads its block, so blocks are small; an entry over the limit goes alone. */
const BLOCK = { maxBytes: 200_000, maxCount: 2_000 };

/** Splits one transaction's entries, which share a stamp, into blocks. */
export function blocksOf(entries: readonly LedgerEntry[]): LedgerBlock[] {
  return [...packed(entries, sizeOf, BLOCK)].map(blockOf);
}

function blockOf(entries: readonly LedgerEntry[]): LedgerBlock {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("a block needs entries");
  const tenants = new Set<string>();
  let ticked: number | null = null;
  let isShared = false;
  for (const entry of entries) {
    if ("tenantId" in entry) tenants.add(entry.tenantId);
    else if (entry.kind === "tick") ticked = Math.max(ticked ?? entry.at, entry.at);
    else isShared = true;
  }
  return {
    first_seq: first.seq,
    last_seq: last.seq,
    recorded_at_ms: first.recordedAt,
    tenancy_version: first.tenancyVersion,
    ticked_ms: ticked,
    is_shared: isShared,
    tenants: [...tenants],
    event_count: entries.filter(({ kind }) => kind === "event").length,
    entries: JSON.stringify(entries.map(storedEntryOf)),
  };
}

const ENTRY_BYTES = 50;

function sizeOf(entry: LedgerEntry): number {
  if (entry.kind === "void") return sizeOf(entry.event) + entry.reason.length + 6 * ENTRY_BYTES;
  if (entry.kind !== "event") return 2 * ENTRY_BYTES;
  return (
    entry.data.length + entry.tenantId.length + entry.source.length + entry.id.length + entry.type.length + ENTRY_BYTES
  );
}
