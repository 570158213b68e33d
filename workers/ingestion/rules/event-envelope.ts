import { isJsonObject } from "#kernel/json.js";
import { isStorable } from "#kernel/storable-text.js";
import { type Refusal, refuse } from "./refusal.js";

const MAX_ATTRIBUTE_BYTES = 256;

/** The CloudEvent attributes that Metrly uses, and the data. */
export interface EventEnvelope {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  /** Epoch ms. */
  readonly time: number | undefined;
  /** Parsed JSON; `{}` when the event has none. */
  readonly data: unknown;
}

/** Parses one CloudEvent 1.0 in its JSON form. Extension attributes are allowed and dropped. */
export function readEnvelope(event: unknown): { readonly kind: "read"; readonly envelope: EventEnvelope } | Refusal {
  if (!isJsonObject(event)) return refuse("INVALID", "An event must be a JSON object");
  if (event.specversion !== "1.0") return refuse("INVALID", 'specversion: must be "1.0"');
  const problem =
    attributeProblem("id", event.id) ??
    attributeProblem("source", event.source) ??
    attributeProblem("type", event.type);
  if (problem !== undefined) return refuse("INVALID", problem);
  const { id, source, type } = event;
  if (typeof id !== "string" || typeof source !== "string" || typeof type !== "string")
    return refuse("INVALID", "id, source and type must be strings");
  if (type.startsWith("metrly.")) return refuse("RESERVED_TYPE", "type: must not start with metrly.");
  const subject = event.subject ?? undefined;
  if (subject !== undefined && typeof subject !== "string") return refuse("INVALID", "subject: must be a string");
  const time = readTime(event.time);
  if (time === "invalid") return refuse("INVALID", "time: must be RFC 3339, e.g. 2026-11-01T00:00:00Z");
  if ((event.data_base64 ?? undefined) !== undefined)
    return refuse("INVALID", "data_base64: only JSON data can be metered; send `data`");
  if (!isJsonType(event.datacontenttype)) return refuse("INVALID", "datacontenttype: only JSON data can be metered");
  return {
    kind: "read",
    envelope: { id, source, type, subject, time, data: event.data === undefined ? {} : event.data },
  };
}

function attributeProblem(name: string, value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return `${name}: must be a non-empty string`;
  const isSurelyShort = value.length * 3 <= MAX_ATTRIBUTE_BYTES;
  if (!isSurelyShort && Buffer.byteLength(value) > MAX_ATTRIBUTE_BYTES)
    return `${name}: at most ${MAX_ATTRIBUTE_BYTES} bytes`;
  return isStorable(value) ? undefined : `${name}: must be valid Unicode without NUL`;
}

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Epoch ms, truncated; a leap second reads as the second before it. */
function readTime(value: unknown): number | undefined | "invalid" {
  if (value === undefined || value === null) return undefined;
  const match = typeof value === "string" && value.length <= 64 ? RFC_3339.exec(value) : null;
  if (match === null || typeof value !== "string") return "invalid";
  const text = match[6] === "60" ? `${value.slice(0, 17)}59${value.slice(19)}` : value;
  const time = Date.parse(text.toUpperCase());
  return Number.isNaN(time) || !isCalendarDay(match) ? "invalid" : time;
}

/** `Date.parse` rolls 31 April over to 1 May. */
function isCalendarDay([, year, month, day]: RegExpExecArray): boolean {
  if (Number(day) <= 28) return true;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return date.getUTCMonth() === Number(month) - 1;
}

const JSON_TYPE = /^[\w.+-]+\/(?:[\w.-]+\+)?json\s*(?:;.*)?$/i;

function isJsonType(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "string" && JSON_TYPE.test(value));
}
