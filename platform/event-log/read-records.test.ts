import pino from "pino";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import type { LogBatch } from "./event-log.js";
import { asText, malformedAlarm, readRecords } from "./read-records.js";

const record = (offset: number, text: string) => ({ offset, key: undefined, value: Buffer.from(text), timestamp: 0 });
const batchOf = (partition: number): LogBatch => ({
  topic: "t",
  partition,
  records: [record(0, "{"), record(1, "7"), record(2, "}")],
});

test("a malformed record is counted once, however often its batch is delivered", async () => {
  const metrics = new Registry();
  const onMalformed = malformedAlarm(metrics, pino({ level: "silent" }));
  for (const partition of [0, 0, 1, 0, 1])
    expect(readRecords(batchOf(partition), asText(JSON.parse), onMalformed)).toEqual([{ offset: 1, value: 7 }]);
  expect(await metrics.metrics()).toContain("metrly_malformed_records_total 4\n");
});
