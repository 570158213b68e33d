import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import { readingAt, UpgradeRequired } from "#kernel/upgrade-required.js";
import type { LogBatch, LogRecord } from "./event-log.js";

/** The report of a malformed record: again at each redelivery. */
export type OnMalformed = (batch: LogBatch, record: LogRecord, error: unknown) => void;

export const placeOf = ({ topic, partition }: LogBatch, { offset }: LogRecord): string =>
  `${topic}/${partition} offset ${offset}`;

/** Logs and counts malformed records, each once; the counter is shared by the services of a process, each of which reads for itself. */
export function malformedAlarm(metrics: Registry, logger: Logger): OnMalformed {
  const name = "metrly_malformed_records_total";
  const help = "Records of the log that no reader could decode, though their version is known";
  const counter = metrics.getSingleMetric(name) ?? new Counter({ name, help, registers: [metrics] });
  const reported = new Map<string, number>();
  return (batch, record, error) => {
    const partition = `${batch.topic}/${batch.partition}`;
    if (record.offset <= (reported.get(partition) ?? -1)) return;
    reported.set(partition, record.offset);
    if (counter instanceof Counter) counter.inc();
    logger.error({ err: error }, `the record at ${placeOf(batch, record)} is malformed and is passed over`);
  };
}

/** For records that are text: reads theirs. */
export const asText =
  <T>(read: (text: string) => T) =>
  (value: Buffer): T =>
    read(value.toString("utf8"));

/**
 * Decodes the records of a batch for a consumer that tolerates malformed ones: they are reported and skipped. Throws
 * UpgradeRequired for a record that newer code wrote.
 */
export function readRecords<T>(
  batch: LogBatch,
  read: (value: Buffer) => T,
  onMalformed: OnMalformed,
): { readonly offset: number; readonly value: T }[] {
  return batch.records.flatMap((record) => {
    const { offset } = record;
    try {
      return [{ offset, value: readingAt(offset, () => read(record.value)) }];
    } catch (error) {
      if (error instanceof UpgradeRequired) throw error;
      onMalformed(batch, record, error);
      return [];
    }
  });
}
