import { constants, createReadStream } from "node:fs";
import { access, stat } from "node:fs/promises";
import { PassThrough, Readable } from "node:stream";
import { type CsvError, parse } from "csv-parse";
import { UserError } from "../connection/failure.js";
import type { Row } from "./event.js";
import { decoded, linesOf, MAX_LINE_CHARACTERS } from "./text.js";

export type Format = "ndjson" | "csv";

export interface Input {
  readonly format: Format;
  readonly stream: Readable;
  /** Of a file; undefined for standard input, whose length is unknown. */
  readonly totalBytes: number | undefined;
  bytesRead(): number;
  /** Ends the rows, also while waiting for more; the last, truncated row must not be used. */
  end(): void;
}

/** A row; with `problem` when the line is unreadable. */
export interface Read {
  readonly row: Row;
  readonly problem?: string;
}

/** `file` undefined or `-` is standard input. Throws `UserError` when the file does not exist. */
export async function openInput(file: string | undefined, format: Format | undefined): Promise<Input> {
  let bytes = 0;
  const isFile = file !== undefined && file !== "-";
  const totalBytes = isFile ? await sizeOf(file) : undefined;
  const source: Readable = isFile ? createReadStream(file) : process.stdin;
  const stream = new PassThrough();
  source.on("data", (chunk: Buffer | string) => {
    bytes += chunk.length;
  });
  source.on("error", (error) => stream.destroy(error)).pipe(stream);
  const byName = file?.toLowerCase().endsWith(".csv") ? "csv" : "ndjson";
  function end(): void {
    source.unpipe(stream);
    source.destroy();
    stream.end();
  }
  return { format: format ?? byName, stream, totalBytes, bytesRead: () => bytes, end };
}

/** In bytes. Throws `UserError` for what cannot be read. */
export async function sizeOf(file: string): Promise<number> {
  try {
    await access(file, constants.R_OK);
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch {
    throw new UserError(`There is no readable file ${file}.`);
  }
  throw new UserError(`${file} is not a file.`);
}

/** The rows in order, with backpressure. `columns`: names required in a CSV header. Throws `UserError` as `decoded`. */
export function readRows(input: Input, columns: Iterable<string>): AsyncGenerator<Read> {
  return input.format === "csv" ? readCsv(input.stream, [...columns]) : readLines(input.stream);
}

async function* readLines(stream: Readable): AsyncGenerator<Read> {
  let line = 0;
  for await (const raw of linesOf(decoded(stream))) {
    line += 1;
    const text = raw?.trim();
    if (text === undefined) yield { row: { line, text: "" }, problem: TOO_LONG };
    else if (text !== "") yield { row: { line, text } };
  }
}

const TOO_LONG = `has more than ${MAX_LINE_CHARACTERS} characters`;

interface CsvRecord {
  readonly record: Readonly<Record<string, string>>;
  readonly info: { readonly lines: number };
}

async function* readCsv(stream: Readable, needed: readonly string[]): AsyncGenerator<Read> {
  const skipped = createSkipped();
  const parser = parse({
    info: true,
    max_record_size: MAX_LINE_CHARACTERS,
    columns: (header: string[]) => checkedHeader(header, needed),
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: skipped.note,
  });
  const text = Readable.from(decoded(stream)).on("error", (error) => parser.destroy(error));
  for await (const found of text.pipe(parser)) {
    yield* skipped.take();
    const { record, info }: CsvRecord = found;
    const cells = new Map(Object.entries(record));
    yield { row: { line: info.lines, text: JSON.stringify(record), cells } };
  }
  yield* skipped.take();
}

/** Mistakes in one line that are looked at: the parser repeats the text before each. */
const MAX_MISTAKES = 100;
const MAX_PROBLEM_CHARACTERS = 300;

/** Records that the parser skips, one for each line, though it reports every mistake. */
function createSkipped() {
  let skipped: Read[] = [];
  let [line, mistakes] = [-1, 0];
  return {
    /** What it throws ends the parser. */
    note(error: CsvError | undefined, raw: string | undefined): undefined {
      const at = error !== undefined && typeof error.lines === "number" ? error.lines : 0;
      if (error?.code === "CSV_MAX_RECORD_SIZE")
        throw new UserError(`The record at line ${at} ${TOO_LONG}: is a quote not closed?`);
      [line, mistakes] = [at, at === line ? mistakes + 1 : 1];
      if (mistakes > MAX_MISTAKES)
        throw new UserError(`Line ${at} has more than ${MAX_MISTAKES} misplaced quotes: is this CSV?`);
      if (mistakes > 1) return;
      const problem = (error?.message ?? "is not CSV").slice(0, MAX_PROBLEM_CHARACTERS);
      skipped.push({ row: { line: at, text: raw ?? "" }, problem });
    },
    take(): readonly Read[] {
      const taken = skipped;
      skipped = [];
      return taken;
    },
  };
}

function checkedHeader(header: readonly string[], needed: readonly string[]): string[] {
  const names = header.map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UserError(`The header names "${twice}" twice.`);
  const lacking = needed.filter((name) => !names.includes(name));
  if (lacking.length > 0)
    throw new UserError(`There is no column ${lacking.join(", ")}; the header has ${names.join(", ")}.`);
  return names;
}
