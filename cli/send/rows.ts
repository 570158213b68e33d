import { constants, createReadStream } from "node:fs";
import { access, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { PassThrough, type Readable } from "node:stream";
import { parse } from "csv-parse";
import { UserError } from "../connection/failure.js";
import type { Row } from "./event.js";

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

async function sizeOf(file: string): Promise<number> {
  try {
    await access(file, constants.R_OK);
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch {
    throw new UserError(`There is no readable file ${file}.`);
  }
  throw new UserError(`${file} is not a file.`);
}

/** The rows in order, with backpressure. `columns`: names required in a CSV header. */
export function readRows(input: Input, columns: Iterable<string>): AsyncGenerator<Read> {
  return input.format === "csv" ? readCsv(input.stream, [...columns]) : readLines(input.stream);
}

async function* readLines(stream: Readable): AsyncGenerator<Read> {
  let line = 0;
  for await (const raw of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1;
    const text = (line === 1 ? raw.replace(/^\uFEFF/, "") : raw).trim();
    if (text !== "") yield { row: { line, text } };
  }
}

interface CsvRecord {
  readonly record: Readonly<Record<string, string>>;
  readonly info: { readonly lines: number };
}

async function* readCsv(stream: Readable, needed: readonly string[]): AsyncGenerator<Read> {
  const skipped: Read[] = [];
  const parser = parse({
    bom: true,
    info: true,
    columns: (header: string[]) => checkedHeader(header, needed),
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error, raw) => {
      const line = error !== undefined && typeof error.lines === "number" ? error.lines : 0;
      skipped.push({ row: { line, text: raw ?? "" }, problem: error?.message ?? "is not CSV" });
    },
  });
  stream.on("error", (error) => parser.destroy(error));
  for await (const found of stream.pipe(parser)) {
    yield* skipped.splice(0);
    const { record, info }: CsvRecord = found;
    const cells = new Map(Object.entries(record));
    yield { row: { line: info.lines, text: JSON.stringify(record), cells } };
  }
  yield* skipped.splice(0);
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
