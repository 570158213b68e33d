import { afterEach, beforeEach, expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import type { LogRecord } from "#platform/event-log/event-log.js";
import { installManualTime, type ManualTime } from "#platform/lifecycle/manual-time.testing.js";
import { parseConfig } from "#platform/process/config.js";
import { receivedColumns } from "#schema/columns/received.js";
import { recordedColumns } from "#schema/columns/recorded.js";
import { USAGE_ENCODINGS } from "#schema/columns/sealed.js";
import type { TenancyAppliedV1 } from "#schema/events/tenancy-applied.v1.js";
import { readReceived } from "#schema/events/usage-received.v2.js";
import { readRecorded } from "#schema/events/usage-recorded.v2.js";
import { keyed, receivedItem } from "../world.testing.js";
import { followUsageReaders } from "./usage-readers.js";

let time: ManualTime;
let restore: () => void;
beforeEach(() => {
  [time, restore] = installManualTime();
});
afterEach(() => restore());

const reads = [...USAGE_ENCODINGS];
const self = { role: "ingestion", instance: "ingestion-1" };

/** The topic of reports, in memory, and processes that report to it every three seconds. */
function installation() {
  const records: LogRecord[] = [];
  const living = new Map<string, Omit<TenancyAppliedV1, "instance">>();
  const log = {
    isDown: false,
    append(report: TenancyAppliedV1 | string): void {
      const value = Buffer.from(typeof report === "string" ? report : JSON.stringify(report));
      records.push({ offset: records.length, key: undefined, value, timestamp: time.now() });
    },
    async bounds() {
      if (log.isDown) throw new Error("down");
      return { first: 0, next: records.length };
    },
    read: async (_topic: unknown, _partition: number, from: number, max: number) => records.slice(from, from + max),
  };
  return {
    log,
    living,
    port: { bounds: log.bounds, read: log.read } as never,
    async pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        if (second % 3 === 0) for (const [instance, report] of living) log.append({ instance, ...report });
        await time.advance(1_000);
      }
    },
  };
}

test("a rolling upgrade writes text until its last old process is gone, and a rollback text again", async () => {
  const { living, log, port, pass } = installation();
  living.set("ingestion-0", { role: "ingestion", version: 1 }).set("billing-0", { role: "billing", version: 1 });
  living.set("ingestion-1", { role: "ingestion", version: 1, reads });
  const readers = followUsageReaders({ config: parseConfig({}), log: port, self }, () => undefined);
  expect(readers.writesColumns()).toBe(false);
  await pass(30);
  expect(readers.writesColumns()).toBe(false);
  living.delete("ingestion-0");
  living.set("billing-1", { role: "billing", version: 1, reads });
  await pass(30);
  expect(readers.writesColumns()).toBe(false);
  // Killed: its lease has to end.
  living.delete("billing-0");
  await pass(12);
  expect(readers.writesColumns()).toBe(false);
  await pass(12);
  expect(readers.writesColumns()).toBe(true);
  living.set("quota-0", { role: "quota", version: 1 });
  await pass(7);
  expect(readers.writesColumns()).toBe(false);
  living.delete("quota-0");
  log.append({ role: "quota", instance: "quota-0", version: 1, ended: true });
  await pass(4);
  expect(readers.writesColumns()).toBe(true);
  await readers.stop();
});

test("while reports cannot be read, or one of them is of newer code, text is written", async () => {
  const { living, log, port, pass } = installation();
  living.set("ingestion-1", { role: "ingestion", version: 1, reads });
  const errors: unknown[] = [];
  const readers = followUsageReaders({ config: parseConfig({}), log: port, self }, (error) => errors.push(error));
  await pass(30);
  expect(readers.writesColumns()).toBe(true);
  log.append("\u0003?");
  await pass(4);
  expect(readers.writesColumns()).toBe(false);
  await pass(30);
  expect(readers.writesColumns()).toBe(true);
  log.isDown = true;
  await pass(14);
  expect(readers.writesColumns()).toBe(false);
  expect(errors.length).toBeGreaterThan(0);
  log.isDown = false;
  await pass(7);
  expect(readers.writesColumns()).toBe(false);
  await pass(30);
  expect(readers.writesColumns()).toBe(true);
  await readers.stop();
});

test("text is written after more reports than are read at once: one of those passed over may be of an older process", async () => {
  const { living, log, port, pass } = installation();
  living.set("ingestion-1", { role: "ingestion", version: 1, reads });
  const readers = followUsageReaders({ config: parseConfig({}), log: port, self }, () => undefined);
  await pass(30);
  expect(readers.writesColumns()).toBe(true);
  log.append({ role: "quota", instance: "quota-0", version: 1 });
  // A tenancy that changes without pause: every process reports up to 40 times a second.
  for (let n = 0; n < 10_000; n += 1) log.append({ role: "ingestion", instance: "ingestion-1", version: n, reads });
  await pass(4);
  expect(readers.writesColumns()).toBe(false);
  await pass(30);
  expect(readers.writesColumns()).toBe(true);
  await readers.stop();
});

test("a process that is alone writes columns at once, and none does if the settings say text", async () => {
  const { port, living, pass } = installation();
  const text = parseConfig({ METRLY_USAGE_ENCODING: "text" });
  const columns = parseConfig({});
  expect(followUsageReaders({ config: columns, log: port, self: undefined }, () => undefined).writesColumns()).toBe(
    true,
  );
  expect(followUsageReaders({ config: text, log: port, self: undefined }, () => undefined).writesColumns()).toBe(false);
  living.set("ingestion-1", { role: "ingestion", version: 1, reads });
  const held = followUsageReaders({ config: text, log: port, self }, () => undefined);
  await pass(40);
  expect(held.writesColumns()).toBe(false);
});

test("code that knows text only waits for its upgrade at columns", () => {
  const items = [keyed(receivedItem({ id: "é" }))];
  const received = receivedColumns(items, 0);
  expect(() => readReceived(received.toString("utf8"))).toThrow(UpgradeRequired);
  const { key: _, fingerprint: __, ...item } = keyed(receivedItem({ id: "é" }));
  const recorded = recordedColumns(0, [{ kind: "event", seq: 1, recordedAt: 1, tenancyVersion: 0, ...item }]);
  expect(() => readRecorded(recorded.toString("utf8"))).toThrow(UpgradeRequired);
});
