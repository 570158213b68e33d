import { Malformed } from "./malformed.js";

/**
 * One column of whole numbers: a base (signed, 8 bytes), the width of a number (1 byte: 0, 1, 2, 4 or 8), and the numbers, each as its
 * difference from the base, unsigned. Width 0: all are the base, and nothing follows. Width 8: the base is 0, and each is a signed
 * number. Big-endian throughout.
 */
export interface IntegerColumn {
  readonly base: number;
  readonly width: 0 | 1 | 2 | 4 | 8;
  readonly values: readonly number[];
  /** Of the encoded column. */
  readonly bytes: number;
}

const HEAD_BYTES = 9;
const WORD = 0x1_0000_0000;

/** The smallest column that holds these. Throws RangeError for a number that is not a safe integer. */
export function columnOf(values: readonly number[]): IntegerColumn {
  let min = values[0] ?? 0;
  let max = min;
  for (const value of values) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a whole number`);
    if (value < min) min = value;
    else if (value > max) max = value;
  }
  const width = widthOf(max - min);
  return { base: width === 8 ? 0 : min, width, values, bytes: HEAD_BYTES + width * values.length };
}

function widthOf(range: number): IntegerColumn["width"] {
  if (range === 0) return 0;
  if (range <= 0xff) return 1;
  if (range <= 0xffff) return 2;
  return range < WORD ? 4 : 8;
}

/** Writes the column at an offset of `to`, which has room for its bytes. */
export function writeColumn(to: Buffer, at: number, { base, width, values }: IntegerColumn): void {
  writeInteger(to, at, base);
  to[at + 8] = width;
  let next = at + HEAD_BYTES;
  if (width === 0) return;
  for (const value of values) {
    const part = value - base;
    if (width === 1) to[next] = part;
    else if (width === 2) {
      to[next] = part >>> 8;
      to[next + 1] = part;
    } else if (width === 4) writeWord(to, next, part);
    else writeInteger(to, next, value);
    next += width;
  }
}

/** The numbers of a column that is all of `from`. Throws Malformed. */
export function readColumn(from: Buffer, count: number): Float64Array {
  if (from.length < HEAD_BYTES) throw new Malformed("a column is truncated");
  const base = readInteger(from, 0);
  const width = from[8];
  if (width !== 0 && width !== 1 && width !== 2 && width !== 4 && width !== 8)
    throw new Malformed(`a column has numbers of ${width} bytes`);
  if (from.length !== HEAD_BYTES + width * count) throw new Malformed("a column has another length than its record");
  if (width === 8 && base !== 0) throw new Malformed("a column of wide numbers has a base");
  const values = new Float64Array(count);
  if (width === 0) return values.fill(base);
  for (let index = 0, at = HEAD_BYTES; index < count; index += 1, at += width) {
    if (width === 1) values[index] = base + byte(from, at);
    else if (width === 2) values[index] = base + byte(from, at) * 0x100 + byte(from, at + 1);
    else if (width === 4) values[index] = base + readWord(from, at);
    else values[index] = readInteger(from, at);
  }
  return values;
}

/** A signed whole number of 8 bytes. */
export function writeInteger(to: Buffer, at: number, value: number): void {
  const high = Math.floor(value / WORD);
  writeWord(to, at, high);
  writeWord(to, at + 4, value - high * WORD);
}

/** Throws Malformed for a number that is not a safe integer. */
export function readInteger(from: Buffer, at: number): number {
  const value = (readWord(from, at) | 0) * WORD + readWord(from, at + 4);
  if (!Number.isSafeInteger(value)) throw new Malformed("a number is too large");
  return value;
}

export function writeWord(to: Buffer, at: number, value: number): void {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
}

/** An unsigned number of 4 bytes. */
export const readWord = (from: Buffer, at: number): number =>
  ((byte(from, at) << 24) | (byte(from, at + 1) << 16) | (byte(from, at + 2) << 8) | byte(from, at + 3)) >>> 0;

/** The caller has checked that there is one. */
const byte = (from: Buffer, at: number): number => from[at] ?? 0;
