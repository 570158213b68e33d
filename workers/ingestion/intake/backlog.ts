import { MetrlyError } from "#kernel/errors.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { USAGE_RECEIVED } from "#schema/topics.js";

export interface BacklogOptions {
  readonly log: Pick<EventLog, "bounds" | "read">;
  readonly partitionCount: number;
  /** Bytes of usage that may wait in the log to be recorded. */
  readonly maxBytes: number;
  /** The offset that each partition records next, by the database. */
  cursors(): Promise<ReadonlyMap<number, number>>;
  /** Where the log is on a disk of this machine: what is free there, and what must be, bytes. */
  readonly disk?: { free(): Promise<number>; readonly minFreeBytes: number } | undefined;
  onError(error: unknown): void;
  readonly everyMs?: number;
}

export interface Backlog {
  /** Throws BUSY while more usage waits to be recorded than may, or the log's disk is nearly full. */
  assertRoom(): void;
  /** Counts what this process has appended since the last look. */
  appended(records: number, bytes: number): void;
  /** About how many bytes wait. */
  bytes(): number;
  /** Looks now. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

const EVERY_MS = 5_000;
/** Once full, usage is taken again when so much of the limit waits. */
const ROOM_FROM = 0.9;
/** Fewer records of this process tell nothing about those of others. */
const ENOUGH_RECORDS = 100;
/** Records of a partition that are looked at otherwise. */
const SAMPLES = 3;

/**
 * Bounds usage that was acknowledged but is not recorded, which a stopped recorder or its database lets grow: in bytes, about. The log
 * tells how many records wait, and those that this process appends how large they are; while the database does not answer, its last
 * cursors count, since nothing is recorded then.
 */
export function followBacklog(options: BacklogOptions): Backlog {
  const { log, partitionCount, maxBytes, disk } = options;
  const own = { records: 0, bytes: 0 };
  let cursors: ReadonlyMap<number, number> = new Map();
  let seen = { bytes: 0, ownBytes: 0 };
  let isFull = false;
  let isDiskFull = false;

  const bytes = (): number => seen.bytes + own.bytes - seen.ownBytes;

  async function look(): Promise<void> {
    if (disk !== undefined) isDiskFull = (await disk.free()) < disk.minFreeBytes;
    cursors = await options.cursors().catch((error: unknown) => {
      options.onError(error);
      return cursors;
    });
    // What is appended from here on may be counted twice until the next look.
    const ownBytes = own.bytes;
    const waiting = await Promise.all(
      Array.from({ length: partitionCount }, async (_, partition) => {
        const { first, next } = await log.bounds(USAGE_RECEIVED, partition);
        return { partition, from: Math.max(first, cursors.get(partition) ?? first), next };
      }),
    );
    const records = waiting.reduce((sum, { from, next }) => sum + Math.max(0, next - from), 0);
    const size = records === 0 ? 0 : await sizeOfRecords(waiting);
    seen = { bytes: records * size, ownBytes };
    isFull = bytes() >= (isFull ? ROOM_FROM : 1) * maxBytes;
  }

  /** On average, bytes. */
  async function sizeOfRecords(
    waiting: readonly { readonly partition: number; readonly from: number; readonly next: number }[],
  ): Promise<number> {
    if (own.records >= ENOUGH_RECORDS) return own.bytes / own.records;
    const sizes: number[] = [];
    for (const { partition, from, next } of waiting)
      for (let sample = 0; sample < Math.min(SAMPLES, next - from); sample += 1) {
        const offset = from + Math.floor(((next - from) * sample) / SAMPLES);
        const [record] = await log.read(USAGE_RECEIVED, partition, offset, 1);
        if (record !== undefined) sizes.push(record.value.length);
      }
    return sizes.length === 0 ? 0 : sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  }

  const looking = repeat({ everyMs: options.everyMs ?? EVERY_MS, run: look, onError: options.onError });
  return {
    bytes,
    look,
    assertRoom() {
      if (isDiskFull)
        throw new MetrlyError("BUSY", "The disk of the event log is nearly full; retry the request later");
      if (!isFull && bytes() < maxBytes) return;
      isFull = true;
      throw new MetrlyError(
        "BUSY",
        "More usage waits to be recorded than may; nothing was accepted, retry the request later",
      );
    },
    appended(records, size) {
      own.records += records;
      own.bytes += size;
    },
    stop: looking.stop,
  };
}
