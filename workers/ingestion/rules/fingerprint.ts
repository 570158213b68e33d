import { hash } from "node:crypto";
import { quoted } from "#schema/events/packed-data.js";

const BYTES = 16;

/**
 * Distinguishes payloads under one key: first 16 bytes of SHA-256 over tenant, type and canonical data, as a binary string.
 * Unambiguous, because the head is a JSON array and ends at its bracket. Without `time`, which retries may change.
 */
export function fingerprintDigest(tenantId: string, type: string, canonicalData: string): string {
  return digestOf(`${fingerprintHead(tenantId, type)}${canonicalData}`);
}

/** The permanent deduplication key of an event, as a binary string: 16 characters, of which each is a byte. */
export function eventDigest(tenantId: string, source: string, id: string): string {
  return digestOf(`${eventHead(tenantId, source)}${quoted(id)}]`);
}

/** Consecutive events usually share tenant, source and type, so cache the last texts. */
function remembering(textOf: (a: string, b: string) => string): (a: string, b: string) => string {
  let last = { a: "", b: "", text: textOf("", "") };
  return (a, b) => {
    if (last.a !== a || last.b !== b) last = { a, b, text: textOf(a, b) };
    return last.text;
  };
}

const eventHead = remembering((tenantId, source) => `[${quoted(tenantId)},${quoted(source)},`);
const fingerprintHead = remembering((tenantId, type) => `[${quoted(tenantId)},${quoted(type)}]`);

/** The permanent deduplication key of an event, as the database's uuid text. */
export const eventKeyOf = (tenantId: string, source: string, id: string): string =>
  uuidOfDigest(eventDigest(tenantId, source, id));

/** A key or fingerprint of the database's uuid text, as a binary string. */
export const digestOfUuid = (uuid: string): string => Buffer.from(uuid.replaceAll("-", ""), "hex").toString("latin1");

/** A key or fingerprint as the database's uuid text. */
export const uuidOfDigest = (digest: string): string => uuidText(Buffer.from(digest, "latin1").toString("hex"));

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

const digestOf = (content: string): string => hash("sha256", content, "binary").slice(0, BYTES);

/** The first 16 bytes of the SHA-256. */
const uuidOf = (content: string | Buffer): string => uuidText(hash("sha256", content, "hex"));

function uuidText(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
