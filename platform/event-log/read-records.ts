import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import { readingAt, UpgradeRequired } from "#kernel/upgrade-required.js";
import type { LogBatch, LogRecord } from "./event-log.js";

/** The report of a malformed record. */
export type OnMalformed = (record: LogRecord, place: string, error: unknown) => void;

/** Logs and counts malformed records; services of one process share the counter. */
export function malformedAlarm(metrics: Registry, logger: Logger): OnMalformed {
  const name = "metrly_malformed_records_total";
  const help = "Records of the log that no reader could decode, though their version is known";
  const counter = metrics.getSingleMetric(name) ?? new Counter({ name, help, registers: [metrics] });
  return (_record, place, error) => {
    if (counter instanceof Counter) counter.inc();
    logger.error({ err: error }, `the record at ${place} is malformed and is passed over`);
  };
}

/**
 * Decodes the records of a batch for a consumer that tolerates malformed ones: they are reported and skipped. Throws
 * UpgradeRequired for a record that newer code wrote.
 */
export function readRecords<T>(
  { topic, partition, records }: LogBatch,
  read: (text: string) => T,
  onMalformed: OnMalformed,
): { readonly offset: number; readonly value: T }[] {
  return records.flatMap((record) => {
    const { offset } = record;
    try {
      return [{ offset, value: readingAt(offset, () => read(record.value.toString("utf8"))) }];
    } catch (error) {
      if (error instanceof UpgradeRequired) throw error;
      onMalformed(record, `${topic}/${partition} offset ${offset}`, error);
      return [];
    }
  });
}
