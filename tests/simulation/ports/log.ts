import { MetrlyError } from "#kernel/errors.js";
import type { ConsumerOptions, EventLog, LogConsumer, LogRecord, NewRecord } from "#platform/event-log/event-log.js";
import { checkPosition, isInside, LogPositionError, secondLooks } from "#platform/event-log/position.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Topic } from "#schema/topics.js";
import type { Instance } from "../engine/instance.js";
import type { Action, Scheduler } from "../engine/scheduler.js";

/** Acknowledges appends to these topics before they are durable: a bug that the simulation has to find. */
export type EarlyTopics = ReadonlySet<string>;

interface Partition {
  first: number;
  readonly records: LogRecord[];
}

interface Reader {
  readonly instance: Instance;
  readonly place: string;
  kick(): void;
  /** Takes the partition away and gives it back. */
  reassign(): void;
}

export type SimulatedLog = ReturnType<typeof createSimulatedLog>;

const POLL_MS = 1_000;
const BACKOFF = { firstMs: 100, longestMs: 5_000 };
const unavailable = () => new MetrlyError("LOG_UNAVAILABLE", "the simulated log does not answer");

/**
 * An event log in memory, of which each instance has its own view. Like the embedded one it has no groups: every consumer gets all
 * partitions, so that each has several owners at any time, which is what Kafka's zombies are at worst.
 */
export function createSimulatedLog(scheduler: Scheduler, partitionCount: number) {
  const partitions = new Map<string, Partition>();
  const readers = new Set<Reader>();

  function at(topic: Topic, partition: number): Partition {
    const place = `${topic.name}/${partition}`;
    const known = partitions.get(place) ?? { first: 0, records: [] };
    partitions.set(place, known);
    return known;
  }

  const nextOf = ({ records, first }: Partition): number => (records.at(-1)?.offset ?? first - 1) + 1;

  function store(topic: Topic, partition: number, records: readonly NewRecord[]): void {
    const target = at(topic, partition);
    for (const { key, value } of records)
      target.records.push({ offset: nextOf(target), key, value, timestamp: scheduler.nowMs() });
    for (const reader of readers) {
      if (reader.place !== `${topic.name}/${partition}` || !reader.instance.isAlive()) continue;
      reader.instance.post(reader.instance.keyOf(`wakes for ${reader.place}`), reader.kick);
    }
  }

  function readFrom(topic: Topic, partition: number, from: number, max: number) {
    const { first, records } = at(topic, partition);
    const start = Math.max(0, from - first);
    return { bounds: { first, next: nextOf(at(topic, partition)) }, records: records.slice(start, start + max) };
  }

  /** The log as this instance reaches it. */
  function of(instance: Instance, early: EarlyTopics = new Set()): EventLog {
    function append(topic: Topic, partition: number, records: readonly NewRecord[]): Promise<void> {
      const stored = instance.call(`append ${topic.name}/${partition}`, async () => store(topic, partition, records), {
        lost: unavailable,
        sent: records.map(({ value }) => value.toString()),
      });
      return early.has(topic.name) ? Promise.resolve(void stored.catch(() => undefined)) : stored;
    }

    async function consume(options: ConsumerOptions): Promise<LogConsumer> {
      const all = Array.from({ length: options.topic.keyedByTenant ? partitionCount : 1 }, (_, index) => index);
      const progress = new Map(all.map((partition) => [partition, nowMs()]));
      const loops = all.map((partition) =>
        consumePartition(options, partition, () => progress.set(partition, nowMs())),
      );
      return {
        assigned: () => all,
        lastProgressAt: () => Math.min(...progress.values()),
        async stop() {
          await Promise.all(loops.map((loop) => loop.stop()));
        },
      };
    }

    function consumePartition(options: ConsumerOptions, partition: number, onProgress: () => void) {
      const { topic } = options;
      const place = `${topic.name}/${partition}`;
      const random = scheduler.randomFor(`${instance.name} ${options.group} ${place}`);
      const isWorthAnotherLook = secondLooks();
      let position: number | undefined;
      const reading = repeat({
        everyMs: POLL_MS,
        backoff: BACKOFF,
        async run(stopping) {
          position ??= await options.startAt(partition);
          const from = position;
          const max = 1 + Math.floor(random() * 8);
          const { bounds, records } = await instance.call(
            `fetch ${place}`,
            async () => readFrom(topic, partition, from, max),
            { lost: () => new Error("the fetch was not answered"), sent: from },
          );
          if (stopping.aborted) return;
          if (!isInside(from, bounds) && isWorthAnotherLook(from)) {
            position = undefined;
            return reading.kick();
          }
          checkPosition(topic.name, partition, from, bounds);
          const [first, ...rest] = records;
          if (first !== undefined) {
            const outcome = await options.onBatch({ topic: topic.name, partition, records: [first, ...rest] });
            // A reassignment meanwhile asked for a fresh start.
            if (position !== undefined)
              position = outcome.kind === "seek" ? outcome.next : (rest.at(-1) ?? first).offset + 1;
            reading.kick();
          }
          onProgress();
        },
        onError(error) {
          options.onError(error);
          if (error instanceof LogPositionError) void reading.stop();
        },
      });
      readers.add({
        instance,
        place: `${topic.name}/${partition}`,
        kick: reading.kick,
        reassign() {
          position = undefined;
        },
      });
      return reading;
    }

    return {
      ensureTopics: async () => undefined,
      partitionCount: async () => partitionCount,
      append,
      consume,
      bounds: (topic, partition) =>
        instance.call(`bounds ${topic.name}/${partition}`, async () => readFrom(topic, partition, 0, 0).bounds),
      read: (topic, partition, from, max) =>
        instance.call(
          `read ${topic.name}/${partition} ${from}`,
          async () => readFrom(topic, partition, from, max).records,
        ),
      trim: (topic, partition, before) =>
        instance.call(`trim ${topic.name}/${partition}`, async () => {
          const target = at(topic, partition);
          const keep = Math.min(before, nextOf(target));
          if (keep <= target.first) return;
          target.records.splice(0, keep - target.first);
          target.first = keep;
        }),
      stop: async () => undefined,
    };
  }

  return {
    of,
    /** What is stored now. */
    stored: (topic: Topic, partition: number): readonly LogRecord[] => at(topic, partition).records,
    next: (topic: Topic, partition: number): number => nextOf(at(topic, partition)),
    faults: (): Action[] =>
      [...readers]
        .filter(({ instance }) => instance.isAlive())
        .map((reader) => ({
          key: `fault: ${reader.instance.name} gets ${reader.place} anew`,
          run() {
            reader.reassign();
            return "";
          },
        })),
  };
}
