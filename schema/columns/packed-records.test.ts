import fc from "fast-check";
import { expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { runs } from "../../tests/support/effort.js";
import { storedEntries, storedEntryOf } from "../events/ledger-block.v1.js";
import { usageReceivedV1 } from "../events/usage-received.v1.js";
import { encodeItem, type ReceivedItem, readReceived, receivedText } from "../events/usage-received.v2.js";
import { type LedgerEntry, usageRecordedV1 } from "../events/usage-recorded.v1.js";
import { readRecorded, recordedText } from "../events/usage-recorded.v2.js";

// Whatever may stand in a text of the log, line feeds, quotes and pairs of surrogates included.
const name = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1 }),
  fc.constantFrom('"', "\\", "\n", "\u2028", "\u007f", "é", "😀", "\u0000"),
);
const instant = fc.integer({ min: -8.64e15, max: 8.64e15 });
const data = fc.jsonValue().map((value) => JSON.stringify(value));
const item: fc.Arbitrary<ReceivedItem> = fc.record({
  tenantId: name,
  source: name,
  id: name,
  type: name,
  time: instant,
  receivedAt: instant,
  data,
});
const throughBytes = (text: string): string => Buffer.from(text).toString("utf8");

test("the recorder reads what the edge wrote, byte for byte", () => {
  fc.assert(
    fc.property(fc.array(item, { minLength: 1, maxLength: 5 }), fc.nat(), (items, tenancyVersion) => {
      const text = receivedText(items.map(encodeItem), tenancyVersion);
      expect(readReceived(throughBytes(text))).toEqual({ kind: "items", items, tenancyVersion });
      const imported = receivedText(items.map(encodeItem), tenancyVersion, true);
      const marked = items.map((one) => ({ ...one, imported: true }));
      expect(readReceived(throughBytes(imported))).toEqual({ kind: "items", items: marked, tenancyVersion });
    }),
    { numRuns: runs(500) },
  );
});

test("services read what the recorder published, byte for byte", () => {
  const stamp = { recordedAt: 1_790_000_000_300, tenancyVersion: 17 };
  const event = item.map((one) => ({ kind: "event" as const, ...one }));
  const imported = event.map((one) => ({ ...one, imported: true as const }));
  const other = fc.constantFrom(
    { kind: "tick" as const, at: 5 },
    { kind: "close" as const, tenantId: "acme", periodStart: 7, actor: "a\nb" },
    { kind: "backfill" as const, meterKey: "m" },
    {
      ...{
        kind: "creditGrant" as const,
        tenantId: "acme",
        grantId: "g",
        amount: "1",
        currency: "EUR",
        expiresAt: null,
      },
      ...{ priority: 0, at: 5, reason: "a\nb", actor: "me" },
    },
    { kind: "creditVoid" as const, tenantId: "acme", grantId: "g", at: 6, reason: "r", actor: "me" },
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(event, imported, other), { minLength: 1, maxLength: 5 }), (bare) => {
      const entries: LedgerEntry[] = bare.map((entry, index) => ({ ...entry, seq: 41 + index, ...stamp }));
      expect(readRecorded(throughBytes(recordedText(3, entries)))).toEqual({
        firstSeq: 41,
        lastSeq: 40 + entries.length,
        entries,
      });
      const block: unknown = JSON.parse(JSON.stringify(entries.map(storedEntryOf)));
      expect(storedEntries({ firstSeq: 41, ...stamp }, block)).toEqual(entries);
    }),
    { numRuns: runs(500) },
  );
});

test("an imported event is stored as nothing that a reader of before imports would take for another event", () => {
  const entry: LedgerEntry = {
    ...{ kind: "event", seq: 41, recordedAt: 1, tenancyVersion: 17, tenantId: "acme", source: "s", id: "i" },
    ...{ type: "t", time: 1, receivedAt: 1, data: "{}", imported: true },
  };
  expect(JSON.parse(JSON.stringify(storedEntryOf(entry)))).toMatchObject({ kind: "import", id: "i" });
  expect(recordedText(3, [entry])).toContain('{"kind":"import"');
  expect(receivedText([encodeItem(entry)], 17, true)).toSatisfy((text: string) => text.startsWith("\u0001"));
});

test.each([
  ["a control record", '\u0001{"kind":"tick","at":5}'],
  ["an item of version 1", `\u0001${JSON.stringify(usageReceivedV1.example)}`],
  ["itself", '\u0001\u0001{"kind":"items","tenancyVersion":0,"items":[]}\n'],
  ["nothing", "\u0001"],
])("a record of imported items that holds %s is malformed", (_, text) => {
  expect(() => readReceived(text)).toThrow(/packed|JSON|kind|items|token/);
  expect(() => readReceived(text)).not.toThrow(UpgradeRequired);
});

test("records of version 1 are read as before", () => {
  const received = readReceived(JSON.stringify(usageReceivedV1.example));
  expect(received).toMatchObject({ kind: "items", tenancyVersion: 0, items: [{ id: "req-1" }] });
  expect(readReceived('{"kind":"tick","at":5}')).toEqual({ kind: "tick", at: 5 });
  expect(readRecorded(JSON.stringify(usageRecordedV1.example)).entries).toEqual(usageRecordedV1.example.entries);
});

test("a record whose lengths and data disagree is refused", () => {
  const { head } = encodeItem({ ...receivedExample, data: '{"n":1}' });
  for (const data of ['{"n":1', '{"n":1} ', ""])
    expect(() => readReceived(receivedText([{ head, data }], 0))).toThrow(RangeError);
});

const receivedExample: ReceivedItem = {
  tenantId: "a",
  source: "s",
  id: "i",
  type: "t",
  time: 0,
  receivedAt: 0,
  data: "{}",
};
