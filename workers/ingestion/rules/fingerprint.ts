import { hash } from "node:crypto";
import { quoted } from "#schema/events/packed-data.js";

const BYTES = 16;

/**
 * Distinguishes payloads under one key: first 16 bytes of SHA-256 over tenant, type and canonical data, as uuid text.
 * Unambiguous, because the head is a JSON array and ends at its bracket. Without `time`, which retries may change.
 */
export function fingerprintOf(tenantId: string, type: string, canonicalData: string): string {
  return uuidOf(`[${quoted(tenantId)},${quoted(type)}]${canonicalData}`);
}

/** The permanent deduplication key of an event, as the database's uuid text. */
export function eventKeyOf(tenantId: string, source: string, id: string): string {
  return uuidOf(`[${quoted(tenantId)},${quoted(source)},${quoted(id)}]`);
}

/** Identifies a combination of dimension values, as the database's uuid text. */
export function dimensionsUuid(values: readonly string[]): string {
  return uuidOf(JSON.stringify(values));
}

/** A fingerprint as stored in the database. Throws RangeError unless it has 16 bytes. */
export function fingerprintUuid(fingerprint: string): string {
  const bytes = Buffer.from(fingerprint, "base64url");
  if (bytes.length !== BYTES) throw new RangeError(`a fingerprint has ${BYTES} bytes, not ${bytes.length}`);
  return uuidText(bytes.toString("hex"));
}

/** The fingerprint that `fingerprintUuid` read. */
export function fingerprintOfUuid(uuid: string): string {
  return Buffer.from(uuid.replaceAll("-", ""), "hex").toString("base64url");
}

/** Identifies the bytes of a log record, as the database's uuid text. */
export function recordUuid(value: Buffer): string {
  return uuidOf(value);
}

/** The first 16 bytes of the SHA-256. */
const uuidOf = (content: string | Buffer): string => uuidText(hash("sha256", content, "hex"));

function uuidText(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
