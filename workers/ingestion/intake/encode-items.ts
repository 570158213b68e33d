import { partitionOf } from "#kernel/partition.js";
import { type KeyedItem, receivedColumns } from "#schema/columns/received.js";
import { type EncodedItem, encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import { eventDigest, fingerprintDigest } from "../rules/fingerprint.js";
import { packed } from "../rules/pack.js";
import { MAX_ITEMS_PER_STEP } from "../rules/plan-steps.js";

/** An item that is ready for a record, and at most how many bytes of it it takes. */
export type SizedItem = TextItem | ColumnsItem;

interface TextItem extends EncodedItem {
  readonly kind: "text" | "imported text";
  readonly bytes: number;
}

interface ColumnsItem extends KeyedItem {
  readonly kind: "columns";
  readonly bytes: number;
}

/** Below the broker's limit of 1 MiB per batch. */
export const MAX_RECORD_BYTES = 700_000;
const LIMITS = { maxBytes: MAX_RECORD_BYTES, maxCount: MAX_ITEMS_PER_STEP };

/** A request's items by partition. `inColumns`: every reader of the log reads columns. */
export function encodeByPartition(
  items: readonly ReceivedItem[],
  partitionCount: number,
  inColumns: boolean,
): Map<number, SizedItem[]> {
  const byPartition = new Map<number, SizedItem[]>();
  let last: ReceivedItem | undefined;
  let partition = 0;
  for (const item of items) {
    // Consecutive items usually share a tenant, so cache the last lookup.
    if (item.tenantId !== last?.tenantId) partition = partitionOf(item.tenantId, partitionCount);
    const encoded = inColumns ? columnsItem(item, last) : textItem(item);
    last = item;
    const existing = byPartition.get(partition);
    if (existing === undefined) byPartition.set(partition, [encoded]);
    else existing.push(encoded);
  }
  return byPartition;
}

function textItem(item: ReceivedItem): TextItem {
  const { head, data } = encodeItem(item);
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(data) + 1;
  return { kind: item.imported ? "imported text" : "text", head, data, bytes };
}

/** Key, fingerprint, and the widest numbers. */
const WIDEST_BYTES = 2 * 16 + 5 * 8;
/** Of a stream in its record's list, without its names. */
const STREAM_BYTES = 20;

function columnsItem(item: ReceivedItem, before: ReceivedItem | undefined): ColumnsItem {
  const { tenantId, source, id, type, time, receivedAt, data } = item;
  const isOfStream = before?.tenantId === tenantId && before.source === source && before.type === type;
  const ofStream = isOfStream ? 0 : STREAM_BYTES + jsonBytes(tenantId) + jsonBytes(source) + jsonBytes(type);
  const sized = {
    kind: "columns" as const,
    bytes: Buffer.byteLength(id) + Buffer.byteLength(data) + WIDEST_BYTES + ofStream,
    ...{ tenantId, source, id, type, time, receivedAt, data },
    key: eventDigest(tenantId, source, id),
    fingerprint: fingerprintDigest(tenantId, type, data),
  };
  return item.imported ? { ...sized, imported: true } : sized;
}

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text));

/** The records of these items: each encoding's in their order. */
export function encodeRecords(items: readonly SizedItem[], tenancyVersion: number): { value: Buffer }[] {
  const texts: TextItem[] = [];
  const imports: TextItem[] = [];
  const columns: ColumnsItem[] = [];
  for (const item of items) {
    if (item.kind === "columns") columns.push(item);
    else (item.kind === "text" ? texts : imports).push(item);
  }
  const textOf = (isImported: boolean) => (group: readonly TextItem[]) =>
    Buffer.from(receivedText(group, tenancyVersion, isImported));
  return [
    ...recordsOf(texts, textOf(false)),
    ...recordsOf(imports, textOf(true)),
    ...recordsOf(columns, (group) => receivedColumns(group, tenancyVersion)),
  ];
}

const recordsOf = <T extends SizedItem>(items: readonly T[], encode: (group: readonly T[]) => Buffer) =>
  [...packed(items, ({ bytes }) => bytes, LIMITS)].map((group) => ({ value: encode(group) }));
