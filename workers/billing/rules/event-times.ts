/** Bytes of an event's time in a delta: ms since the start of the delta's hour, big-endian. */
const BYTES = 3;

/** The times of a delta's events as stored, from ms since the start of its hour; null: fewer than two, of which `lastEventAt` says all. */
export const packTimes = (offsets: readonly number[]): Buffer | null => (offsets.length < 2 ? null : packed(offsets));

/** The same of any number of events. */
export function packed(offsets: readonly number[]): Buffer {
  const times = Buffer.allocUnsafe(offsets.length * BYTES);
  let at = 0;
  // By hand, not by `writeUIntBE`: this runs for every event and each of its meters.
  for (const offset of offsets) {
    times[at] = offset >> 16;
    times[at + 1] = offset >> 8;
    times[at + 2] = offset;
    at += BYTES;
  }
  return times;
}

export const countOf = (times: Buffer): number => times.length / BYTES;

/** The last of some times as stored; 0: there are none. */
export function lastOf(times: Buffer): number {
  let last = 0;
  for (let at = 0; at < times.length; at += BYTES) last = Math.max(last, times.readUIntBE(at, BYTES));
  return last;
}

/** Times of retracted events, each of which cancels one event of the same time. */
export function createRetracted() {
  const left = new Map<number, number>();
  return {
    /** As stored. */
    add(times: Buffer): void {
      for (const time of storedTimes(times)) left.set(time, (left.get(time) ?? 0) + 1);
    },
    /** Those of `times`, as stored, that it does not cancel, in their order. */
    cancel(times: Buffer): Buffer {
      return packed([...storedTimes(times)].filter((time) => !cancels(left, time)));
    },
  };
}

/** What is known of the events of one cell and hour, of which some were voided. Times are ms since the start of the hour. */
export interface EventsOfHour {
  /** One that is there and was not voided; null: none is known. */
  readonly known: number | null;
  /** Deltas whose last event may be voided, later than `known`. */
  readonly deltas: readonly {
    readonly last: number;
    readonly count: number;
    /** As stored; null: all are at `last`. */
    readonly times: Buffer | null;
  }[];
  /** One per void, later than `known`. */
  readonly voided: readonly number[];
}

/** The time of the last event that was not voided; undefined: none is left. */
export function lastRemaining({ known, deltas, voided }: EventsOfHour): number | undefined {
  const left = countsOf(voided);
  let last = known ?? Number.NEGATIVE_INFINITY;
  for (const delta of deltas) for (const time of timesOf(delta)) if (!cancels(left, time) && time > last) last = time;
  return last === Number.NEGATIVE_INFINITY ? undefined : last;
}

function* timesOf({ last, count, times }: EventsOfHour["deltas"][number]): Generator<number> {
  if (times === null) for (let n = 0; n < count; n += 1) yield last;
  else yield* storedTimes(times);
}

function* storedTimes(times: Buffer): Generator<number> {
  for (let at = 0; at < times.length; at += BYTES) yield times.readUIntBE(at, BYTES);
}

function countsOf(times: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const time of times) counts.set(time, (counts.get(time) ?? 0) + 1);
  return counts;
}

/** Whether one of `left` is this event's; it is used up. */
function cancels(left: Map<number, number>, time: number): boolean {
  const count = left.get(time) ?? 0;
  if (count > 0) left.set(time, count - 1);
  return count > 0;
}
