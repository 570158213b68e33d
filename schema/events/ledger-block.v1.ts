import { type Static, Type } from "@sinclair/typebox";
import { isJsonObject } from "#kernel/json.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { contract, epochMs } from "./contract.js";
import { type LedgerEntry, readEntries, toStored } from "./usage-recorded.v1.js";

/** The stamp that the entries of one ledger block share, and the position of the first. */
export interface StoredStamp {
  readonly firstSeq: number;
  readonly recordedAt: number;
  readonly tenancyVersion: number;
}

/**
 * An entry as stored in a ledger block: without the block's stamp, and for events without member names, which halves the bytes.
 */
export function storedEntryOf(entry: LedgerEntry): unknown {
  if (entry.kind === "event" && !entry.imported) {
    const { tenantId, source, id, type, time, receivedAt, data } = entry;
    return [tenantId, source, id, type, time, receivedAt, data];
  }
  const { seq: _, recordedAt: __, tenancyVersion: ___, ...own } = toStored(entry);
  return own;
}

const text = Type.String();
/** Tenant, source, id, type, time, received at, data. */
const StoredEvent = Type.Tuple([text, text, text, text, epochMs, epochMs, text]);
const schema = Type.Array(Type.Union([StoredEvent, Type.Object({ kind: Type.String() })]), { minItems: 1 });

export const ledgerBlockV1 = contract("metrly.ledger.block.v1", schema, [
  ["acme", "api-gateway", "req-1", "api.request", 1_790_000_000_000, 1_790_000_000_120, '{"tokens":"12"}'],
  { kind: "tick" },
]);

/**
 * The entries of a block, from what `storedEntryOf` made of them. A block in another encoding is an object that names it in
 * `encoding`. Throws UpgradeRequired when newer code stored the block, ContractViolation when it is damaged.
 */
export function storedEntries(stamp: StoredStamp, list: unknown): LedgerEntry[] {
  if (isJsonObject(list) && typeof list.encoding === "string")
    throw new UpgradeRequired({ contract: ledgerBlockV1.type, set: "encoding", member: list.encoding });
  return ledgerBlockV1.parse(list).map((entry, index) => entryOf(entry, stamp, stamp.firstSeq + index));
}

function entryOf(
  entry: Static<typeof schema>[number],
  { recordedAt, tenancyVersion }: StoredStamp,
  seq: number,
): LedgerEntry {
  if (Array.isArray(entry)) {
    const [tenantId, source, id, type, time, receivedAt, data] = entry;
    return { kind: "event", seq, recordedAt, tenancyVersion, tenantId, source, id, type, time, receivedAt, data };
  }
  const stamped = { ...entry, seq, recordedAt, tenancyVersion };
  const record = { partition: 0, firstSeq: seq, lastSeq: seq, entries: [stamped] };
  const [parsed] = readEntries(record);
  if (parsed === undefined) throw new TypeError(`the ledger's entry ${seq} is damaged`);
  return parsed;
}
