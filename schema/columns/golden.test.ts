import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { ReceivedItem } from "../events/usage-received.v2.js";
import type { LedgerEntry, RecordedEvent } from "../events/usage-recorded.v1.js";
import { readReceivedColumns, receivedColumns } from "./received.js";
import { readRecordedColumns, recordedColumns } from "./recorded.js";

const examples = <T>(file: string): T =>
  JSON.parse(readFileSync(new URL(`../events/examples/${file}.json`, import.meta.url), "utf8"));
const stored = examples<Record<string, string>>("usage.columns");
const digestOf = (uuid: string): string => Buffer.from(uuid.replaceAll("-", ""), "hex").toString("latin1");
const items = examples<(ReceivedItem & { key: string; fingerprint: string })[]>("event-keys").map(
  ({ key, fingerprint, ...item }) => ({ ...item, key: digestOf(key), fingerprint: digestOf(fingerprint) }),
);
const keyed = items.map((one, n) => (n % 4 === 1 ? { ...one, imported: true as const } : one));
const stamp = { recordedAt: 1_790_000_000_300, tenancyVersion: 17 };
const event = (seq: number, n: number): RecordedEvent => {
  const { key: _, fingerprint: __, ...item } = keyed[n] ?? never();
  return { kind: "event", seq, ...stamp, ...item };
};
const entries: readonly LedgerEntry[] = [
  { kind: "tick", seq: 41, ...stamp, at: 1_790_000_000_290, invoiceVersion: 2 },
  ...[0, 1, 2, 3].map((n) => event(42 + n, n)),
  {
    kind: "close",
    seq: 46,
    ...stamp,
    tenantId: "acme",
    periodStart: 1_788_000_000_000,
    actor: "operator",
    invoiceVersion: 2,
  },
  {
    kind: "void",
    seq: 47,
    ...stamp,
    tenantId: "acme",
    reason: "wrong é",
    actor: "operator",
    event: event(42, 0),
  },
  event(48, 5),
  { kind: "backfill", seq: 49, ...stamp, meterKey: "tokens" },
];

function never(): never {
  throw new Error("no such example");
}

/** Stored records never change: this build must read these bytes, and writes the same. */
test("records of columns.1 that were stored are read", () => {
  expect(readReceivedColumns(bytesOf("received"))).toMatchObject({ items: keyed, tenancyVersion: 17 });
  expect(readRecordedColumns(bytesOf("recorded"))).toMatchObject({ partition: 3, firstSeq: 41, lastSeq: 49, entries });
  expect(readRecordedColumns(bytesOf("recorded, wide instants")).entries).toEqual(wide);
});

test("records of columns.1 are written byte for byte as before", () => {
  expect(receivedColumns(keyed, 17).toString("base64")).toBe(stored.received);
  expect(recordedColumns(3, entries).toString("base64")).toBe(stored.recorded);
  expect(recordedColumns(0, wide).toString("base64")).toBe(stored["recorded, wide instants"]);
});

const wide: LedgerEntry[] = [-8.64e15, 8.64e15, 0].map((time, n) => ({
  ...{
    kind: "event",
    seq: n + 1,
    recordedAt: 0,
    tenancyVersion: 0,
    tenantId: "acme",
    source: "s",
    id: `i${n}`,
    type: "t",
  },
  ...{ time, receivedAt: 0, data: "{}" },
}));

const bytesOf = (name: string): Buffer => Buffer.from(stored[name] ?? never(), "base64");
