import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { USAGE_RECORDED } from "#schema/topics.js";
import type { BatchOutcome, ConsumerOptions, EventLog, LogBatch } from "./event-log.js";
import { withUpgradeStops } from "./upgrade-stops.js";

const newer = (offset?: number) => new UpgradeRequired({ contract: "c", set: "entry", member: "m" }, offset);
const record = (offset: number) => ({ offset, key: undefined, value: Buffer.from(""), timestamp: 0 });
const BATCH: LogBatch = { topic: USAGE_RECORDED.name, partition: 0, records: [record(0), record(1), record(2)] };

/** A consumer of partition 0 whose deliveries and assignments the test makes. */
async function consuming(onBatch: (batch: LogBatch) => Promise<BatchOutcome>) {
  let inner: ConsumerOptions | undefined;
  const fake: Partial<EventLog> = {
    async consume(options) {
      inner = options;
      return { assigned: () => [0], lastProgressAt: () => 0, stop: async () => undefined };
    },
  };
  const metrics = new Registry();
  const log = withUpgradeStops(fake as EventLog, metrics);
  const startAt = async () => 0;
  await log.consume({ topic: USAGE_RECORDED, group: "g", startAt, onBatch, onError: () => undefined });
  return {
    log,
    metrics,
    deliver: async () => inner?.onBatch(BATCH),
    assign: async () => inner?.startAt(0),
  };
}

test("a partition is reported when the records before the unknown one need newer code too", async () => {
  const { log, metrics, deliver } = await consuming(async ({ records }) => {
    throw records.length > 1 ? newer(records.length - 1) : newer();
  });
  await expect(deliver()).rejects.toThrow(UpgradeRequired);
  expect(log.waitingForUpgrade()).toEqual([expect.stringMatching(/^g waits at usage\.recorded\/0: upgrade/)]);
  expect(await metrics.metrics()).toMatch(/^metrly_upgrade_required_partitions\{.*\} 1$/m);
});

test("an offset beyond the batch stops the partition, too", async () => {
  const { log, deliver } = await consuming(() => Promise.reject(newer(7)));
  await expect(deliver()).rejects.toThrow(UpgradeRequired);
  expect(log.waitingForUpgrade()).toHaveLength(1);
});

test("a partition that comes back after another process consumed the record is not reported", async () => {
  const { log, deliver, assign } = await consuming(() => Promise.reject(newer(0)));
  await expect(deliver()).rejects.toThrow(UpgradeRequired);
  expect(log.waitingForUpgrade()).toHaveLength(1);
  await assign();
  expect(log.waitingForUpgrade()).toEqual([]);
});
