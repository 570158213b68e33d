import { MetrlyError } from "#kernel/errors.js";
import { hourOf } from "#kernel/period.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { readUsageReceived } from "#schema/columns/received.js";
import { USAGE_RECEIVED } from "#schema/topics.js";

/** Items of one tenant that arrived in hours that start in [from, to), epoch ms. */
export interface TailQuestion {
  readonly tenantId: string;
  readonly from: number;
  readonly to: number;
}

export type LogTail = ReturnType<typeof createLogTail>;

/** Above this lag, counting the tail would cost too much. */
const MAX_TAIL_BYTES = 64 << 20;
const RECORDS_PER_READ = 500;

/** The items of one record, by tenant and hour of arrival. */
type Summary = ReadonlyMap<string, ReadonlyMap<number, number>>;

interface Tail {
  /** Offset of the first summary. */
  from: number;
  summaries: { readonly summary: Summary; readonly bytes: number }[];
  bytes: number;
}

/**
 * Counts items that the recorder has not read. Summaries of read records are cached until recorded, so that repeated queries do
 * not slow down a recorder that lags.
 */
export function createLogTail(log: Pick<EventLog, "bounds" | "read">) {
  const tails = new Map<number, Tail>();
  const reading = new Map<number, Promise<unknown>>();
  /** Single-flight: queued reads that concurrent callers share. */
  const queued = new Map<number, { readonly next: number; readonly tail: Promise<Tail | "trimmed"> }>();

  async function catchUp(partition: number, next: number): Promise<Tail | "trimmed"> {
    const end = (await log.bounds(USAGE_RECEIVED, partition)).next;
    const tail = keepFrom(tails.get(partition), next);
    tails.set(partition, tail);
    for (let offset = endOf(tail); offset < end; offset = endOf(tail)) {
      if (tail.bytes > MAX_TAIL_BYTES)
        throw new MetrlyError("UNAVAILABLE", "Recording lags too far behind to count items in flight; try again later");
      const records = await log.read(USAGE_RECEIVED, partition, offset, RECORDS_PER_READ);
      if (records[0]?.offset !== offset) return "trimmed";
      for (const { value } of records) {
        tail.summaries.push({ summary: summaryOf(value), bytes: value.length });
        tail.bytes += value.length;
      }
    }
    return tail;
  }

  /** One reader per partition at a time: the second reuses what the first has read. */
  function caughtUp(partition: number, next: number): Promise<Tail | "trimmed"> {
    const waiting = queued.get(partition);
    if (waiting?.next === next) return waiting.tail;
    const before = reading.get(partition) ?? Promise.resolve();
    const begin = () => {
      if (queued.get(partition) === mine) queued.delete(partition);
      return catchUp(partition, next);
    };
    const mine = { next, tail: before.then(begin, begin) };
    queued.set(partition, mine);
    reading.set(partition, mine.tail);
    return mine.tail;
  }

  return {
    /**
     * The number of such items in usage.received from offset `next` to its end; "trimmed": a part was deleted. Throws
     * UNAVAILABLE when the tail is too long to count.
     */
    async count(partition: number, next: number, question: TailQuestion): Promise<number | "trimmed"> {
      const tail = await caughtUp(partition, next);
      return tail === "trimmed" ? tail : countIn(tail, question);
    },
  };
}

const endOf = (tail: Tail): number => tail.from + tail.summaries.length;

/** The tail without recorded records; a new one when the old one starts too late or has a gap before `next`. */
function keepFrom(tail: Tail | undefined, next: number): Tail {
  if (tail === undefined || next < tail.from || next > endOf(tail)) return { from: next, summaries: [], bytes: 0 };
  for (const { bytes } of tail.summaries.splice(0, next - tail.from)) tail.bytes -= bytes;
  tail.from = next;
  return tail;
}

/** A poison record has no items: the recorder sets it aside and counts nothing either. */
function summaryOf(value: Buffer): Summary {
  const summary = new Map<string, Map<number, number>>();
  for (const { tenantId, receivedAt } of itemsOf(value)) {
    const hours = summary.get(tenantId) ?? new Map<number, number>();
    summary.set(tenantId, hours);
    const hour = hourOf(receivedAt);
    hours.set(hour, (hours.get(hour) ?? 0) + 1);
  }
  return summary;
}

function itemsOf(value: Buffer) {
  try {
    const record = readUsageReceived(value);
    return record.kind === "items" ? record.items : [];
  } catch (error) {
    if (error instanceof UpgradeRequired) throw error;
    return [];
  }
}

function countIn({ summaries }: Tail, { tenantId, from, to }: TailQuestion): number {
  let count = 0;
  for (const { summary } of summaries)
    for (const [hour, items] of summary.get(tenantId) ?? []) if (hour >= from && hour < to) count += items;
  return count;
}
