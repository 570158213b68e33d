import { MetrlyError } from "#kernel/errors.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { randomFraction } from "#platform/lifecycle/random.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { MAX_RECORD_BYTES } from "./encode-items.js";

export interface BacklogOptions {
  readonly log: Pick<EventLog, "bounds" | "read">;
  readonly partitionCount: number;
  /** Bytes of usage that may wait in the log to be recorded. */
  readonly maxBytes: number;
  /** The offset that each partition records next, by the database. */
  cursors(): Promise<ReadonlyMap<number, number>>;
  /** Where the log is on a disk of this machine: what is free there, and what must be beside what recording will take, bytes. */
  readonly disk?: { free(): Promise<number>; readonly minFreeBytes: number } | undefined;
  onError(error: unknown): void;
  readonly everyMs?: number;
}

export interface Backlog {
  /** Throws BUSY while more usage waits to be recorded than may, or the log's disk is nearly full. */
  assertRoom(): void;
  /** Counts what this process has appended since the last look. */
  appended(bytes: number): void;
  /** About how many bytes wait. */
  bytes(): number;
  /** Looks now. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

const EVERY_MS = 5_000;
/** Once full, usage is taken again when so much of the limit waits. */
const ROOM_FROM = 0.9;
/** Records of a partition that are looked at, of those that came since the last look. */
const SAMPLES = 3;
/** What recording takes of the disk, times what waits: it is in the ledger then, and in the log once more. */
const RECORDING_TAKES = 2;

/** What waits in a partition: the records from one offset to another. */
interface Waiting {
  readonly partition: number;
  readonly from: number;
  readonly next: number;
}

/**
 * Bounds usage that was acknowledged but is not recorded, which a stopped recorder or its database lets grow: in bytes, about. The log
 * tells how many records wait, and some of them how large they are: senders choose that, from a few bytes to `MAX_RECORD_BYTES`, so each
 * record counts with others of its partition and of the same seconds. While the database does not answer, its last cursors count, since
 * nothing is recorded then.
 */
export function followBacklog(options: BacklogOptions): Backlog {
  const { log, partitionCount, maxBytes, disk } = options;
  let own = 0;
  let cursors: ReadonlyMap<number, number> = new Map();
  /** By partition; empty while so little waits that it cannot be full. */
  let measured: ReadonlyMap<number, Waiting & { readonly bytes: number }> = new Map();
  let seen = { bytes: 0, own: 0 };
  let isFull = false;
  let isDiskFull = false;

  const bytes = (): number => seen.bytes + own - seen.own;

  async function look(): Promise<void> {
    const free = await disk?.free().catch((error: unknown) => {
      options.onError(error);
      return undefined;
    });
    cursors = await options.cursors().catch((error: unknown) => {
      options.onError(error);
      return cursors;
    });
    // What is appended from here on may be counted twice until the next look.
    const ownBefore = own;
    const waiting = await Promise.all(
      Array.from({ length: partitionCount }, async (_, partition): Promise<Waiting> => {
        const { first, next } = await log.bounds(USAGE_RECEIVED, partition);
        return { partition, from: Math.min(next, Math.max(first, cursors.get(partition) ?? first)), next };
      }),
    );
    const room = disk === undefined || free === undefined ? maxBytes : Math.min(maxBytes, recordable(free, disk));
    seen = { bytes: await sizeOfAll(waiting, room), own: ownBefore };
    isFull = bytes() >= (isFull ? ROOM_FROM : 1) * maxBytes;
    if (disk !== undefined && free !== undefined) isDiskFull = recordable(free, disk) < bytes();
  }

  /** `room`: what may wait. So little that it cannot be more is not worth more than a guess. */
  async function sizeOfAll(waiting: readonly Waiting[], room: number): Promise<number> {
    const records = waiting.reduce((sum, one) => sum + countOf(one), 0);
    if (records * MAX_RECORD_BYTES < room) {
      measured = new Map();
      return records * (await sizeOf(waiting));
    }
    const sizes = await Promise.all(waiting.map(async (one) => ({ ...one, bytes: await measure(one) })));
    measured = new Map(sizes.map((one) => [one.partition, one]));
    return sizes.reduce((sum, one) => sum + one.bytes, 0);
  }

  /** What waited at the last look and still does had that look's average size. */
  async function measure(waiting: Waiting): Promise<number> {
    const { partition, from, next } = waiting;
    const before = measured.get(partition);
    // Otherwise it is another log, or somebody has set the cursor back.
    const isLater = before !== undefined && before.from <= from && before.next <= next;
    const isLeft = isLater && before.next > from;
    const added = { partition, from: isLeft ? before.next : from, next };
    const left = isLeft ? (before.bytes * (before.next - from)) / countOf(before) : 0;
    return left + countOf(added) * (await sizeOf([added]));
  }

  /** Of a record there, on average, bytes. */
  async function sizeOf(waiting: readonly Waiting[]): Promise<number> {
    const part = waiting.reduce((sum, one) => sum + countOf(one), 0) / SAMPLES;
    const sizes: number[] = [];
    for (let sample = 0; sample < SAMPLES && part > 0; sample += 1) {
      let nth = Math.floor((sample + randomFraction()) * part);
      const among = waiting.find((one) => {
        if (nth < countOf(one)) return true;
        nth -= countOf(one);
        return false;
      });
      if (among === undefined) continue;
      const [record] = await log.read(USAGE_RECEIVED, among.partition, among.from + nth, 1);
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
    appended(size) {
      own += size;
    },
    stop: looking.stop,
  };
}

const countOf = ({ from, next }: Waiting): number => next - from;

/** How many bytes may wait that there is space to record. */
const recordable = (free: number, { minFreeBytes }: { readonly minFreeBytes: number }): number =>
  (free - minFreeBytes) / RECORDING_TAKES;
