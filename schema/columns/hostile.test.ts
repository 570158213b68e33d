import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { runs } from "../../tests/support/effort.js";
import { ContractViolation } from "../events/contract.js";
import type { LedgerEntry } from "../events/usage-recorded.v1.js";
import { Malformed } from "./malformed.js";
import { readReceivedColumns, receivedColumns } from "./received.js";
import { readRecordedColumns, recordedColumns } from "./recorded.js";
import { HEAD_BYTES } from "./sealed.js";

const item = {
  tenantId: "acme",
  source: "s",
  id: "é-1",
  type: "t",
  time: 1_790_000_000_000,
  receivedAt: 5,
  data: '{"n":"é"}',
};
const digests = { key: "k".repeat(16), fingerprint: "f".repeat(16) };
const received = receivedColumns(
  [
    { ...item, ...digests },
    { ...item, id: "2", time: 7, ...digests },
  ],
  17,
);
const stamp = { recordedAt: 1_790_000_000_300, tenancyVersion: 17 };
const entries: LedgerEntry[] = [
  { kind: "tick", seq: 41, ...stamp, at: 5 },
  { kind: "event", seq: 42, ...stamp, ...item },
  { kind: "event", seq: 43, ...stamp, ...item, id: "2", imported: true },
  { kind: "backfill", seq: 44, ...stamp, meterKey: "m" },
];
const recorded = recordedColumns(3, entries);
const READERS = [
  ["received", received, readReceivedColumns],
  ["recorded", recorded, readRecordedColumns],
] as const;

/** With the checksum of its bytes, as a writer with bad intent would set it. */
function resealed(bytes: Buffer): Buffer {
  if (bytes.length >= 8) bytes.writeUInt32BE(crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4))), 4);
  return bytes;
}

function refusal(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}

const REFUSALS = [Malformed, UpgradeRequired, ContractViolation, SyntaxError];
const isRefusal = (error: unknown): boolean => REFUSALS.some((kind) => error instanceof kind);

test.each(READERS)(
  "%s: a record with any one bit changed is malformed, and waits for no upgrade",
  (_, record, read) => {
    for (let bit = 0; bit < record.length * 8; bit += 1) {
      const changed = Buffer.from(record);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // Of another version nothing else is known.
      const isOfVersion = bit >> 3 === 1 && changed[1] !== 0;
      expect(refusal(() => read(changed))).toBeInstanceOf(isOfVersion ? UpgradeRequired : Malformed);
    }
  },
);

test.each(READERS)("%s: every beginning of a record is refused, also with a checksum of its own", (_, record, read) => {
  for (let length = 0; length < record.length; length += 1)
    expect(refusal(() => read(resealed(Buffer.from(record.subarray(0, length)))))).toSatisfy(isRefusal);
});

test.each(READERS)("%s: any bytes with a right checksum are read, or refused", (_, record, read) => {
  const place = fc.nat({ max: record.length - 1 });
  const edit = fc.tuple(place, fc.oneof(fc.constantFrom(0, 1, 2, 4, 8, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })));
  const changed = fc
    .tuple(fc.array(edit, { minLength: 1, maxLength: 6 }), fc.uint8Array({ maxLength: 8 }))
    .map(([edits, tail]) => {
      const bytes = Buffer.concat([record, Buffer.from(tail)]);
      for (const [at, value] of edits) if (at > 2) bytes[at] = value;
      return resealed(bytes);
    });
  fc.assert(
    fc.property(changed, (bytes) => {
      const error = refusal(() => read(bytes));
      if (error !== undefined) expect(error).toSatisfy(isRefusal);
    }),
    { numRuns: runs(3_000) },
  );
});

test.each(READERS)("%s: a head that announces billions costs nothing", (_, record, read) => {
  const widthless = Buffer.from(record);
  widthless.writeUInt32BE(0xffff_fff0, 8);
  widthless.writeUInt32BE(0xffff_fff0, 12);
  expect(refusal(() => read(resealed(widthless)))).toBeInstanceOf(Malformed);
  for (let section = 0; section < 11; section += 1) {
    const long = Buffer.from(record);
    long.writeUInt32BE(0xffff_ffff, 44 + 4 * section);
    expect(refusal(() => read(resealed(long)))).toBeInstanceOf(Malformed);
  }
});

test.each(READERS)("%s: a newer version and a feature ask for an upgrade, and say what for", (_, record, read) => {
  const newer = Buffer.from(record);
  newer[1] = 2;
  expect(refusal(() => read(newer))).toMatchObject({ unknown: { set: "encoding", member: "columns.2" } });
  // Of a version whose head is shorter, too.
  expect(refusal(() => read(Buffer.from([2, 9])))).toMatchObject({ unknown: { member: "columns.9" } });
  const featured = Buffer.from(record);
  featured[3] = 4;
  expect(refusal(() => read(resealed(featured)))).toMatchObject({ unknown: { set: "feature", member: "4" } });
});

test("a stream's flag, and an entry of a kind, that newer code has ask for an upgrade", () => {
  const flagged = Buffer.from(received);
  const flag = flagged.indexOf('"t",0]') + 4;
  flagged.write("2", flag);
  expect(refusal(() => readReceivedColumns(resealed(flagged)))).toMatchObject({ unknown: { set: "stream flag" } });
  const renamed = Buffer.from(recorded);
  renamed.write("tock", renamed.indexOf("tick"));
  expect(refusal(() => readRecordedColumns(resealed(renamed)))).toMatchObject({
    unknown: { set: "ledger entry", member: "tock" },
  });
});

test("a record in the wrong topic is malformed", () => {
  expect(refusal(() => readReceivedColumns(recorded))).toBeInstanceOf(Malformed);
  expect(refusal(() => readRecordedColumns(received))).toBeInstanceOf(Malformed);
});

test("an entry whose place is taken or missing, and an event outside of the columns, are malformed", () => {
  const withOthers = (change: (text: string) => string): unknown => {
    const changed = Buffer.from(change(recorded.toString("latin1")), "latin1");
    return refusal(() => readRecordedColumns(resealed(changed)));
  };
  expect(withOthers((text) => text)).toBeUndefined();
  for (const place of ["0", "4", "9", '"', "-"])
    expect(withOthers((text) => text.replace('[3,{"kind"', `[${place},{"kind"`))).toSatisfy(isRefusal);
  const imported = { kind: "import", ...item, id: "0", data: "{}" };
  const text = JSON.stringify([[0, imported]]);
  const block = recordedColumns(3, [
    {
      kind: "void",
      seq: 41,
      ...stamp,
      tenantId: "a",
      reason: "r".repeat(2 * text.length),
      actor: "a",
      event: { kind: "event", seq: 1, ...stamp, ...item },
    },
    ...entries.slice(1, 2),
  ]);
  const at = block.indexOf('[[0,{"kind":"void"');
  const length = block.readUInt32BE(44 + 4);
  block.fill(" ", at, at + length);
  block.write(text, at);
  expect(refusal(() => readRecordedColumns(resealed(block)))).toBeInstanceOf(Malformed);
});

test("a text that is empty, ends inside a character or has NUL is malformed", () => {
  // The lengths of the ids follow the numbers of streams and two columns of instants: a head of 9 bytes, then one byte for each.
  const before = [0, 1, 2, 3, 4].reduce((sum, section) => sum + received.readUInt32BE(44 + 4 * section), HEAD_BYTES);
  const lengths = before + 9;
  const withLengths = (first: number, second: number): unknown => {
    const changed = Buffer.from(received);
    changed.writeInt32BE(0, lengths - 5);
    changed[lengths] = first;
    changed[lengths + 1] = second;
    return refusal(() => readReceivedColumns(resealed(changed)));
  };
  expect(withLengths(4, 1)).toBeUndefined();
  for (const [first, second] of [
    [0, 5],
    [1, 4],
    [5, 0],
    [4, 2],
  ] as const)
    expect(withLengths(first, second)).toBeInstanceOf(Malformed);
  const withNul = Buffer.from(received);
  withNul[withNul.indexOf("é-12") + 2] = 0;
  expect(refusal(() => readReceivedColumns(resealed(withNul)))).toBeInstanceOf(Malformed);
});

test("a name, and an entry of another kind, that is no UTF-8 is malformed, and not another name", () => {
  for (const [record, read, text] of [
    [received, readReceivedColumns, '"acme"'],
    [recorded, readRecordedColumns, '"acme"'],
    [recorded, readRecordedColumns, '"m"'],
  ] as const) {
    const changed = Buffer.from(record);
    changed[changed.indexOf(text) + 1] = 0xff;
    expect(refusal(() => read(resealed(changed)))).toBeInstanceOf(Malformed);
  }
});
