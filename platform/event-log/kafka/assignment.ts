import type { Consumer, KafkaMessage } from "kafkajs";
import { backoffMs } from "#platform/lifecycle/random.js";
import { after, nextTurn, nowMs } from "#platform/lifecycle/time.js";
import type { ConsumerOptions, LogBatch, LogRecord, PartitionBounds } from "../event-log.js";
import { checkPosition, isInside, LogPositionError, secondLooks } from "../position.js";
import type { KafkaConnection } from "./client.js";
import { toRecord } from "./fetch.js";

const BACKOFF = { firstMs: 100, longestMs: 5_000 };

export interface SessionContext {
  readonly connection: KafkaConnection;
  readonly boundsOf: (topic: string) => Promise<ReadonlyMap<number, PartitionBounds>>;
  readonly options: ConsumerOptions;
  /** Running `onBatch` calls by partition, across sessions of a consumer: a new session waits for an old one's call. */
  readonly running: Map<number, Promise<void>>;
}

/** One partition, from its assignment until the next rebalance; `held` is paused at the broker. */
interface Owned {
  readonly partition: number;
  state: "held" | "flowing" | "stopped";
  /** Offset of the next record to deliver; known once `flowing`. */
  position: number;
  /** The last batch did not start at `position`. */
  surprised: boolean;
  readonly isWorthAnotherLook: (position: number) => boolean;
  failures: number;
  /** The last `onBatch` threw: the partition makes no progress, whatever is fetched. */
  failing: boolean;
  progressAt: number;
}

export interface Assignment {
  /** Drops the owned partitions and starts on `partitions`. Called inside kafkajs' join, before it fetches again. */
  replace(partitions: readonly number[]): void;
  /** Delivers a batch; true when it is done and the next one may follow. */
  handle(partition: number, messages: readonly [KafkaMessage, ...KafkaMessage[]]): Promise<boolean>;
  noteFetch(): void;
  partitions(): readonly number[];
  lastProgressAt(): number | undefined;
  end(): void;
}

/**
 * The partitions a consumer owns and its position on each. A partition is held until its position is known and within the log's
 * bounds; a failing one is held during its backoff, so that the others proceed.
 */
export function createAssignment({ options, boundsOf, running }: SessionContext, consumer: Consumer): Assignment {
  const topic = options.topic.name;
  let owned = new Map<number, Owned>();
  let joined = false;
  let fetchedAt: number | undefined;

  const isMine = (one: Owned) => owned.get(one.partition) === one;

  function hold(one: Owned): void {
    one.state = "held";
    consumer.pause([{ topic, partitions: [one.partition] }]);
  }

  function flowFrom(one: Owned, position: number): void {
    one.position = position;
    one.state = "flowing";
    consumer.seek({ topic, partition: one.partition, offset: String(position) });
    consumer.resume([{ topic, partitions: [one.partition] }]);
  }

  /** Finds the position and resumes; retries on failure. */
  async function place(one: Owned, positionOf: () => Promise<number>, bounds = boundsOf(topic)): Promise<void> {
    try {
      await running.get(one.partition);
      const [position, early] = await Promise.all([positionOf(), bounds]);
      if (!isMine(one)) return;
      if (!isInside(position, boundsIn(early, one))) {
        // The partition's owner before may have moved its cursor after the log was asked.
        const found = await boundsOf(topic);
        if (!isMine(one)) return;
        if (!isInside(position, boundsIn(found, one)) && one.isWorthAnotherLook(position)) return start(one);
        checkPosition(topic, one.partition, position, boundsIn(found, one));
      }
      if (!one.failing) one.failures = 0;
      flowFrom(one, position);
    } catch (error) {
      if (isMine(one)) fail(one, error, positionOf);
    }
  }

  /** Places it where the consumer's database says. */
  const start = (one: Owned, bounds?: Promise<ReadonlyMap<number, PartitionBounds>>): Promise<void> =>
    place(one, () => options.startAt(one.partition), bounds);

  const boundsIn = (found: ReadonlyMap<number, PartitionBounds>, { partition }: Owned): PartitionBounds =>
    found.get(partition) ?? { first: 0, next: 0 };

  function fail(one: Owned, error: unknown, positionOf: () => Promise<number>): void {
    options.onError(error);
    hold(one);
    if (error instanceof LogPositionError) {
      one.state = "stopped";
      return;
    }
    one.failures += 1;
    after(backoffMs(BACKOFF, one.failures), () => isMine(one) && place(one, positionOf));
  }

  function replace(partitions: readonly number[]): void {
    const before = owned;
    joined = true;
    fetchedAt = nowMs();
    owned = new Map(
      partitions.map((partition) => [
        partition,
        {
          partition,
          state: "held",
          position: 0,
          surprised: false,
          isWorthAnotherLook: secondLooks(),
          failures: 0,
          failing: false,
          progressAt: before.get(partition)?.progressAt ?? nowMs(),
        },
      ]),
    );
    consumer.pause([{ topic, partitions: [...partitions] }]);
    const bounds = partitions.length === 0 ? Promise.resolve(new Map<number, PartitionBounds>()) : boundsOf(topic);
    for (const one of owned.values()) void start(one, bounds);
  }

  /** Whether the batch starts at the position. A stale fetch may be the cause once: fetching again settles it. */
  function isExpected(one: Owned, firstOffset: number): boolean {
    const isHole = firstOffset > one.position;
    if (firstOffset === one.position || (isHole && options.topic.compacted)) {
      one.surprised = false;
      return true;
    }
    if (one.surprised && one.isWorthAnotherLook(one.position)) {
      hold(one);
      void start(one);
    } else if (one.surprised) {
      fail(one, new LogPositionError(topic, one.partition, one.position, `the log gives ${firstOffset}`), unreachable);
    } else {
      one.surprised = true;
      flowFrom(one, one.position);
    }
    return false;
  }

  async function handle(
    partition: number,
    [head, ...tail]: readonly [KafkaMessage, ...KafkaMessage[]],
  ): Promise<boolean> {
    const one = owned.get(partition);
    if (one?.state !== "flowing" || !isExpected(one, Number(head.offset))) return false;
    const records: readonly [LogRecord, ...LogRecord[]] = [toRecord(head), ...tail.map(toRecord)];
    const next = (records.at(-1)?.offset ?? 0) + 1;
    const call = deliver(one, { topic, partition, records }, next);
    const settled = call.then(() => {
      if (running.get(partition) === settled) running.delete(partition);
    });
    running.set(partition, settled);
    return call;
  }

  /** Never rejects. A result for a partition lost meanwhile has no effect. */
  async function deliver(one: Owned, batch: LogBatch, next: number): Promise<boolean> {
    try {
      const outcome = await options.onBatch(batch);
      if (!isMine(one)) return false;
      one.failures = 0;
      one.failing = false;
      one.progressAt = nowMs();
      if (outcome.kind === "continue") {
        one.position = next;
        return true;
      }
      hold(one);
      nextTurn(() => place(one, async () => outcome.next));
    } catch (error) {
      one.failing = true;
      if (isMine(one)) fail(one, error, async () => one.position);
      else options.onError(error);
    }
    return false;
  }

  return {
    replace,
    handle,
    noteFetch() {
      fetchedAt = nowMs();
      for (const one of owned.values())
        if (one.state === "flowing" && !one.failing && !running.has(one.partition)) one.progressAt = fetchedAt;
    },
    partitions: () => [...owned.keys()].sort((a, b) => a - b),
    lastProgressAt: () =>
      !joined || owned.size === 0 ? fetchedAt : Math.min(...[...owned.values()].map((one) => one.progressAt)),
    end() {
      owned = new Map();
    },
  };
}

async function unreachable(): Promise<number> {
  throw new Error("a stopped partition is not placed again");
}
