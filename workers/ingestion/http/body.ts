import { isUtf8 } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http";
import { gunzipSync } from "node:zlib";
import { hasCode, MetrlyError } from "#kernel/errors.js";
import { type InexactNumber, inexactNumbers, mayHoldInexactNumbers } from "#kernel/exact-numbers.js";
import { contentCoding } from "#platform/http/content-coding.js";
import { MAX_BODY_BYTES, MAX_EVENTS } from "#schema/openapi/limits.js";

/** One parsed event of a request; `inexact` names a number of its data that would lose digits. */
export interface RawItem {
  readonly event: unknown;
  readonly inexact: string | undefined;
}

const CLOUDEVENTS = "application/cloudevents";
const ONE = `${CLOUDEVENTS}+json`;
const BATCH = `${CLOUDEVENTS}-batch+json`;

/**
 * Parses the events of an uncompressed body in the mode that its content type names, as the CloudEvents HTTP binding 1.0.2 says:
 * structured, batch (both ignore `ce-*` headers) or otherwise binary. `application/json` without `ce-*` headers has either JSON
 * form. Throws MALFORMED, TOO_LARGE or UNSUPPORTED_MEDIA_TYPE for errors of the whole request.
 */
export function readEvents(headers: IncomingHttpHeaders, body: Buffer): readonly RawItem[] {
  const text = textOf(body);
  const mediaType = mediaTypeOf(headers["content-type"]);
  if (mediaType === ONE) return structured(text, "object");
  if (mediaType === BATCH) return structured(text, "array");
  const isBinary = headers["ce-specversion"] !== undefined || headers["ce-id"] !== undefined;
  if (isBinary && !mediaType.startsWith(CLOUDEVENTS)) return [binaryEvent(headers, text, mediaType)];
  if (mediaType === "application/json") return structured(text, "either");
  throw new MetrlyError(
    "UNSUPPORTED_MEDIA_TYPE",
    "Send application/cloudevents+json, application/cloudevents-batch+json, application/json, or ce-* headers with JSON data",
  );
}

/** Throws UNSUPPORTED_MEDIA_TYPE for a content coding that is not decoded. */
export function codingOf(headers: IncomingHttpHeaders): "gzip" | "identity" {
  const coding = contentCoding({ headers });
  if (coding === "gzip" || coding === "identity") return coding;
  throw new MetrlyError("UNSUPPORTED_MEDIA_TYPE", "Content-Encoding must be gzip or absent", {
    acceptEncoding: "gzip, identity",
  });
}

/** What a gzip body says that it inflates to (RFC 1952, 2.3.1), within the limit. It may lie. */
export function claimedBytes(gzip: Buffer): number {
  const claimed = gzip.length < 4 ? 0 : gzip.readUInt32LE(gzip.length - 4);
  return Math.min(Math.max(claimed, gzip.length), MAX_BODY_BYTES);
}

/** Synchronous, so that it is part of its sender's turn. Throws TOO_LARGE or MALFORMED. */
export function inflate(gzip: Buffer): Buffer {
  try {
    return gunzipSync(gzip, { maxOutputLength: MAX_BODY_BYTES });
  } catch (error) {
    if (error instanceof RangeError || hasCode(error, "ERR_BUFFER_TOO_LARGE"))
      throw new MetrlyError("TOO_LARGE", `A body has at most ${MAX_BODY_BYTES} bytes, also after inflation`);
    throw new MetrlyError("MALFORMED", "The body is not valid gzip");
  }
}

function textOf(body: Buffer): string {
  if (!isUtf8(body)) throw new MetrlyError("MALFORMED", "The body is not valid UTF-8");
  return body.toString("utf8");
}

function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === BATCH || contentType === ONE) return contentType;
  const [type = "", ...parameters] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith("charset="))?.slice("charset=".length);
  if (charset !== undefined && !["utf-8", "utf8", '"utf-8"', "us-ascii"].includes(charset))
    throw new MetrlyError("UNSUPPORTED_MEDIA_TYPE", "The charset must be utf-8");
  return type;
}

function structured(text: string, form: "object" | "array" | "either"): readonly RawItem[] {
  const parsed = parse(text);
  const isBatch = Array.isArray(parsed);
  if (typeof parsed !== "object" || parsed === null || (form === "object" && isBatch) || (form === "array" && !isBatch))
    throw new MetrlyError(
      "MALFORMED",
      `The body must be a JSON ${form === "either" ? "object or array" : form}${ofOther(form, isBatch)}`,
    );
  const events: readonly unknown[] = isBatch ? parsed : [parsed];
  if (events.length > MAX_EVENTS)
    throw new MetrlyError("TOO_LARGE", `A batch has at most ${MAX_EVENTS} events, not ${events.length}`);
  const inexact = inexactByItem(text, isBatch);
  return events.map((event, index) => ({ event, inexact: detailOf(inexact.get(index), isBatch ? 1 : 0) }));
}

/** The content type of an array that was sent as one event, or of one event that was sent as an array. */
function ofOther(form: "object" | "array" | "either", isBatch: boolean): string {
  if (form === "object" && isBatch) return `: for an array, send ${BATCH}`;
  return form === "array" ? `: for one event, send ${ONE}` : "";
}

/** Only members of `data`: other attributes are text, extensions are dropped. */
function inexactByItem(text: string, isBatch: boolean): ReadonlyMap<unknown, InexactNumber> {
  if (!mayHoldInexactNumbers(text)) return NONE;
  return isBatch
    ? inexactNumbers(text, ([index, name]) => (name === "data" ? index : undefined))
    : inexactNumbers(text, ([name]) => (name === "data" ? 0 : undefined));
}

const NONE: ReadonlyMap<unknown, InexactNumber> = new Map();

const inexactDetail = ({ path, token }: InexactNumber): string =>
  `${path.join(".").slice(0, 200)}: ${token.slice(0, 40)} would lose digits as a JSON number; send it as a string`;

function detailOf(found: InexactNumber | undefined, skipped: number): string | undefined {
  return found && inexactDetail({ ...found, path: found.path.slice(skipped) });
}

/** Binary mode: attributes are headers, the body is the data, and its content type the event's `datacontenttype`. */
function binaryEvent(headers: IncomingHttpHeaders, text: string, mediaType: string): RawItem {
  const event: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith("ce-") && !NOT_HEADERS.has(name) && typeof value === "string")
      event[name.slice(3)] = attributeOf(value);
  }
  if (text.trim() === "") return { event, inexact: undefined };
  event.data = dataOf(text, mediaType);
  const first = mayHoldInexactNumbers(text) ? inexactNumbers(text, () => 0).get(0) : undefined;
  return { event, inexact: first && inexactDetail({ ...first, path: ["data", ...first.path] }) };
}

/** Carried by the body and its content type. */
const NOT_HEADERS: ReadonlySet<string> = new Set(["ce-data", "ce-data_base64", "ce-datacontenttype"]);

/** Data without a content type is JSON if it parses. */
function dataOf(text: string, mediaType: string): unknown {
  if (/^[\w.+-]+\/(?:[\w.-]+\+)?json$/.test(mediaType)) return parse(text);
  try {
    if (mediaType === "") return JSON.parse(text);
  } catch {}
  throw new MetrlyError("UNSUPPORTED_MEDIA_TYPE", "Only JSON data can be metered: the content type must be JSON");
}

const QUOTED = /^"((?:[^"\\]|\\.)*)"$/;

/** A header's value, unquoted (RFC 7230, 3.2.6), then percent-decoded once. */
function attributeOf(value: string): string {
  const quoted = QUOTED.exec(value)?.[1];
  try {
    return decodeURIComponent(quoted === undefined ? value : quoted.replaceAll(/\\(.)/g, "$1"));
  } catch {
    throw new MetrlyError("MALFORMED", "A ce-* header is not valid percent-encoded UTF-8");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MetrlyError("MALFORMED", `The body is not JSON: ${error instanceof Error ? error.message : ""}`);
  }
}
