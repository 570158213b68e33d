import type { ReceivedItem } from "../events/usage-received.v2.js";
import type { LedgerEntry } from "../events/usage-recorded.v1.js";
import { readEntries, toStored } from "../events/usage-recorded.v1.js";
import { haveOneStamp, readRecorded, type UsageRecorded } from "../events/usage-recorded.v2.js";
import { eventColumns, readEventColumns } from "./events.js";
import { Malformed } from "./malformed.js";
import { isColumns, openRecord, RECORDED, type SealedHead, seal, unseal } from "./sealed.js";
import { readJson } from "./texts.js";

const CONTRACT = "metrly.usage.recorded.columns";

/** A block of the ledger, which is also a record of `usage.recorded`: contiguous entries of one partition with one stamp. */
export interface RecordedColumns {
  readonly partition: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly recordedAt: number;
  readonly tenancyVersion: number;
  readonly entries: readonly LedgerEntry[];
}

/** The bytes of contiguous entries that share a stamp. Throws RangeError when they are not, and when there is no event. */
export function recordedColumns(partition: number, entries: readonly LedgerEntry[]): Buffer {
  const [first] = entries;
  const events: ReceivedItem[] = [];
  const others: [number, unknown][] = [];
  for (const [place, entry] of entries.entries()) {
    // The block has neither the number nor the stamp of each.
    if (first === undefined || entry.seq !== first.seq + place || !haveOneStamp(first, entry))
      throw new RangeError("a block in columns has contiguous entries with one stamp");
    if (entry.kind === "event") events.push(entry);
    else others.push([place, withoutStamp(entry)]);
  }
  if (first === undefined || events.length === 0) throw new RangeError("a block in columns needs an event");
  const { seq: firstSeq, recordedAt, tenancyVersion } = first;
  const { streams, columns } = eventColumns(events);
  const otherTexts = others.length === 0 ? EMPTY : Buffer.from(JSON.stringify(others));
  const { record, starts } = openRecord(
    {
      ...{ kind: RECORDED, partition, firstSeq, recordedAt, tenancyVersion },
      ...{ events: events.length, entries: entries.length },
    },
    [streams.length, otherTexts.length, ...columns.lengths, 0, 0],
  );
  streams.copy(record, starts[0]);
  otherTexts.copy(record, starts[1]);
  columns.write(record, starts.slice(2));
  return seal(record);
}

const EMPTY = Buffer.alloc(0);

function withoutStamp(entry: LedgerEntry): unknown {
  const { seq: _, recordedAt: __, tenancyVersion: ___, ...own } = toStored(entry);
  return own;
}

/**
 * Reads a record of `usage.recorded` in any encoding. Throws UpgradeRequired for one that newer code wrote, and something else for
 * everything that none of them is.
 */
export const readUsageRecorded = (record: Buffer): UsageRecorded =>
  isColumns(record) ? readRecordedColumns(record) : readRecorded(record.toString("utf8"));

/** Reads a record that `recordedColumns` made. Throws Malformed, SyntaxError, and UpgradeRequired for one of newer code. */
export function readRecordedColumns(record: Buffer): RecordedColumns {
  const { head, sections } = unseal(record, RECORDED, CONTRACT);
  const { events, firstSeq, recordedAt, tenancyVersion } = head;
  if (events === 0 || head.entries < events || firstSeq < 1) throw new Malformed("a block has no place or no event");
  const [streams = EMPTY, otherTexts = EMPTY, ...columns] = sections;
  if ((columns[7] ?? EMPTY).length > 0 || (columns[8] ?? EMPTY).length > 0) throw new Malformed("a block has keys");
  const others = readOthers(otherTexts, head);
  const read = readEventColumns(streams, columns, events, CONTRACT);
  const entries: LedgerEntry[] = [];
  let taken = 0;
  for (let index = 0; index < events; index += 1) {
    while (others[taken]?.seq === firstSeq + entries.length) {
      const other = others[taken];
      if (other !== undefined) entries.push(other);
      taken += 1;
    }
    const stream = read.streams[read.numbers[index] ?? -1];
    if (stream === undefined) throw new Malformed("an event has no stream");
    const event = {
      kind: "event" as const,
      seq: firstSeq + entries.length,
      recordedAt,
      tenancyVersion,
      tenantId: stream.tenantId,
      source: stream.source,
      id: read.ids[index] ?? "",
      type: stream.type,
      time: read.times[index] ?? 0,
      receivedAt: read.receivedAts[index] ?? 0,
      data: read.data[index] ?? "",
    };
    entries.push(stream.isImported ? { ...event, imported: true } : event);
  }
  for (const other of others.slice(taken)) {
    if (other.seq !== firstSeq + entries.length) throw new Malformed("an entry has no place in its block");
    entries.push(other);
  }
  const { partition } = head;
  return { partition, firstSeq, lastSeq: firstSeq + entries.length - 1, recordedAt, tenancyVersion, entries };
}

/** Ticks, closes, voids and backfills with their places: JSON, a list of `[place, entry]` in their order. */
function readOthers(section: Buffer, head: SealedHead): readonly LedgerEntry[] {
  const count = head.entries - head.events;
  if (section.length === 0 && count === 0) return [];
  const list = readJson(section);
  if (!Array.isArray(list) || list.length !== count)
    throw new Malformed("a block has other entries than its head says");
  const { firstSeq, recordedAt, tenancyVersion, partition } = head;
  const stamped = list.map((other: unknown) => {
    if (!Array.isArray(other) || other.length !== 2) throw new Malformed("an entry of a block has no place");
    const [place, entry]: unknown[] = other;
    if (typeof entry !== "object" || entry === null) throw new Malformed("an entry of a block is no object");
    return { ...entry, seq: firstSeq + Number(place), recordedAt, tenancyVersion };
  });
  const entries = readEntries({ partition, firstSeq, lastSeq: firstSeq + head.entries - 1, entries: stamped });
  if (entries.some(({ kind }) => kind === "event")) throw new Malformed("an event of a block is not in its columns");
  return entries;
}
