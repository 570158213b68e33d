import { Type } from "@sinclair/typebox";
import { contract, epochMs } from "./contract.js";
import { refuseOtherEncoding } from "./growing.js";
import { type PackedData, packData, quoted, unpackData } from "./packed-data.js";
import { type ControlRecord, usageReceivedV1 } from "./usage-received.v1.js";

/** A usage event as accepted by the edge. */
export interface ReceivedItem {
  readonly tenantId: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  /** When the usage happened, epoch ms. */
  readonly time: number;
  /** When the edge accepted it, epoch ms. */
  readonly receivedAt: number;
  /** The CloudEvents `data` as canonical JSON text (RFC 8785): covered by the fingerprint, stored in the ledger. */
  readonly data: string;
  /** The sender imported it (`?import=true`). */
  readonly imported?: true;
}

/** One record of `usage.received`, of any version. */
export type UsageReceived = Items | ControlRecord;

interface Items {
  readonly kind: "items";
  readonly items: readonly ReceivedItem[];
  /** The tenancy version that the edge had applied: the recorder stamps the items with it or a later one. */
  readonly tenancyVersion: number;
}

const text = Type.String({ minLength: 1 });
/** Tenant, source, id, type, time, received at, and the length of its data (UTF-16 code units). */
const Item = Type.Tuple([text, text, text, text, epochMs, epochMs, Type.Integer({ minimum: 0 })]);
/** The head of a record of many items, followed by their data (`packed-data.ts`). Control records have version 1. */
const schema = Type.Object({
  kind: Type.Literal("items"),
  tenancyVersion: Type.Integer({ minimum: 0 }),
  items: Type.Array(Item, { minItems: 1 }),
});

export const usageReceivedV2 = contract("metrly.usage.received.v2", schema, {
  kind: "items",
  tenancyVersion: 17,
  items: [["acme", "api-gateway", "req-1", "api.request", 1_790_000_000_000, 1_790_000_000_120, 35]],
});

/** An item to be put into a record. */
export interface EncodedItem {
  readonly head: string;
  readonly data: string;
}

export function encodeItem({ tenantId, source, id, type, time, receivedAt, data }: ReceivedItem): EncodedItem {
  const names = `${quoted(tenantId)},${quoted(source)},${quoted(id)},${quoted(type)}`;
  return { head: `[${names},${time},${receivedAt},${data.length}]`, data };
}

/** The first character of a record of imported items: an older reader waits for its upgrade. */
const IMPORTED = "\u0001";

/** The text of one record of at least one item, which are all imported or none. */
export function receivedText(items: readonly EncodedItem[], tenancyVersion: number, imported = false): string {
  const heads = items.map(({ head }) => head).join(",");
  const text = packData(
    `{"kind":"items","tenancyVersion":${tenancyVersion},"items":[${heads}]}`,
    items.map(({ data }) => data),
  );
  return imported ? IMPORTED + text : text;
}

/**
 * Reads a record of either version. Throws UpgradeRequired for one that newer code wrote, and something else for everything
 * that none of them is.
 */
export function readReceived(recordText: string): UsageReceived {
  if (recordText.startsWith(IMPORTED)) return importedItems(recordText.slice(IMPORTED.length));
  refuseOtherEncoding(usageReceivedV2.type, recordText);
  const packed = unpackData(recordText);
  return packed === undefined ? upcast(JSON.parse(recordText)) : packedItems(packed);
}

function packedItems(packed: PackedData): Items {
  const { items, tenancyVersion } = usageReceivedV2.parse(JSON.parse(packed.head));
  const read = items.map(([tenantId, source, id, type, time, receivedAt, length]) => {
    const data = packed.take(length);
    return { tenantId, source, id, type, time, receivedAt, data };
  });
  packed.end();
  return { kind: "items", items: read, tenancyVersion };
}

function importedItems(text: string): Items {
  const packed = unpackData(text);
  if (packed === undefined) throw new TypeError("a record of imported items is packed");
  const { items, ...record } = packedItems(packed);
  return { ...record, items: items.map((item) => ({ ...item, imported: true as const })) };
}

/** Version 1 fingerprints are recomputed: one that disagrees with its data would go unnoticed. */
function upcast(value: unknown): UsageReceived {
  const record = usageReceivedV1.parse(value);
  if (record.kind !== "items") return record;
  const items = record.items.map(({ fingerprint: _, ...item }) => item);
  return { kind: "items", items, tenancyVersion: record.tenancyVersion ?? 0 };
}
