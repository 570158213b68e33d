import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { haveOneStamp, recordedText } from "#schema/events/usage-recorded.v2.js";
import { packed } from "../rules/pack.js";
import type { StoredRange } from "../store/ledger.js";
import { entriesOf } from "../store/ledger-block.js";

const MAX_RECORD_BYTES = 500_000;
export const MAX_ENTRIES_PER_SEND = 5_000;

/**
 * Contiguous blocks as records of usage.recorded, each below the broker's limit: a block in columns is a record as it is, if every
 * reader reads it and it is not too large: JSON may write six bytes for one that counts in a block.
 */
export function recordsOfBlocks(
  partition: number,
  blocks: readonly StoredRange[],
  inColumns: boolean,
): { readonly value: Buffer }[] {
  const records: { readonly value: Buffer }[] = [];
  let texts: LedgerEntry[] = [];
  for (const block of blocks) {
    if (block.packed === null || !inColumns || block.packed.length > MAX_RECORD_BYTES) {
      for (const entry of entriesOf(block)) texts.push(entry);
      continue;
    }
    records.push(...recordsOf(partition, texts), { value: block.packed });
    texts = [];
  }
  records.push(...recordsOf(partition, texts));
  return records;
}

/** Contiguous entries as text records of usage.recorded, each below the broker's limit. */
export function recordsOf(partition: number, entries: readonly LedgerEntry[]): { readonly value: Buffer }[] {
  const limits = { maxBytes: MAX_RECORD_BYTES, maxCount: MAX_ENTRIES_PER_SEND };
  return [...runsOfOneStamp(entries)]
    .flatMap((run) => [...packed(run, sizeOf, limits)])
    .map((group) => ({ value: Buffer.from(recordedText(partition, group)) }));
}

function* runsOfOneStamp(entries: readonly LedgerEntry[]): Generator<readonly LedgerEntry[]> {
  let from = 0;
  for (const [index, entry] of entries.entries()) {
    const next = entries[index + 1];
    if (next !== undefined && haveOneStamp(entry, next)) continue;
    yield entries.slice(from, index + 1);
    from = index + 1;
  }
}

const ENVELOPE_BYTES = 300;
const EVENT_BYTES = 60;

function sizeOf(entry: LedgerEntry): number {
  if (entry.kind === "void") return 2 * sizeOf(entry.event) + Buffer.byteLength(entry.reason) * 2 + ENVELOPE_BYTES;
  if (entry.kind !== "event") return ENVELOPE_BYTES;
  // Every byte of the texts may be escaped in the record, and a character of the data takes up to three.
  const names = entry.tenantId.length + entry.source.length + entry.id.length + entry.type.length;
  return 3 * entry.data.length + 6 * names + EVENT_BYTES;
}
