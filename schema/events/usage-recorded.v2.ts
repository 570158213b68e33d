import { Type } from "@sinclair/typebox";
import { contract, epochMs, seq } from "./contract.js";
import { refuseOtherEncoding } from "./growing.js";
import { packData, quoted, unpackData } from "./packed-data.js";
import {
  fromStored,
  type LedgerEntry,
  type RecordedEvent,
  readEntries,
  toStored,
  usageRecordedV1,
} from "./usage-recorded.v1.js";

/** One record of `usage.recorded`, of any version: contiguous entries of one partition. */
export interface UsageRecorded {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly entries: readonly LedgerEntry[];
}

const text = Type.String();
/** Tenant, source, id, type, time, received at, and the length of its data (UTF-16 code units). */
const Event = Type.Tuple([text, text, text, text, epochMs, epochMs, Type.Integer({ minimum: 0 })]);
/** An entry of another kind, without the record's shared stamp. */
const Other = Type.Unsafe<{ readonly kind: string; readonly [name: string]: unknown }>(
  Type.Object({ kind: Type.String() }),
);
/** The head of a record whose entries share one stamp, followed by the events' data (`packed-data.ts`). */
const schema = Type.Object({
  partition: Type.Integer({ minimum: 0 }),
  firstSeq: seq,
  recordedAt: epochMs,
  tenancyVersion: Type.Integer({ minimum: 0 }),
  entries: Type.Array(Type.Union([Event, Other]), { minItems: 1 }),
});

export const usageRecordedV2 = contract("metrly.usage.recorded.v2", schema, {
  partition: 3,
  firstSeq: 41,
  recordedAt: 1_790_000_000_300,
  tenancyVersion: 17,
  entries: [
    ["acme", "api-gateway", "req-1", "api.request", 1_790_000_000_000, 1_790_000_000_120, 35],
    { kind: "tick", at: 1_790_000_000_290 },
  ],
});

/** Whether two entries may share a record. */
export function haveOneStamp(a: LedgerEntry, b: LedgerEntry): boolean {
  return a.recordedAt === b.recordedAt && a.tenancyVersion === b.tenancyVersion;
}

/** The text of one record. Its entries are contiguous and share one stamp. Throws RangeError when there are none. */
export function recordedText(partition: number, entries: readonly LedgerEntry[]): string {
  const [first] = entries;
  if (first === undefined) throw new RangeError("a record needs entries");
  const { seq: firstSeq, recordedAt, tenancyVersion } = first;
  const heads: string[] = [];
  const data: string[] = [];
  for (const entry of entries) {
    if (entry.kind !== "event" || entry.imported) {
      const { seq: _, recordedAt: __, tenancyVersion: ___, ...own } = toStored(entry);
      heads.push(JSON.stringify(own));
      continue;
    }
    heads.push(eventHead(entry));
    data.push(entry.data);
  }
  const stamp = `"recordedAt":${recordedAt},"tenancyVersion":${tenancyVersion}`;
  return packData(`{"partition":${partition},"firstSeq":${firstSeq},${stamp},"entries":[${heads.join(",")}]}`, data);
}

function eventHead({ tenantId, source, id, type, time, receivedAt, data }: RecordedEvent): string {
  return `[${quoted(tenantId)},${quoted(source)},${quoted(id)},${quoted(type)},${time},${receivedAt},${data.length}]`;
}

/**
 * Reads a record of either version. Throws UpgradeRequired for one that newer code wrote, and something else for everything
 * that none of them is.
 */
export function readRecorded(recordText: string): UsageRecorded {
  refuseOtherEncoding(usageRecordedV2.type, recordText);
  const packed = unpackData(recordText);
  if (packed === undefined) return fromText(JSON.parse(recordText));
  const { partition, firstSeq, recordedAt, tenancyVersion, entries } = usageRecordedV2.parse(JSON.parse(packed.head));
  const read = entries.map((entry, index): LedgerEntry => {
    const seq = firstSeq + index;
    if (!Array.isArray(entry)) {
      const stamped = { ...entry, seq, recordedAt, tenancyVersion };
      return otherEntry(partition, stamped);
    }
    const [tenantId, source, id, type, time, receivedAt, length] = entry;
    const data = packed.take(length);
    // No spread: of an object with instants it costs microseconds.
    return { kind: "event", seq, recordedAt, tenancyVersion, tenantId, source, id, type, time, receivedAt, data };
  });
  packed.end();
  return { firstSeq, lastSeq: firstSeq + entries.length - 1, entries: read };
}

function fromText(value: unknown): UsageRecorded {
  const record = usageRecordedV1.parse(value);
  return { ...record, entries: record.entries.map(fromStored) };
}

/** Imports, ticks, closes, voids and backfills are few: version 1 validates their members. */
function otherEntry(partition: number, entry: { readonly seq: number }): LedgerEntry {
  const { seq } = entry;
  const [parsed] = readEntries({ partition, firstSeq: seq, lastSeq: seq, entries: [entry] });
  if (parsed === undefined || (parsed.kind === "event" && !parsed.imported))
    throw new TypeError(`the entry ${seq} is not valid outside a batch`);
  return parsed;
}
