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
        const known = before(batch, error.offset ?? 0);
        if (known !== undefined) return upTo(known);
        const isOwned = (): boolean => consumer?.assigned().includes(partition) ?? true;
        stops.set(keyOf(partition), { group: options.group, topic: options.topic.name, partition, error, isOwned });
        throw error;
      }
    }

    /** Consumes the records before one that needs newer code. Their own effect may need it too. */
    async function upTo(known: LogBatch): Promise<BatchOutcome> {
      const outcome = await onBatch(known);
      const last: LogRecord = known.records.at(-1) ?? known.records[0];
      return outcome.kind === "seek" ? outcome : { kind: "seek", next: last.offset + 1 };
    }

    /** Another process may have consumed the record since: a new assignment starts without the old stop. */
    function startAt(partition: number): Promise<number> {
      stops.delete(keyOf(partition));
      return options.startAt(partition);
    }

    consumer = await log.consume({ ...options, startAt, onBatch });
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

/** The batch without the records from `offset` on; undefined when nothing is left, or nothing is removed. */
function before(batch: LogBatch, offset: number): LogBatch | undefined {
  const [first, ...rest] = batch.records.filter((record) => record.offset < offset);
  if (first === undefined || rest.length + 1 === batch.records.length) return undefined;
  return { ...batch, records: [first, ...rest] };
}
