import { crc32 } from "node:zlib";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { readInteger, readWord, writeInteger, writeWord } from "./integers.js";
import { Malformed } from "./malformed.js";

/** The name by which readers declare that they read this encoding, and which a ledger block has in its text. */
export const COLUMNS_ENCODING = "columns.1";

/** Every encoding of usage beside text that this build reads, as its processes declare. */
export const USAGE_ENCODINGS: readonly string[] = [COLUMNS_ENCODING];

/** Of every record in columns: its first byte, which cannot begin JSON and is no encoding of text. */
const TAG = 2;
const VERSION = 1;

/** What a record is. */
export const RECEIVED = 1;
export const RECORDED = 2;

export interface SealedHead {
  readonly kind: typeof RECEIVED | typeof RECORDED;
  readonly events: number;
  /** Events and others. */
  readonly entries: number;
  readonly tenancyVersion: number;
  /** The next three: 0 in a received record. */
  readonly recordedAt: number;
  readonly firstSeq: number;
  readonly partition: number;
}

/** Sections in their order in a record; those that a record does not have are empty. */
const SECTIONS = 11;
const LENGTHS_AT = 44;
export const HEAD_BYTES = LENGTHS_AT + 4 * SECTIONS;
const CRC_AT = 4;
const CRC_END = 8;

/** Whether a record is in columns, of whichever version. */
export const isColumns = (record: Buffer): boolean => record[0] === TAG;

/** A buffer for a record, with its head, and where each section begins. Call `seal` when the sections are written. */
export function openRecord(
  head: SealedHead,
  lengths: readonly number[],
): { readonly record: Buffer; readonly starts: readonly number[] } {
  const starts: number[] = [];
  let at = HEAD_BYTES;
  for (const length of lengths) {
    starts.push(at);
    at += length;
  }
  const record = Buffer.allocUnsafe(at);
  record[0] = TAG;
  record[1] = VERSION;
  record[2] = head.kind;
  record[3] = 0;
  writeWord(record, 8, head.events);
  writeWord(record, 12, head.entries);
  writeInteger(record, 16, head.tenancyVersion);
  writeInteger(record, 24, head.recordedAt);
  writeInteger(record, 32, head.firstSeq);
  writeWord(record, 40, head.partition);
  for (let index = 0; index < SECTIONS; index += 1) writeWord(record, LENGTHS_AT + 4 * index, lengths[index] ?? 0);
  return { record, starts };
}

/** Writes the checksum. */
export function seal(record: Buffer): Buffer {
  writeWord(record, CRC_AT, checksumOf(record));
  return record;
}

/** Of everything but itself: a feature that a flipped bit announces must not keep a reader waiting for an upgrade. */
const checksumOf = (record: Buffer): number => crc32(record.subarray(CRC_END), crc32(record.subarray(0, CRC_AT)));

/**
 * The head and sections of a record. Throws UpgradeRequired for a record of a newer version, or one with a feature that this version
 * does not have, and Malformed. `contract` names the record in messages.
 */
export function unseal(
  record: Buffer,
  kind: SealedHead["kind"],
  contract: string,
): { readonly head: SealedHead; readonly sections: readonly Buffer[] } {
  const [tag, version, itsKind, features] = record;
  if (tag !== TAG || version === undefined || version === 0) throw new Malformed("a record is not in columns");
  if (version !== VERSION) throw new UpgradeRequired({ contract, set: "encoding", member: `columns.${version}` });
  if (record.length < HEAD_BYTES) throw new Malformed("a record in columns is truncated");
  if (checksumOf(record) !== readWord(record, CRC_AT))
    throw new Malformed("a record in columns has another checksum than its bytes");
  if (features !== 0) throw new UpgradeRequired({ contract, set: "feature", member: String(features) });
  if (itsKind !== kind) throw new Malformed("a record in columns is of another kind");
  const head = {
    kind,
    events: readWord(record, 8),
    entries: readWord(record, 12),
    tenancyVersion: readInteger(record, 16),
    recordedAt: readInteger(record, 24),
    firstSeq: readInteger(record, 32),
    partition: readWord(record, 40),
  };
  if (head.tenancyVersion < 0) throw new Malformed("a tenancy version is negative");
  return { head, sections: sectionsOf(record) };
}

function sectionsOf(record: Buffer): Buffer[] {
  const sections: Buffer[] = [];
  let at = HEAD_BYTES;
  for (let index = 0; index < SECTIONS; index += 1) {
    const end = at + readWord(record, LENGTHS_AT + 4 * index);
    if (end > record.length) throw new Malformed("a section ends beyond its record");
    sections.push(record.subarray(at, end));
    at = end;
  }
  if (at !== record.length) throw new Malformed("a record in columns is longer than its sections");
  return sections;
}
