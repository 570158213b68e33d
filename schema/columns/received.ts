import { type ReceivedItem, readReceived, type UsageReceived } from "../events/usage-received.v2.js";
import { eventColumns, readEventColumns } from "./events.js";
import { Malformed } from "./malformed.js";
import { isColumns, openRecord, RECEIVED, seal, unseal } from "./sealed.js";

const CONTRACT = "metrly.usage.received.columns";
/** Of a key and of a fingerprint. */
export const DIGEST_BYTES = 16;

/** An item with what identifies it, each as a binary string: 16 characters, of which each is a byte. */
export interface KeyedItem extends ReceivedItem {
  /** Of (tenant, source, id). */
  readonly key: string;
  /** Of (tenant, type, data). */
  readonly fingerprint: string;
}

/** One record of items: at least one. Throws RangeError for a digest of another length. */
export function receivedColumns(keyed: readonly KeyedItem[], tenancyVersion: number): Buffer {
  if (keyed.length === 0) throw new RangeError("a record needs items");
  const { streams, columns } = eventColumns(keyed);
  const digests = keyed.length * DIGEST_BYTES;
  const { record, starts } = openRecord(
    {
      ...{ kind: RECEIVED, tenancyVersion, recordedAt: 0, firstSeq: 0, partition: 0 },
      ...{ events: keyed.length, entries: keyed.length },
    },
    [streams.length, 0, ...columns.lengths, digests, digests],
  );
  streams.copy(record, starts[0]);
  columns.write(record, starts.slice(2));
  writeDigests(
    record,
    starts[9] ?? 0,
    keyed.map(({ key }) => key),
  );
  writeDigests(
    record,
    starts[10] ?? 0,
    keyed.map(({ fingerprint }) => fingerprint),
  );
  return seal(record);
}

function writeDigests(to: Buffer, at: number, digests: readonly string[]): void {
  const all = digests.join("");
  if (all.length !== digests.length * DIGEST_BYTES || digests.some(({ length }) => length !== DIGEST_BYTES))
    throw new RangeError(`a key and a fingerprint have ${DIGEST_BYTES} bytes each`);
  to.write(all, at, "latin1");
}

/**
 * Reads a record of `usage.received` in any encoding. Throws UpgradeRequired for one that newer code wrote, and something else for
 * everything that none of them is.
 */
export function readUsageReceived(record: Buffer): UsageReceived {
  if (!isColumns(record)) return readReceived(record.toString("utf8"));
  const { items, tenancyVersion } = readReceivedColumns(record);
  return { kind: "items", items: items.map(({ key: _, fingerprint: __, ...item }) => item), tenancyVersion };
}

/** Reads a record that `receivedColumns` made. Throws Malformed, SyntaxError, and UpgradeRequired for one of newer code. */
export function readReceivedColumns(record: Buffer): {
  readonly items: readonly KeyedItem[];
  /** The tenants of the items, some repeatedly, and maybe others. */
  readonly tenantIds: readonly string[];
  readonly tenancyVersion: number;
} {
  const { head, sections } = unseal(record, RECEIVED, CONTRACT);
  const { events, entries, tenancyVersion } = head;
  if (events === 0 || entries !== events || head.recordedAt !== 0 || head.firstSeq !== 0 || head.partition !== 0)
    throw new Malformed("a record of items has a head of another kind");
  const [streams = EMPTY, others = EMPTY, ...columns] = sections;
  if (others.length > 0) throw new Malformed("a record of items has other entries");
  const read = readEventColumns(streams, columns, events, CONTRACT);
  const keys = readDigests(columns[7], events);
  const fingerprints = readDigests(columns[8], events);
  const items = new Array<KeyedItem>(events);
  for (let index = 0, at = 0; index < events; index += 1, at += DIGEST_BYTES) {
    const stream = read.streams[read.numbers[index] ?? -1];
    if (stream === undefined) throw new Malformed("an event has no stream");
    const item = {
      tenantId: stream.tenantId,
      source: stream.source,
      id: read.ids[index] ?? "",
      type: stream.type,
      time: read.times[index] ?? 0,
      receivedAt: read.receivedAts[index] ?? 0,
      data: read.data[index] ?? "",
      key: keys.slice(at, at + DIGEST_BYTES),
      fingerprint: fingerprints.slice(at, at + DIGEST_BYTES),
    };
    items[index] = stream.isImported ? { ...item, imported: true } : item;
  }
  return { items, tenantIds: read.streams.map(({ tenantId }) => tenantId), tenancyVersion };
}

const EMPTY = Buffer.alloc(0);

function readDigests(section: Buffer = EMPTY, count: number): string {
  if (section.length !== count * DIGEST_BYTES) throw new Malformed("a record has other keys than items");
  return section.toString("latin1");
}
