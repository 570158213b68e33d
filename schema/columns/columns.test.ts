import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../tests/support/effort.js";
import type { LedgerEntry } from "../events/usage-recorded.v1.js";
import { columnOf, readColumn, writeColumn } from "./integers.js";
import { type KeyedItem, readReceivedColumns, receivedColumns } from "./received.js";
import { readRecordedColumns, recordedColumns } from "./recorded.js";

// Few names, so that events share streams, and whatever UTF-8 has.
const name = fc.oneof(
  fc.constantFrom("acme", "globex", '"', "\\", "\n", "\u2028", "\u007f", "é", "😀"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\0")),
);
const instant = fc.oneof(
  fc.integer({ min: -8.64e15, max: 8.64e15 }),
  fc.integer({ min: 1_790_000_000_000, max: 1_790_000_070_000 }),
);
const data = fc.oneof(
  fc.constantFrom("{}", '{"tokens":"12"}', "null", '"é"'),
  fc.jsonValue().map((value) => JSON.stringify(value)),
);
const item = fc
  .record({ tenantId: name, source: name, id: name, type: name, time: instant, receivedAt: instant, data })
  .chain((one) => fc.boolean().map((imported) => (imported ? { ...one, imported: true as const } : one)));
const digest = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const keyed: fc.Arbitrary<KeyedItem> = fc
  .tuple(item, digest, digest)
  .map(([one, key, fingerprint]) => ({ ...one, key, fingerprint }));

const DIGESTS = { key: "k".repeat(16), fingerprint: "f".repeat(16) };

test("the recorder reads the items and digests that the edge wrote", () => {
  fc.assert(
    fc.property(fc.array(keyed, { minLength: 1, maxLength: 8 }), fc.nat(), (items, tenancyVersion) => {
      const read = readReceivedColumns(receivedColumns(items, tenancyVersion));
      expect(read).toMatchObject({ items, tenancyVersion });
      expect(new Set(read.tenantIds)).toEqual(new Set(items.map(({ tenantId }) => tenantId)));
    }),
    { numRuns: runs(500) },
  );
});

const other = fc.constantFrom(
  { kind: "tick" as const, at: 5, invoiceVersion: 2 as const },
  { kind: "close" as const, tenantId: "acme", periodStart: 7, actor: "a\nb" },
  { kind: "backfill" as const, meterKey: "m" },
);
const event = item.map((one) => ({ kind: "event" as const, ...one }));

test("services read the entries that the recorder sealed, in their places", () => {
  const stamp = { recordedAt: 1_790_000_000_300, tenancyVersion: 17 };
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 3, arbitrary: event }, { weight: 1, arbitrary: other }), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.integer({ min: 1, max: 2 ** 52 }),
      (bare, firstSeq) => {
        fc.pre(bare.some(({ kind }) => kind === "event"));
        const entries: LedgerEntry[] = bare.map((entry, index) => ({ ...entry, seq: firstSeq + index, ...stamp }));
        expect(readRecordedColumns(recordedColumns(3, entries))).toEqual({
          ...{ partition: 3, firstSeq, lastSeq: firstSeq + entries.length - 1, ...stamp },
          entries,
        });
      },
    ),
    { numRuns: runs(500) },
  );
});

test("a column keeps its numbers, in no more bytes than their range needs", () => {
  const safe = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
  const near = fc.tuple(
    fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
    fc.constantFrom(0, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32),
  );
  const numbers = fc.oneof(
    fc.array(safe, { minLength: 1, maxLength: 20 }),
    near.map(([from, range]) => [from, from + range, from]),
  );
  fc.assert(
    fc.property(numbers, (values) => {
      const column = columnOf(values);
      const bytes = Buffer.alloc(column.bytes);
      writeColumn(bytes, 0, column);
      expect([...readColumn(bytes, values.length)]).toEqual(values);
      const range = Math.max(...values) - Math.min(...values);
      if (column.width !== 8) expect(range).toBeLessThan(2 ** (8 * column.width));
      if (range < 2 ** 32)
        expect(column.width).toBeLessThanOrEqual(
          range === 0 ? 0 : Math.max(1, 2 * Math.ceil(Math.log2(range + 1) / 16)),
        );
    }),
    { numRuns: runs(500) },
  );
});

test("events of one stream and moment cost their id, their data and at most a few bytes", () => {
  const items = Array.from({ length: 1_000 }, (_, n) => ({
    ...{ tenantId: "acme", source: "api-gateway", type: "api.request", receivedAt: 1_790_000_000_120 },
    ...{ id: `0f8b1c2e-1111-4222-8333-${String(n).padStart(12, "0")}`, time: 1_790_000_000_000 + n },
    data: '{"tokens":"12"}',
  }));
  expect(
    receivedColumns(
      items.map((one) => ({ ...one, ...DIGESTS })),
      17,
    ).length / items.length,
  ).toBeLessThan(36 + 15 + 32 + 3);
  const stamp = { recordedAt: 1, tenancyVersion: 17 };
  const entries = items.map((one, n): LedgerEntry => ({ kind: "event", seq: 1 + n, ...stamp, ...one }));
  expect(recordedColumns(0, entries).length / items.length).toBeLessThan(36 + 15 + 3);
});

test("what could not be read again is not written", () => {
  const one = { tenantId: "acme", source: "s", id: "i", type: "t", time: 0, receivedAt: 0, data: "{}", ...DIGESTS };
  expect(() => receivedColumns([], 0)).toThrow(RangeError);
  for (const changed of [{ id: "" }, { data: "" }, { time: 0.5 }, { receivedAt: Number.NaN }])
    expect(() => receivedColumns([{ ...one, ...changed }], 0)).toThrow(RangeError);
  // Together they have the right length.
  const wrong = [15, 17].map((length) => ({ ...one, key: "k".repeat(length) }));
  expect(() => receivedColumns(wrong, 0)).toThrow(RangeError);
  expect(() => recordedColumns(0, [{ kind: "tick", seq: 1, recordedAt: 1, tenancyVersion: 0, at: 1 }])).toThrow(
    RangeError,
  );
});

test("entries that a block would give back with another number or stamp are not written", () => {
  const {
    key: _,
    fingerprint: __,
    ...own
  } = {
    ...{ tenantId: "acme", source: "s", id: "i", type: "t", time: 0, receivedAt: 0, data: "{}" },
    ...DIGESTS,
  };
  const entry = (seq: number, changed: Partial<LedgerEntry> = {}): LedgerEntry =>
    ({ kind: "event", seq, recordedAt: 1, tenancyVersion: 2, ...own, ...changed }) as LedgerEntry;
  expect(() => recordedColumns(0, [entry(7), entry(8)])).not.toThrow();
  for (const second of [entry(9), entry(7), entry(8, { recordedAt: 2 }), entry(8, { tenancyVersion: 3 })])
    expect(() => recordedColumns(0, [entry(7), second])).toThrow(RangeError);
});
