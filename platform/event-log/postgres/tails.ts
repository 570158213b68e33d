import type { LogRecord } from "../event-log.js";

/** Of all partitions together. */
const MAX_BYTES = 8 << 20;
/** Of a record besides its value. */
const RECORD_BYTES = 200;

/** The newest records that this process appended, by the places of their partitions: its own consumers need not read them. */
export interface Tails {
  /** Takes stored records with ascending offsets; those of a place that are not contiguous with them are forgotten. */
  add(place: string, records: readonly LogRecord[]): void;
  /** The records from this offset on, at most so many; the first one whatever its size. Empty: they must be read. */
  from(place: string, offset: number, maxRecords: number, maxBytes: number): readonly LogRecord[];
  /** Whether the last record that this process appended there is the one before this offset. */
  isEnd(place: string, offset: number): boolean;
  /** The records below this offset are no longer in the log. */
  trim(place: string, before: number): void;
  /** After a failure, of which it is not known what it did to the log. */
  forget(): void;
}

interface Chunk {
  readonly place: string;
  readonly records: readonly LogRecord[];
  readonly bytes: number;
}

/** Holds at most `maxBytes`; the oldest records of whichever partition go first. */
export function createTails(maxBytes = MAX_BYTES): Tails {
  const byPlace = new Map<string, Chunk[]>();
  /** In the order of their appends, with those that are forgotten. */
  let all: Chunk[] = [];
  let bytes = 0;

  function endOf(place: string): number | undefined {
    const last = byPlace.get(place)?.at(-1)?.records.at(-1);
    return last && last.offset + 1;
  }

  function dropOldest(): void {
    const oldest = all.shift();
    if (oldest === undefined) return;
    bytes -= oldest.bytes;
    const ofPlace = byPlace.get(oldest.place);
    // What was forgotten is no longer among its place's.
    if (ofPlace?.[0] === oldest) ofPlace.shift();
  }

  return {
    add(place, records) {
      const [first] = records;
      if (first === undefined) return;
      if (endOf(place) !== first.offset) byPlace.set(place, []);
      const chunk = { place, records, bytes: records.reduce((sum, { value }) => sum + value.length + RECORD_BYTES, 0) };
      byPlace.get(place)?.push(chunk);
      all.push(chunk);
      bytes += chunk.bytes;
      while (bytes > maxBytes && all.length > 1) dropOldest();
    },
    from(place, offset, maxRecords, maxBytes) {
      const found: LogRecord[] = [];
      let size = 0;
      for (const { records } of byPlace.get(place) ?? []) {
        const [first] = records;
        const last = records.at(-1);
        if (first === undefined || last === undefined || last.offset < offset) continue;
        // Before the first of them: the database may have more.
        if (found.length === 0 && first.offset > offset) return [];
        for (const record of records) {
          if (record.offset < offset) continue;
          if (found.length > 0 && (found.length >= maxRecords || size + record.value.length > maxBytes)) return found;
          found.push(record);
          size += record.value.length;
        }
      }
      return found;
    },
    trim(place, before) {
      const kept = byPlace.get(place)?.filter(({ records }) => (records[0]?.offset ?? 0) >= before);
      if (kept !== undefined) byPlace.set(place, kept);
    },
    isEnd: (place, offset) => endOf(place) === offset,
    forget() {
      byPlace.clear();
      all = [];
      bytes = 0;
    },
  };
}
