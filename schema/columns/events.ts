import { MAX_INSTANT_MS } from "#kernel/duration.js";
import type { ReceivedItem } from "../events/usage-received.v2.js";
import { columnOf, readColumn, writeColumn } from "./integers.js";
import { Malformed } from "./malformed.js";
import { numberStreams, readStreams, type Stream, streamsText } from "./streams.js";
import { readSection, sectionOf, writeSection } from "./texts.js";

/** The columns of a record's events: where they begin in the order of its sections, after `others`. */
export interface EventColumns {
  readonly lengths: readonly number[];
  write(to: Buffer, starts: readonly number[]): void;
}

/** What a record holds of its events: the streams, then the columns. Throws RangeError for an event without an id or data. */
export function eventColumns(events: readonly ReceivedItem[]): {
  readonly streams: Buffer;
  readonly columns: EventColumns;
} {
  const { streams, numbers } = numberStreams(events);
  const ids = sectionOf(events.map(({ id }) => id));
  const data = sectionOf(events.map((event) => event.data));
  if (ids.lengths.includes(0) || data.lengths.includes(0))
    throw new RangeError("an event in columns needs an id and data");
  const integers = [
    columnOf(numbers),
    columnOf(events.map(({ time }) => time)),
    columnOf(events.map(({ receivedAt }) => receivedAt)),
    columnOf(ids.lengths),
    columnOf(data.lengths),
  ];
  return {
    streams: Buffer.from(streamsText(streams)),
    columns: {
      lengths: [...integers.map(({ bytes }) => bytes), ids.bytes, data.bytes],
      write(to, starts) {
        for (const [index, column] of integers.entries()) writeColumn(to, starts[index] ?? 0, column);
        writeSection(to, starts[integers.length] ?? 0, ids);
        writeSection(to, starts[integers.length + 1] ?? 0, data);
      },
    },
  };
}

/** A record's events in columns: `index` counts from 0. */
export interface ReadEvents {
  readonly streams: readonly Stream[];
  /** The number of each event's stream. */
  readonly numbers: Float64Array;
  readonly times: Float64Array;
  readonly receivedAts: Float64Array;
  readonly ids: readonly string[];
  readonly data: readonly string[];
}

/** Reads the sections that `eventColumns` made. Throws Malformed, SyntaxError and UpgradeRequired. */
export function readEventColumns(
  streamsSection: Buffer,
  [numbers, times, receivedAts, idLengths, dataLengths, ids, data]: readonly Buffer[],
  count: number,
  contract: string,
): ReadEvents {
  const sections = { numbers, times, receivedAts, idLengths, dataLengths, ids, data };
  const section = (name: keyof typeof sections): Buffer => sections[name] ?? Buffer.alloc(0);
  // No text is empty, which bounds the columns of no width, too.
  if (count > section("ids").length || count > section("data").length)
    throw new Malformed("a record has too few texts");
  const streams = readStreams(streamsSection, contract);
  const read = {
    streams,
    numbers: readColumn(section("numbers"), count),
    times: readColumn(section("times"), count),
    receivedAts: readColumn(section("receivedAts"), count),
    ids: readSection(section("ids"), readColumn(section("idLengths"), count)),
    data: readSection(section("data"), readColumn(section("dataLengths"), count)),
  };
  assertBelow(read.numbers, streams.length);
  assertInstants(read.times);
  assertInstants(read.receivedAts);
  return read;
}

function assertBelow(numbers: Float64Array, end: number): void {
  for (const number of numbers)
    if (number < 0 || number >= end) throw new Malformed("an event has a stream that its record does not have");
}

function assertInstants(instants: Float64Array): void {
  for (const instant of instants)
    if (Math.abs(instant) > MAX_INSTANT_MS) throw new Malformed(`${instant} is not an instant`);
}
