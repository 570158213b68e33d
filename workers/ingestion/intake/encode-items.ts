import { partitionOf } from "#kernel/partition.js";
import { type KeyedItem, receivedColumns } from "#schema/columns/received.js";
import { quoted } from "#schema/events/packed-data.js";
import { encodeItem, receivedText } from "#schema/events/usage-received.v2.js";
import { packed } from "../rules/pack.js";
import { MAX_ITEMS_PER_STEP } from "../rules/plan-steps.js";

/** An item that waits for the log, and at most how many bytes of a record it takes in any encoding. */
export interface SizedItem {
  readonly item: KeyedItem;
  readonly bytes: number;
}

/** Below the broker's limit of 1 MiB per batch. */
export const MAX_RECORD_BYTES = 700_000;
const LIMITS = { maxBytes: MAX_RECORD_BYTES, maxCount: MAX_ITEMS_PER_STEP };
/** Of an item besides its texts: key, fingerprint, and the widest numbers. */
const NUMBERS_BYTES = 96;
/** Fewer items cost less as text, in time and bytes: columns have a head. */
const MIN_ITEMS_IN_COLUMNS = 16;

/** A request's items by partition. */
export function sizeByPartition(items: readonly KeyedItem[], partitionCount: number): Map<number, SizedItem[]> {
  const byPartition = new Map<number, SizedItem[]>();
  // A request has few different names, and usually one tenant.
  const nameBytes = remembering((name) => Buffer.byteLength(quoted(name)));
  const partition = remembering((tenantId) => partitionOf(tenantId, partitionCount));
  for (const item of items) {
    const names = nameBytes(item.tenantId) + nameBytes(item.source) + nameBytes(item.type);
    const own = Buffer.byteLength(quoted(item.id)) + Buffer.byteLength(item.data);
    const sized = { item, bytes: names + own + NUMBERS_BYTES };
    const of = partition(item.tenantId);
    const existing = byPartition.get(of);
    if (existing === undefined) byPartition.set(of, [sized]);
    else existing.push(sized);
  }
  return byPartition;
}

function remembering(find: (name: string) => number): (name: string) => number {
  const known = new Map<string, number>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const found = find(name);
    known.set(name, found);
    return found;
  };
}

/** The records of these items. `inColumns`: every reader of the log reads columns; otherwise, and when they are few, text. */
export function encodeRecords(
  items: readonly SizedItem[],
  tenancyVersion: number,
  inColumns: boolean,
): { value: Buffer }[] {
  if (inColumns && items.length >= MIN_ITEMS_IN_COLUMNS)
    return recordsOf(items, (group) =>
      receivedColumns(
        group.map(({ item }) => item),
        tenancyVersion,
      ),
    );
  const textOf = (isImported: boolean) => (group: readonly SizedItem[]) =>
    Buffer.from(
      receivedText(
        group.map(({ item }) => encodeItem(item)),
        tenancyVersion,
        isImported,
      ),
    );
  if (!items.some(isImport)) return recordsOf(items, textOf(false));
  const own = items.filter((item) => !isImport(item));
  return [...recordsOf(own, textOf(false)), ...recordsOf(items.filter(isImport), textOf(true))];
}

const isImport = ({ item }: SizedItem): boolean => item.imported === true;

const recordsOf = (items: readonly SizedItem[], encode: (group: readonly SizedItem[]) => Buffer) =>
  [...packed(items, ({ bytes }) => bytes, LIMITS)].map((group) => ({ value: encode(group) }));
