import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../tests/support/effort.js";
import { UserError } from "../connection/failure.js";
import { type Built, buildEvent, type Mapping } from "./event.js";
import { type Format, type Read, readRows } from "./rows.js";
import { MAX_LINE_CHARACTERS } from "./text.js";

const MAPPING: Mapping = { names: new Map(), defaults: { type: "t" }, name: "file" };

/** Cut at these places, as a file or a pipe may be read. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index] ?? 0, end));
}

async function readAll(format: Format, bytes: Buffer, cuts: readonly number[] = []): Promise<Read[]> {
  const stream = Readable.from(pieces(bytes, cuts));
  const input = { format, stream, totalBytes: undefined, bytesRead: () => 0, end: () => undefined };
  const rows: Read[] = [];
  for await (const row of readRows(input, [])) rows.push(row);
  return rows;
}

const built = ({ row, problem }: Read): Built =>
  problem === undefined ? buildEvent(row, MAPPING) : { kind: "invalid", line: row.line, reason: problem };
const dataOf = (read: Read): unknown => {
  const one = built(read);
  return one.kind === "event" ? JSON.parse(one.json).data : one;
};

const cuts = fc.array(fc.nat(), { maxLength: 6 });
const lineEnd = fc.constantFrom("\n", "\r\n", "\r");
const encoded: Readonly<Record<string, (text: string) => Buffer>> = {
  "UTF-8": (text) => Buffer.from(text),
  "UTF-8 with a mark": (text) => Buffer.from(`\ufeff${text}`),
  "UTF-16": (text) => Buffer.from(`\ufeff${text}`, "utf16le"),
  "UTF-16, the other order": (text) => Buffer.from(`\ufeff${text}`, "utf16le").swap16(),
};
const encoding = fc.constantFrom(...Object.keys(encoded));
const bytesOf = (name: string, text: string): Buffer => encoded[name]?.(text) ?? Buffer.alloc(0);
/** Text with what separates rows and cells elsewhere in Unicode, and in CSV. */
const value = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }),
  fc.constantFrom("a\u2028b", "a\u2029b", "a\u0085b", "💥", "é", '"', ",", "a\r\nb", "\\", "x".repeat(300), "\ufeff"),
);

test("JSON lines give the same values in every encoding, with every line end, however they arrive", async () => {
  const many = fc.array(value, { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(many, encoding, lineEnd, fc.boolean(), cuts, async (values, name, end, isEnded, where) => {
      const text = values.map((x) => JSON.stringify({ x })).join(end) + (isEnded ? end : "");
      const rows = await readAll("ndjson", bytesOf(name, text), where);
      expect(rows.map(({ row }) => row.line)).toEqual(values.map((_, index) => index + 1));
      expect(rows.map(dataOf)).toEqual(values.map((x) => ({ x })));
    }),
    { numRuns: runs(150) },
  );
});

test("CSV gives the same values in every encoding, with every line end, however it arrives", async () => {
  const many = fc.array(value, { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(many, encoding, fc.constantFrom("\n", "\r\n"), cuts, async (values, name, end, where) => {
      const text = ["n,x", ...values.map((x, n) => `${n},"${x.replaceAll('"', '""')}"`)].join(end);
      const rows = await readAll("csv", bytesOf(name, text), where);
      expect(rows.map(dataOf)).toEqual(values.map((x, n) => ({ n: String(n), x })));
    }),
    { numRuns: runs(150) },
  );
});

/** Mostly rows, with damage. */
const nearlyFile = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: value.map((x) => JSON.stringify({ type: "t", x })) },
      { weight: 3, arbitrary: value.map((x) => `t,${x}`) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('{"a":', "[]", "null", '"', "a,b,c", ",,,", "\u0000", "", " ", '"a"b,c', "{}"),
      },
      {
        weight: 1,
        arbitrary: fc
          .integer({ min: 1, max: 6_000 })
          .map((depth) => `{"x":${'{"a":'.repeat(depth)}1${"}".repeat(depth + 1)}`),
      },
    ),
    { maxLength: 6 },
  )
  .chain((lines) =>
    fc.tuple(fc.constant(Buffer.from(lines.join("\n"))), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 })),
  )
  .map(([bytes, damages]) => {
    for (const [at, byte] of damages) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return bytes;
  });

test("whatever a file holds, each row is an event or has a reason, or the whole is refused in one sentence", async () => {
  await fc.assert(
    fc.asyncProperty(
      nearlyFile,
      fc.constantFrom("ndjson" as const, "csv" as const),
      cuts,
      async (bytes, format, where) => {
        try {
          const rows = await readAll(format, bytes, where);
          for (const one of rows.map(built)) if (one.kind === "invalid") expect(one.reason).toMatch(/^.{3,}$/s);
          // No byte was replaced.
          expect(bytes.includes("\ufffd") || !rows.some(({ row }) => row.text.includes("\ufffd"))).toBe(true);
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          expect(error.message).toMatch(/^[^\n]+[.?]$/);
        }
      },
    ),
    { numRuns: runs(300) },
  );
});

test.each<[Format, string, string]>([
  ["ndjson", '{"x":"', '"}\n{"x":1}\n'],
  ["csv", 'n,x\n1,"', "\n2,3\n"],
])("%s: a line without an end is not kept in memory", async (format, before, after) => {
  const stream = Readable.from(
    (function* () {
      yield Buffer.from(before);
      for (let n = 0; n < 3; n += 1) yield Buffer.alloc(MAX_LINE_CHARACTERS, "x");
      yield Buffer.from(after);
    })(),
  );
  const input = { format, stream, totalBytes: undefined, bytesRead: () => 0, end: () => undefined };
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const read of readRows(input, [])) seen.push(read.problem ?? dataOf(read));
  })();
  if (format === "csv") await expect(reading).rejects.toThrow("is a quote not closed?");
  else {
    await reading;
    expect(seen).toEqual([`has more than ${MAX_LINE_CHARACTERS} characters`, { x: 1 }]);
  }
});

test("bytes that are no text are refused, not replaced", async () => {
  for (const format of ["ndjson", "csv"] as const)
    await expect(readAll(format, Buffer.from('type,x\n{"x":"caf\xe9"}\n', "latin1"))).rejects.toThrow(
      /not valid UTF-8.*iconv/,
    );
});

test("a CSV line with many misplaced quotes is one rejected row, or refused, and takes no time", async () => {
  const lines = (quotes: number) => Buffer.from(`n,x\n1,${'a"'.repeat(quotes)}\n2,3\n`);
  const rows = await readAll("csv", lines(90));
  expect(rows.map(({ problem }) => problem?.slice(0, 21))).toEqual(["Invalid Opening Quote", undefined]);
  expect(rows.map(({ row }) => row.line)).toEqual([2, 3]);
  await expect(readAll("csv", lines(400_000))).rejects.toThrow("Line 2 has more than 100 misplaced quotes");
});
