import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { usageRecordedV1 } from "#schema/events/usage-recorded.v1.js";
import { packed } from "./rules/pack.js";

/** Entries of one partition with one stamp, as the database keeps them: see the migration for the columns. */
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

/** What is needed of a block to read its entries. */
export type StoredBlock = Pick<LedgerBlock, "first_seq" | "recorded_at_ms" | "tenancy_version" | "entries">;

/** A single entry is read by reading its block, so a block is kept small; one entry over the limit goes alone. */
const BLOCK = { maxBytes: 200_000, maxCount: 2_000 };

/** Cuts what one transaction records, which has one stamp, into blocks. */
export function blocksOf(entries: readonly LedgerEntry[]): LedgerBlock[] {
  return [...packed(entries, sizeOf, BLOCK)].map(blockOf);
}

function blockOf(entries: readonly LedgerEntry[]): LedgerBlock {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("a block has entries");
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
    entries: JSON.stringify(entries.map(storedOf)),
  };
}

/** Without what the block has for all, and for events without names: half the bytes. */
function storedOf(entry: LedgerEntry): unknown {
  if (entry.kind === "event") {
    const { tenantId, source, id, type, time, receivedAt, data } = entry;
    return [tenantId, source, id, type, time, receivedAt, data];
  }
  const { seq: _, recordedAt: __, tenancyVersion: ___, ...own } = entry;
  return own;
}

const StoredEvent = Type.Tuple([
  Type.String(),
  Type.String(),
  Type.String(),
  Type.String(),
  Type.Integer(),
  Type.Integer(),
  Type.String(),
]);
const Stored = Type.Array(Type.Union([StoredEvent, Type.Object({ kind: Type.String() })]), { minItems: 1 });
const stored = TypeCompiler.Compile(Stored);

/** The entries that a block was made of. Throws when it is not one that `blocksOf` made. */
export function entriesOf(block: StoredBlock): LedgerEntry[] {
  const list: unknown = JSON.parse(block.entries);
  if (!stored.Check(list)) throw new TypeError(`the ledger's block at ${block.first_seq} is damaged`);
  return list.map((entry, index) => entryOf(entry, block, block.first_seq + index));
}

function entryOf(
  entry: Static<typeof Stored>[number],
  { recorded_at_ms: recordedAt, tenancy_version: tenancyVersion }: StoredBlock,
  seq: number,
): LedgerEntry {
  const common = { seq, recordedAt, tenancyVersion };
  if (Array.isArray(entry)) {
    const [tenantId, source, id, type, time, receivedAt, data] = entry;
    return { kind: "event", ...common, tenantId, source, id, type, time, receivedAt, data };
  }
  const record = { partition: 0, firstSeq: seq, lastSeq: seq, entries: [{ ...entry, ...common }] };
  const [parsed] = usageRecordedV1.parse(record).entries;
  if (parsed === undefined) throw new TypeError(`the ledger's entry ${seq} is damaged`);
  return parsed;
}

const ENTRY_BYTES = 50;

function sizeOf(entry: LedgerEntry): number {
  if (entry.kind === "void") return sizeOf(entry.event) + entry.reason.length + 6 * ENTRY_BYTES;
  if (entry.kind !== "event") return 2 * ENTRY_BYTES;
  return (
    entry.data.length + entry.tenantId.length + entry.source.length + entry.id.length + entry.type.length + ENTRY_BYTES
  );
}
