import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import type { EventLog } from "#platform/event-log.js";
import type { ReceivedItem } from "#schema/events/usage-received.v1.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { packed } from "./rules/pack.js";
import { MAX_ITEMS_PER_STEP } from "./rules/plan-steps.js";

export interface AppenderOptions {
  readonly log: Pick<EventLog, "append">;
  readonly partitionCount: number;
  /** What the edge has applied of tenancy. */
  tenancyVersion(): number;
  /** Told of a failed append; those who wait for it get LOG_UNAVAILABLE. */
  onError(error: unknown): void;
  readonly limits?: AppenderLimits;
}

export interface AppenderLimits {
  /** Items that wait for the log, in the whole process. */
  readonly maxItems: number;
  readonly maxBytes: number;
  /** How long a request waits for the log before it is told to come again, ms. */
  readonly patienceMs: number;
}

export interface Appender {
  /**
   * Resolves when the log has all items durably. Throws BUSY when the queue is full, LOG_UNAVAILABLE when the log does not
   * take them in time, and says then nothing about whether they are there: the client sends all again, ids make that safe.
   */
  append(items: readonly ReceivedItem[]): Promise<void>;
  /** Refuses new items and waits for those that wait. */
  stop(): Promise<void>;
}

const DEFAULT_LIMITS: AppenderLimits = { maxItems: 50_000, maxBytes: 32 << 20, patienceMs: 5_000 };
/** Below the broker's limit of 1 MiB per batch. */
const MAX_RECORD_BYTES = 700_000;
const MAX_ITEMS_PER_RECORD = MAX_ITEMS_PER_STEP;

interface Waiting {
  /** The items as JSON texts. */
  readonly items: readonly EncodedItem[];
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

interface EncodedItem {
  readonly json: string;
  readonly bytes: number;
}

/**
 * Packs the items of many requests into few log records: while one send of a partition is under way, what arrives for it
 * waits and goes together. The wait is bounded by count and bytes across the process, so memory is too.
 */
export function createAppender(options: AppenderOptions): Appender {
  const limits = options.limits ?? DEFAULT_LIMITS;
  const queues = new Map<number, Waiting[]>();
  const sending = new Map<number, Promise<void>>();
  let items = 0;
  let bytes = 0;
  let stopped = false;

  function enqueue(partition: number, encoded: readonly EncodedItem[]): Promise<void> {
    const size = totalBytes(encoded);
    items += encoded.length;
    bytes += size;
    const queue = queues.get(partition) ?? [];
    queues.set(partition, queue);
    const settled = new Promise<void>((done, failed) => queue.push({ items: encoded, done, failed }));
    if (!sending.has(partition)) sending.set(partition, drain(partition, queue));
    return settled.finally(() => {
      items -= encoded.length;
      bytes -= size;
    });
  }

  async function drain(partition: number, queue: Waiting[]): Promise<void> {
    // What arrives in this turn of the event loop goes with the first record.
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const group = takeGroup(queue);
      try {
        await options.log.append(
          USAGE_RECEIVED,
          partition,
          encodeRecords(
            group.flatMap((one) => one.items),
            options.tenancyVersion(),
          ),
        );
        for (const one of group) one.done();
      } catch (error) {
        options.onError(error);
        // Whoever waits behind a log that does not answer would wait as long again: all are told now.
        for (const one of [...group, ...queue.splice(0)]) one.failed(unavailable(error));
      }
    }
    // In the same step as the look at the queue: what came between the two would wait for a send that never starts.
    sending.delete(partition);
  }

  return {
    async append(wanted) {
      if (stopped) throw new MetrlyError("UNAVAILABLE", "This process is stopping; send again");
      if (wanted.length === 0) return;
      const byPartition = encodeByPartition(wanted, options.partitionCount);
      const size = [...byPartition.values()].reduce((sum, encoded) => sum + totalBytes(encoded), 0);
      if (items > 0 && (items + wanted.length > limits.maxItems || bytes + size > limits.maxBytes))
        throw new MetrlyError(
          "BUSY",
          "The queue in front of the event log is full; nothing was accepted, send all again",
        );
      const appended = [...byPartition].map(([partition, encoded]) => enqueue(partition, encoded));
      await within(limits.patienceMs, Promise.all(appended));
    },
    async stop() {
      stopped = true;
      await Promise.all(sending.values());
    },
  };
}

function encodeByPartition(items: readonly ReceivedItem[], partitionCount: number): Map<number, EncodedItem[]> {
  const byPartition = new Map<number, EncodedItem[]>();
  for (const item of items) {
    const partition = partitionOf(item.tenantId, partitionCount);
    const json = JSON.stringify(item);
    const encoded = { json, bytes: Buffer.byteLength(json) + 1 };
    const existing = byPartition.get(partition);
    if (existing === undefined) byPartition.set(partition, [encoded]);
    else existing.push(encoded);
  }
  return byPartition;
}

/** As many requests as fit into one send of a few records. */
function takeGroup(queue: Waiting[]): Waiting[] {
  let bytes = 0;
  let taken = 0;
  for (const one of queue) {
    bytes += totalBytes(one.items);
    if (taken > 0 && bytes > 2 * MAX_RECORD_BYTES) break;
    taken += 1;
  }
  return queue.splice(0, taken);
}

function encodeRecords(items: readonly EncodedItem[], tenancyVersion: number): { value: Buffer }[] {
  const records = packed(items, (item) => item.bytes, { maxBytes: MAX_RECORD_BYTES, maxCount: MAX_ITEMS_PER_RECORD });
  return [...records].map((group) => ({
    value: Buffer.from(
      `{"kind":"items","tenancyVersion":${tenancyVersion},"items":[${group.map((item) => item.json).join(",")}]}`,
    ),
  }));
}

const totalBytes = (items: readonly EncodedItem[]): number => items.reduce((sum, item) => sum + item.bytes, 0);

function unavailable(error: unknown): MetrlyError {
  return error instanceof MetrlyError && error.status === 503
    ? error
    : new MetrlyError("LOG_UNAVAILABLE", "The event log does not take records; nothing was accepted, send all again");
}

/** The items go on waiting, and hold their place in the queue, after their client was sent away. */
async function within<T>(patienceMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(undefined)), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
