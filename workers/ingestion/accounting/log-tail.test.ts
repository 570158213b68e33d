import { expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import type { LogRecord } from "#platform/event-log/event-log.js";
import { receivedColumns } from "#schema/columns/received.js";
import { encodeItem, receivedText } from "#schema/events/usage-received.v2.js";
import { keyed, receivedItem } from "../world.testing.js";
import { createLogTail } from "./log-tail.js";

const ALL = { from: -Infinity, to: Infinity };

/** A log in memory that tells which offsets were read. */
function logOf(records: Buffer[]) {
  let first = 0;
  const read: number[] = [];
  return {
    records,
    read,
    trim: (before: number) => {
      first = before;
    },
    bounds: async () => ({ first, next: records.length }),
    async readFrom(_topic: unknown, _partition: number, from: number, max: number): Promise<LogRecord[]> {
      const start = Math.max(from, first);
      const found = records
        .slice(start, start + max)
        .map((value, index) => ({ ...EMPTY, offset: start + index, value }));
      read.push(...found.map(({ offset }) => offset));
      return found;
    },
  };
}
const EMPTY = { key: undefined, timestamp: 0 };

/** By turns as text and in columns. */
function record(...items: readonly { tenantId: string; receivedAt: number }[]): Buffer {
  const received = items.map((item, id) => receivedItem({ id: String(id), ...item }));
  turns += 1;
  return turns % 2 === 0
    ? Buffer.from(receivedText(received.map(encodeItem), 0))
    : receivedColumns(received.map(keyed), 0);
}
let turns = 0;
const acmeAt = (...hours: number[]) =>
  record(...hours.map((hour) => ({ tenantId: "acme", receivedAt: hour * HOUR_MS + 1 })));

function tailOf(log: ReturnType<typeof logOf>) {
  const tail = createLogTail({ bounds: log.bounds, read: log.readFrom });
  return (next: number, question = ALL, tenantId = "acme") => tail.count(0, next, { tenantId, ...question });
}

test("counts a tenant's items behind the cursor by hour of arrival, and nothing of what is no record of items", async () => {
  const other = record({ tenantId: "globex", receivedAt: 0 });
  const log = logOf([acmeAt(1, 1, 2), other, Buffer.from("{"), Buffer.from('{"kind":"tick","at":1}'), acmeAt(3)]);
  const count = tailOf(log);
  expect(await count(0)).toBe(4);
  expect(await count(0, { from: HOUR_MS, to: 2 * HOUR_MS })).toBe(2);
  expect(await count(1)).toBe(1);
  expect(await count(0, ALL, "globex")).toBe(1);
});

test("reads each record once for any number of callers, and drops recorded ones", async () => {
  const log = logOf([acmeAt(1), acmeAt(2), acmeAt(3)]);
  const count = tailOf(log);
  expect(await Promise.all([count(0), count(0), count(0, ALL, "globex")])).toEqual([3, 3, 0]);
  log.records.push(acmeAt(4));
  expect(await count(1)).toBe(3);
  expect(log.read).toEqual([0, 1, 2, 3]);
  // A cursor that is further back than what is kept: another reader's older snapshot.
  expect(await count(0)).toBe(4);
});

test("says so when the log has forgotten what would have to be counted", async () => {
  const log = logOf([acmeAt(1), acmeAt(2)]);
  log.trim(1);
  const count = tailOf(log);
  expect(await count(0)).toBe("trimmed");
  expect(await count(1)).toBe(1);
});
