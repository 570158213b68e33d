import { MetrlyError } from "#kernel/errors.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { deferred } from "#platform/lifecycle/deferred.js";
import { createFairQueue, type FairQueue } from "#platform/lifecycle/fair-queue.js";
import { createShares } from "#platform/lifecycle/shares.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import type { KeyedItem } from "#schema/columns/received.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { createDeadlineQueue, type Expiring } from "./deadline-queue.js";
import { encodeRecords, MAX_RECORD_BYTES, type SizedItem, sizeByPartition } from "./encode-items.js";

export interface AppenderOptions {
  readonly log: Pick<EventLog, "append">;
  readonly partitionCount: number;
  /** The tenancy version that the edge has applied. */
  tenancyVersion(): number;
  /** Whether every reader of usage.received reads columns. */
  writesColumns(): boolean;
  /** Whether items of other requests will be here soon: then a send waits for them, some turns of the event loop. Default: no. */
  isMoreComing?(): boolean;
  /** Called with the bytes that the log has taken. */
  onAppended?(bytes: number): void;
  /** Called for a failed append; its requests get LOG_UNAVAILABLE. */
  onError(error: unknown): void;
  readonly limits?: Partial<AppenderLimits>;
}

export interface AppenderLimits {
  /** Items waiting for the log, in the whole process, above which a sender with more than its share is refused. */
  readonly sharedItems: number;
  readonly sharedBytes: number;
  /** Nothing is taken above these: the range between is for senders below their share. */
  readonly maxItems: number;
  readonly maxBytes: number;
  /** Deadline of a request's wait for the log, ms. */
  readonly timeoutMs: number;
  /** Concurrent sends of one partition: while the log stores one, the next is prepared and sent. */
  readonly sendsPerPartition: number;
  /** Waiting bytes that justify another concurrent send. */
  readonly nextSendBytes: number;
}

export interface Appender {
  /**
   * Resolves when the log has all items durably. Throws TENANT_OVER_SHARE when the sender exceeds its share of a busy queue,
   * BUSY when the queue is full, LOG_UNAVAILABLE when the log does not store them in time, which leaves their fate open: the
   * client retries, which ids make safe. With a slow log, senders take turns.
   */
  append(items: readonly KeyedItem[], sender: string, weight: number): Promise<void>;
  /** Refuses new items and drains the queue. */
  stop(): Promise<void>;
}

/** The deadline is below the 2 s within which a client is promised a response. */
const DEFAULT_LIMITS: AppenderLimits = {
  sharedItems: 40_000,
  sharedBytes: 10 << 20,
  maxItems: 50_000,
  maxBytes: 16 << 20,
  timeoutMs: 1_500,
  sendsPerPartition: USAGE_RECEIVED.concurrentAppends ?? 1,
  nextSendBytes: 32 << 10,
};
/** The longest that a send waits for what is coming, turns of the event loop: in each there is about a millisecond of work on requests. */
const GATHER_TURNS = 6;
const MAX_SEND_BYTES = 2 * MAX_RECORD_BYTES;
/** Of a send while others' items wait, for whichever partition: encoding it and answering its requests holds up their turns. */
const SHARED_SEND_BYTES = 128 << 10;
/** Bytes of each sender in a send before the next sender's turn. */
const TURN_BYTES = 64 << 10;

/** The items of one request for one partition. */
interface Waiting extends Expiring {
  readonly sender: string;
  readonly weight: number;
  /** Empty once they hold no capacity any more. */
  items: readonly SizedItem[];
  bytes: number;
  isSending: boolean;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

interface Partition {
  readonly partition: number;
  readonly queue: FairQueue<Waiting>;
  /** In the queue, expired or not. */
  waitingBytes: number;
  sends: number;
  /** Whether one of them has yet to take its items. */
  isStarting: boolean;
}

/**
 * Packs the items of many requests into few log records: items that arrive during sends of a partition are batched. The queue
 * is bounded by count and bytes across the process. An expired item that was not sent is dropped; a sent one holds its capacity
 * until the log responds.
 */
export function createAppender(options: AppenderOptions): Appender {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const partitions = new Map<number, Partition>();
  // After this turn of the event loop: a process that was busy until now has not read the log's answer yet.
  const deadlines = createDeadlineQueue<Waiting>(limits.timeoutMs, (part) =>
    nextTurn(() => part.failed(unavailable(undefined))),
  );
  const running = new Set<Promise<void>>();
  const items = createShares({ shared: limits.sharedItems, max: limits.maxItems });
  const bytes = createShares({ shared: limits.sharedBytes, max: limits.maxBytes });
  let stopped = false;

  function enqueue(partition: number, encoded: readonly SizedItem[], sender: string, weight: number) {
    const known = partitions.get(partition);
    const state = known ?? {
      partition,
      queue: createFairQueue<Waiting>(TURN_BYTES),
      waitingBytes: 0,
      sends: 0,
      isStarting: false,
    };
    partitions.set(partition, state);
    const { promise, resolve, reject } = deferred();
    const part: Waiting = {
      ...{ sender, weight },
      items: encoded,
      bytes: totalBytes(encoded),
      isSending: false,
      deadline: 0,
      done: resolve,
      failed: reject,
    };
    items.hold(sender, weight, part.items.length);
    bytes.hold(sender, weight, part.bytes);
    state.queue.push(sender, part, part.bytes);
    state.waitingBytes += part.bytes;
    deadlines.add(part);
    if (isWorthASend(state)) start(state);
    return { part, settled: promise };
  }

  /** A concurrent send needs enough items: each costs edge and broker as much as a hundred events. */
  function isWorthASend({ sends, isStarting, waitingBytes }: Partition): boolean {
    if (isStarting || sends >= limits.sendsPerPartition) return false;
    return sends === 0 || waitingBytes >= limits.nextSendBytes;
  }

  function release(part: Waiting): void {
    deadlines.remove(part);
    if (part.items.length === 0) return;
    items.hold(part.sender, part.weight, -part.items.length);
    bytes.hold(part.sender, part.weight, -part.bytes);
    part.items = [];
    part.bytes = 0;
  }

  function start(state: Partition): void {
    const drained = drain(state);
    running.add(drained);
    void drained.finally(() => running.delete(drained));
  }

  async function drain(state: Partition): Promise<void> {
    state.sends += 1;
    // Items that arrive in this turn of the event loop join the first record.
    state.isStarting = true;
    await new Promise<void>(nextTurn);
    while (state.queue.size > 0) {
      state.isStarting = true;
      await gather(state);
      state.isStarting = false;
      const most = bytes.senders > 1 ? SHARED_SEND_BYTES : MAX_SEND_BYTES;
      const taken = state.queue.take(most);
      state.waitingBytes = state.queue.size === 0 ? 0 : Math.max(0, state.waitingBytes - most);
      const group = taken.filter((part) => part.items.length > 0);
      if (group.length > 0) await send(state, group);
    }
    // In the same step as the check of the queue: items added between would wait for a send that never starts.
    state.sends -= 1;
  }

  /** Under load, each send costs edge and log as much as a hundred items: fewer with more take less of both. */
  async function gather(state: Partition): Promise<void> {
    for (let turns = 0; turns < GATHER_TURNS; turns += 1) {
      if (options.isMoreComing?.() !== true || state.waitingBytes >= SHARED_SEND_BYTES) return;
      await new Promise<void>(nextTurn);
    }
  }

  async function send({ partition, queue }: Partition, group: readonly Waiting[]): Promise<void> {
    for (const part of group) part.isSending = true;
    const encoded = group.flatMap((part) => part.items);
    try {
      const records = encodeRecords(encoded, options.tenancyVersion(), options.writesColumns());
      await options.log.append(USAGE_RECEIVED, partition, records);
      for (const part of group) part.done();
      options.onAppended?.(records.reduce((sum, { value }) => sum + value.length, 0));
    } catch (error) {
      options.onError(error);
      // Fail everything queued behind it too; otherwise each would wait out its own timeout.
      const behind = queue.take(Number.POSITIVE_INFINITY);
      for (const part of [...group, ...behind]) part.failed(unavailable(error));
      for (const part of behind) release(part);
    } finally {
      for (const part of group) release(part);
    }
  }

  return {
    async append(wanted, sender, weight) {
      if (stopped) throw new MetrlyError("UNAVAILABLE", "This process is stopping; retry the request");
      if (wanted.length === 0) return;
      const byPartition = sizeByPartition(wanted, options.partitionCount);
      const size = [...byPartition.values()].reduce((sum, encoded) => sum + totalBytes(encoded), 0);
      const refusals = [items.refusal(sender, weight, wanted.length), bytes.refusal(sender, weight, size)];
      if (refusals.includes("over share")) throw overShare();
      if (refusals.includes("full")) throw full();
      const enqueued = [...byPartition].map(([partition, encoded]) => enqueue(partition, encoded, sender, weight));
      const [only] = enqueued;
      const settled = enqueued.length === 1 && only !== undefined ? only.settled : settledAll(enqueued);
      try {
        await settled;
      } catch (error) {
        for (const { part } of enqueued) if (!part.isSending) release(part);
        throw error;
      }
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}

const overShare = (): MetrlyError =>
  new MetrlyError(
    "TENANT_OVER_SHARE",
    "The tenant exceeds its share of the event log's queue; nothing was accepted, retry the request",
  );

const full = (): MetrlyError =>
  new MetrlyError("BUSY", "The queue of the event log is full; nothing was accepted, retry the request");

const totalBytes = (items: readonly SizedItem[]): number => items.reduce((sum, item) => sum + item.bytes, 0);

function unavailable(error: unknown): MetrlyError {
  return error instanceof MetrlyError && error.status === 503
    ? error
    : new MetrlyError("LOG_UNAVAILABLE", "The event log does not answer: send the same events again, which count once");
}

const settledAll = (parts: readonly { readonly settled: Promise<void> }[]): Promise<unknown> =>
  Promise.all(parts.map(({ settled }) => settled));
