import type { NewRecord } from "./event-log.js";

export interface GroupLimits {
  readonly maxRecords: number;
  readonly maxBytes: number;
  /** Concurrent writes, 1 by default; with more, concurrent appends may be reordered. */
  readonly writesAtOnce?: number;
}

interface Waiting {
  readonly records: readonly NewRecord[];
  readonly abandoned: AbortSignal;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Group commit: appends to one partition with one write in flight, or a few; appends that arrive meanwhile share the next
 * write, in order of arrival. A single append is never split. An append abandoned before its turn is not written.
 */
export function groupAppends(
  write: (records: readonly NewRecord[]) => Promise<void>,
  limits: GroupLimits,
): (records: readonly NewRecord[], abandoned: AbortSignal) => Promise<void> {
  const waiting: Waiting[] = [];
  const { writesAtOnce = 1 } = limits;
  let writing = 0;

  async function drain(): Promise<void> {
    if (writing >= writesAtOnce) return;
    writing += 1;
    for (let group = takeGroup(waiting, limits); group.length > 0; group = takeGroup(waiting, limits)) {
      try {
        await write(group.flatMap(({ records }) => records));
        for (const one of group) one.resolve();
      } catch (error) {
        for (const one of group) one.reject(error);
      }
    }
    writing -= 1;
  }

  return (records, abandoned) =>
    new Promise((resolve, reject) => {
      waiting.push({ records, abandoned, resolve, reject });
      void drain();
    });
}

function takeGroup(waiting: Waiting[], { maxRecords, maxBytes }: GroupLimits): readonly Waiting[] {
  const group: Waiting[] = [];
  let records = 0;
  let bytes = 0;
  let taken = 0;
  for (const one of waiting) {
    if (!one.abandoned.aborted) {
      records += one.records.length;
      bytes += sizeOf(one.records);
      if (group.length > 0 && (records > maxRecords || bytes > maxBytes)) break;
      group.push(one);
    }
    taken += 1;
  }
  waiting.splice(0, taken);
  return group;
}

/** Bytes of keys and values, with an estimate for the envelope. */
export function sizeOf(records: readonly NewRecord[]): number {
  return records.reduce((sum, { key = "", value }) => sum + value.length + Buffer.byteLength(key) + 64, 0);
}
