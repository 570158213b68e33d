import { isDeeperThan, isJsonObject } from "#kernel/json.js";
import { parseRfc3339 } from "#kernel/rfc3339.js";
import { isStorable } from "#kernel/storable-text.js";
import { MAX_ATTRIBUTE_BYTES } from "#schema/openapi/limits.js";
import { MAX_DATA_DEPTH } from "./canonical-data.js";
import { type Refusal, refuse } from "./refusal.js";

/** The CloudEvent attributes that Metrly uses, and the data. */
export interface EventEnvelope {
  readonly kind: "read";
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
export function readEnvelope(event: unknown): EventEnvelope | Refusal {
  if (!isJsonObject(event)) return refuse("INVALID", "An event must be a JSON object");
  if (event.specversion !== "1.0") return refuse("INVALID", 'specversion: must be "1.0"');
  const deep = deepMember(event);
  if (deep !== undefined) return refuse("INVALID", `${deep.slice(0, 64)}: nested deeper than ${MAX_DATA_DEPTH} levels`);
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
  return { kind: "read", id, source, type, subject, time, data: event.data === undefined ? {} : event.data };
}

/** A member besides `data`, whose depth is checked when it is made canonical, that could not be walked recursively. */
function deepMember(event: Readonly<Record<string, unknown>>): string | undefined {
  for (const name in event) {
    if (name !== "data" && typeof event[name] === "object" && isDeeperThan(event[name], MAX_DATA_DEPTH)) return name;
  }
  return undefined;
}

function attributeProblem(name: string, value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return `${name}: must be a non-empty string`;
  const isSurelyShort = value.length * 3 <= MAX_ATTRIBUTE_BYTES;
  if (!isSurelyShort && Buffer.byteLength(value) > MAX_ATTRIBUTE_BYTES)
    return `${name}: at most ${MAX_ATTRIBUTE_BYTES} bytes`;
  return isStorable(value) ? undefined : `${name}: must be valid Unicode without NUL`;
}

function readTime(value: unknown): number | undefined | "invalid" {
  if (value === undefined || value === null) return undefined;
  return (typeof value === "string" ? parseRfc3339(value) : undefined) ?? "invalid";
}

const JSON_TYPE = /^[\w.+-]+\/(?:[\w.-]+\+)?json\s*(?:;.*)?$/i;

function isJsonType(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "string" && JSON_TYPE.test(value));
}
