import type { LedgerEntry, UsageRecordedV1 } from "#schema/events/usage-recorded.v1.js";
import { packed } from "./rules/pack.js";

const MAX_RECORD_BYTES = 500_000;
export const MAX_ENTRIES_PER_SEND = 5_000;

/** Contiguous entries as records of usage.recorded, each below the broker's limit. */
export function recordsOf(partition: number, entries: readonly LedgerEntry[]): { readonly value: Buffer }[] {
  const groups = packed(entries, sizeOf, { maxBytes: MAX_RECORD_BYTES, maxCount: MAX_ENTRIES_PER_SEND });
  return [...groups].map((group) => ({ value: encode(partition, group) }));
}

const ENVELOPE_BYTES = 300;

function sizeOf(entry: LedgerEntry): number {
  if (entry.kind === "void") return sizeOf(entry.event) + Buffer.byteLength(entry.reason) * 2 + ENVELOPE_BYTES;
  if (entry.kind !== "event") return ENVELOPE_BYTES;
  // Quotes in `data` are escaped in the record, and so may be every other byte of the texts.
  const texts = entry.data.length + entry.tenantId.length + entry.source.length + entry.id.length + entry.type.length;
  return 2 * texts + ENVELOPE_BYTES;
}

function encode(partition: number, entries: readonly LedgerEntry[]): Buffer {
  const firstSeq = entries[0]?.seq ?? 0;
  const record: UsageRecordedV1 = {
    partition,
    firstSeq,
    lastSeq: firstSeq + entries.length - 1,
    entries: [...entries],
  };
  return Buffer.from(JSON.stringify(record));
}
