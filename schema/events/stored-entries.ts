import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type LedgerEntry, usageRecordedV1 } from "./usage-recorded.v1.js";

/** What the entries of one block of the ledger have in common, and the place of the first. */
export interface StoredStamp {
  readonly firstSeq: number;
  readonly recordedAt: number;
  readonly tenancyVersion: number;
}

/** An entry as a block of the ledger holds it: without what the block has for all, and for events without names, which is half the bytes. */
export function storedEntryOf(entry: LedgerEntry): unknown {
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

/** The entries of a block, from what `storedEntryOf` made of them. Throws TypeError when it is anything else. */
export function storedEntries(stamp: StoredStamp, list: unknown): LedgerEntry[] {
  if (!stored.Check(list)) throw new TypeError(`the ledger's block at ${stamp.firstSeq} is damaged`);
  return list.map((entry, index) => entryOf(entry, stamp, stamp.firstSeq + index));
}

function entryOf(
  entry: Static<typeof Stored>[number],
  { recordedAt, tenancyVersion }: StoredStamp,
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
