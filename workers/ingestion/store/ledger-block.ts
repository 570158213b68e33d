import { readRecordedColumns, recordedColumns } from "#schema/columns/recorded.js";
import { COLUMNS_ENCODING } from "#schema/columns/sealed.js";
import { type StoredStamp, storedEntries, storedEntryOf } from "#schema/events/ledger-block.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { packed } from "../rules/pack.js";

/** Entries of one partition with one stamp, as stored: see the migrations for the columns. */
export interface LedgerBlock {
  readonly first_seq: number;
  readonly last_seq: number;
  readonly recorded_at_ms: number;
  readonly tenancy_version: number;
  readonly ticked_ms: number | null;
  readonly is_shared: boolean;
  readonly tenants: readonly string[];
  readonly event_count: number;
  /** JSON; of a block in columns, the name of its encoding. */
  readonly entries: string;
  /** A block in columns, as `usage.recorded` has it, too; null: it is text. */
  readonly packed: Buffer | null;
  /** What a text was just made of; undefined: it was stored. */
  readonly decoded?: readonly LedgerEntry[];
}

/** The columns needed to read a block's entries. */
export type StoredBlock = Pick<
  LedgerBlock,
  "first_seq" | "recorded_at_ms" | "tenancy_version" | "entries" | "packed" | "decoded"
>;

export const stampOf = (block: StoredBlock): StoredStamp => ({
  firstSeq: block.first_seq,
  recordedAt: block.recorded_at_ms,
  tenancyVersion: block.tenancy_version,
});

/** The entries of a block. Throws for a block not from `blocksOf`, UpgradeRequired for one that newer code stored. */
export function entriesOf(block: StoredBlock): readonly LedgerEntry[] {
  if (block.decoded !== undefined) return block.decoded;
  if (block.packed === null) return storedEntries(stampOf(block), JSON.parse(block.entries));
  const { entries, ...stamp } = readRecordedColumns(block.packed);
  if (
    stamp.firstSeq !== block.first_seq ||
    stamp.recordedAt !== block.recorded_at_ms ||
    stamp.tenancyVersion !== block.tenancy_version
  )
    throw new Error(`the block at ${block.first_seq} holds another block's bytes`);
  return entries;
}

/** Reading one entry reads its block, so blocks are small; an entry over the limit goes alone. */
const BLOCK = { maxBytes: 200_000, maxCount: 2_000 };
/** With fewer events a text is smaller than columns. */
export const MIN_EVENTS_IN_COLUMNS = 4;

/** Splits one transaction's entries, which share a stamp, into blocks. `inColumns`: every reader reads them. */
export function blocksOf(partition: number, entries: readonly LedgerEntry[], inColumns: boolean): LedgerBlock[] {
  return [...packed(entries, sizeOf, BLOCK)].map((group) => blockOf(partition, group, inColumns));
}

function blockOf(partition: number, entries: readonly LedgerEntry[], inColumns: boolean): LedgerBlock {
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
  const events = entries.reduce((count, { kind }) => (kind === "event" ? count + 1 : count), 0);
  const isPacked = inColumns && events >= MIN_EVENTS_IN_COLUMNS;
  return {
    first_seq: first.seq,
    last_seq: last.seq,
    recorded_at_ms: first.recordedAt,
    tenancy_version: first.tenancyVersion,
    ticked_ms: ticked,
    is_shared: isShared,
    tenants: [...tenants],
    event_count: events,
    ...(isPacked
      ? { entries: IN_COLUMNS, packed: recordedColumns(partition, entries) }
      : { entries: JSON.stringify(entries.map(storedEntryOf)), packed: null, decoded: entries }),
  };
}

/** A reader of before columns knows by it that newer code stored the block. */
const IN_COLUMNS = JSON.stringify({ encoding: COLUMNS_ENCODING });

const ENTRY_BYTES = 50;

function sizeOf(entry: LedgerEntry): number {
  if (entry.kind === "void") return sizeOf(entry.event) + entry.reason.length + 6 * ENTRY_BYTES;
  if (entry.kind !== "event") return 2 * ENTRY_BYTES;
  return (
    entry.data.length + entry.tenantId.length + entry.source.length + entry.id.length + entry.type.length + ENTRY_BYTES
  );
}
