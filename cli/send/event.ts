import { createHash } from "node:crypto";
import { isLosslessNumber, parse, stringify } from "lossless-json";
import { isDeeperThan, MAX_JSON_DEPTH } from "#kernel/json.js";
import { parseRfc3339 } from "#kernel/rfc3339.js";
import { MAX_ATTRIBUTE_BYTES, MAX_EVENT_BYTES } from "#schema/openapi/limits.js";

/** A row of the input, not yet validated. */
export interface Row {
  /** 1 for the first line; of a CSV record, the line it ends on. */
  readonly line: number;
  /** The row as text: part of its generated id, and of the checkpoint's digest. */
  readonly text: string;
  /** The row's members by name; undefined when `text` is JSON to parse. */
  readonly cells?: ReadonlyMap<string, string>;
}

export interface Mapping {
  /** Attribute or member of `data` -> the row's name for it. */
  readonly names: ReadonlyMap<string, string>;
  /** For rows without their own: `type`, `source`, `subject`. */
  readonly defaults: Readonly<Partial<Record<Attribute, string>>>;
  /** The file's name in generated ids. */
  readonly name: string;
}

export type Built =
  | { readonly kind: "event"; readonly line: number; readonly json: string }
  | { readonly kind: "invalid"; readonly line: number; readonly reason: string };

const ATTRIBUTES = ["id", "source", "type", "subject", "time"] as const;
type Attribute = (typeof ATTRIBUTES)[number];
export const isAttribute = (name: string): name is Attribute => ATTRIBUTES.some((attribute) => attribute === name);

const DEFAULT_SOURCE = "metrly-send";

/**
 * The CloudEvent of a row. The id of a row without one is derived from the file's name, the line and the content, so that
 * sending the row again gives the same event. Numbers keep every digit. Checks only locally; Metrly decides whether the
 * tenant accepts it.
 */
export function buildEvent(row: Row, mapping: Mapping): Built {
  const members = row.cells === undefined ? parseObject(row.text) : filledCells(row.cells);
  if (members === undefined) return invalid(row, "is not a JSON object");
  // Writing it is recursive. Metrly takes less.
  if ([...members.values()].some((member) => isDeeperThan(member, MAX_JSON_DEPTH)))
    return invalid(row, `is nested more than ${MAX_JSON_DEPTH} levels deep`);
  const isEvent = members.has("specversion") && mapping.names.size === 0;
  const event = isEvent ? members : eventOf(members, mapping.names);
  for (const [name, value] of Object.entries({ source: DEFAULT_SOURCE, ...mapping.defaults })) {
    if (!event.has(name)) event.set(name, value);
  }
  if (!event.has("id")) event.set("id", idOf(row.line, event, mapping.name));
  const reason = problemOf(event);
  if (reason !== undefined) return invalid(row, reason);
  const json = textOf(event);
  if (Buffer.byteLength(json) > MAX_EVENT_BYTES) return invalid(row, `has more than ${MAX_EVENT_BYTES} bytes`);
  return { kind: "event", line: row.line, json };
}

const invalid = ({ line }: Row, reason: string): Built => ({ kind: "invalid", line, reason });

/** A plain object or record: mapped names are attributes or `data`; if none maps to `data`, all others are `data`. */
function eventOf(members: ReadonlyMap<string, unknown>, names: ReadonlyMap<string, string>): Map<string, unknown> {
  const event = new Map<string, unknown>([["specversion", "1.0"]]);
  const used = new Set<string>();
  for (const attribute of ATTRIBUTES) {
    const name = names.get(attribute) ?? attribute;
    used.add(name);
    const value = members.get(name);
    // An id may be a number.
    if (value !== undefined && value !== null) event.set(attribute, isLosslessNumber(value) ? value.value : value);
  }
  const mapped = [...names].filter(([target]) => !isAttribute(target));
  const rest = [...members.keys()].filter((name) => !used.has(name)).map((name) => [name, name] as const);
  const data: [string, unknown][] = [];
  for (const [target, name] of mapped.length > 0 ? mapped : rest) {
    const value = members.get(name);
    if (value !== undefined) data.push([target, value]);
  }
  const [only] = data;
  const isWhole = data.length === 1 && only?.[0] === "data" && typeof only[1] === "object";
  event.set("data", isWhole ? only[1] : Object.fromEntries(data));
  return event;
}

/** Empty cells are omitted. */
const filledCells = (cells: ReadonlyMap<string, string>): Map<string, unknown> =>
  new Map([...cells].filter(([, value]) => value !== ""));

function idOf(line: number, event: ReadonlyMap<string, unknown>, name: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([name, line]))
    .update(textOf(event));
  return `${line}-${hash.digest("base64url").slice(0, 22)}`;
}

function problemOf(event: ReadonlyMap<string, unknown>): string | undefined {
  if (event.get("specversion") !== "1.0") return 'specversion: must be "1.0"';
  for (const name of ["id", "source", "type"] as const) {
    const value = event.get(name);
    if (typeof value !== "string" || value === "") return `${name}: must be a non-empty string`;
    if (Buffer.byteLength(value) > MAX_ATTRIBUTE_BYTES) return `${name}: at most ${MAX_ATTRIBUTE_BYTES} bytes`;
    if (name === "type" && value.startsWith("metrly.")) return "type: must not start with metrly.";
  }
  const subject = event.get("subject") ?? "";
  if (typeof subject !== "string") return "subject: must be a string";
  const time = event.get("time") ?? undefined;
  if (time !== undefined && (typeof time !== "string" || parseRfc3339(time) === undefined))
    return "time: must be RFC 3339, e.g. 2026-11-01T00:00:00Z";
  return undefined;
}

function parseObject(text: string): Map<string, unknown> | undefined {
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed) || isLosslessNumber(parsed))
    return undefined;
  return new Map(Object.entries(parsed));
}

const textOf = (event: ReadonlyMap<string, unknown>): string => stringify(Object.fromEntries(event)) ?? "";
