import { Gauge, type Registry } from "prom-client";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import type { BatchOutcome, ConsumerOptions, EventLog, LogBatch, LogConsumer, LogRecord } from "./event-log.js";

/** The log, and which of its consumers wait for newer code. */
export interface StoppableLog extends EventLog {
  /** One sentence for each partition that waits, for readiness. */
  waitingForUpgrade(): readonly string[];
}

interface Stop {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly error: UpgradeRequired;
  isOwned(): boolean;
}

/**
 * The same log with one rule for all consumers: a partition whose next record needs newer code is consumed up to that record
 * and waits there. Each redelivery retries, so a process that knows the record resumes automatically.
 */
export function withUpgradeStops(log: EventLog, metrics: Registry): StoppableLog {
  const stops = new Map<string, Stop>();
  const waiting = (): Stop[] => [...stops.values()].filter((stop) => stop.isOwned());
  new Gauge({
    name: "metrly_upgrade_required_partitions",
    help: "Partitions whose next record was written by newer code, by topic and consumer group",
    labelNames: ["topic", "group"],
    registers: [metrics],
    collect() {
      this.reset();
      for (const { topic, group } of waiting()) this.inc({ topic, group });
    },
  });

  async function consume(options: ConsumerOptions): Promise<LogConsumer> {
    let consumer: LogConsumer | undefined;
    const keyOf = (partition: number): string => `${options.group}/${options.topic.name}/${partition}`;

    async function onBatch(batch: LogBatch): Promise<BatchOutcome> {
      const { partition } = batch;
      try {
        const outcome = await options.onBatch(batch);
        stops.delete(keyOf(partition));
        return outcome;
      } catch (error) {
        if (!(error instanceof UpgradeRequired)) throw error;
        const [first, ...rest] = batch.records.filter(({ offset }) => offset < (error.offset ?? 0));
        if (first !== undefined) return upTo(options, { ...batch, records: [first, ...rest] });
        const isOwned = (): boolean => consumer?.assigned().includes(partition) ?? true;
        stops.set(keyOf(partition), { group: options.group, topic: options.topic.name, partition, error, isOwned });
        throw error;
      }
    }

    consumer = await log.consume({ ...options, onBatch });
    return consumer;
  }

  return {
    ...log,
    consume,
    waitingForUpgrade: () =>
      waiting().map(
        ({ group, topic, partition, error }) =>
          `${group} waits at ${topic}/${partition}${error.offset === undefined ? "" : ` offset ${error.offset}`}: ${error.message}`,
      ),
  };
}

/** Consumes the records before one that needs newer code. */
async function upTo(options: ConsumerOptions, batch: LogBatch): Promise<BatchOutcome> {
  const outcome = await options.onBatch(batch);
  const last: LogRecord = batch.records.at(-1) ?? batch.records[0];
  return outcome.kind === "seek" ? outcome : { kind: "seek", next: last.offset + 1 };
}
