import { createHash } from "node:crypto";
import { isLosslessNumber, parse, stringify } from "lossless-json";

/** A row of the input, before anybody knows whether it is an event. */
export interface Row {
  /** 1 for the first line; of a CSV record, the line it ends on. */
  readonly line: number;
  /** What the row says, as text: part of its id when it has none, and of the checkpoint's digest. */
  readonly text: string;
  /** The row's members by name; undefined when only `text` is there to be parsed as JSON. */
  readonly cells?: ReadonlyMap<string, string>;
}

/** How rows become events. */
export interface Mapping {
  /** Attribute or member of `data` -> the row's name for it. */
  readonly names: ReadonlyMap<string, string>;
  /** For rows that say nothing else: `type`, `source`, `subject`. */
  readonly defaults: Readonly<Partial<Record<Attribute, string>>>;
  /** Stands for the file in the ids of rows that have none. */
  readonly name: string;
}

export type Built =
  | { readonly kind: "event"; readonly line: number; readonly json: string }
  | { readonly kind: "invalid"; readonly line: number; readonly reason: string };

const ATTRIBUTES = ["id", "source", "type", "subject", "time"] as const;
type Attribute = (typeof ATTRIBUTES)[number];
export const isAttribute = (name: string): name is Attribute => ATTRIBUTES.some((attribute) => attribute === name);

const DEFAULT_SOURCE = "metrly-send";
const MAX_ATTRIBUTE_BYTES = 256;
export const MAX_EVENT_BYTES = 65_536;
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/**
 * The CloudEvent of a row. A row without an id gets one from the file's name, the line and what it says, so that sending it
 * again is the same event. Numbers keep every digit. Checks what can be known here; whether a tenant takes it is up to Metrly.
 */
export function buildEvent(row: Row, mapping: Mapping): Built {
  const members = row.cells === undefined ? parseObject(row.text) : filledCells(row.cells);
  if (members === undefined) return invalid(row, "is not a JSON object");
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

/** A plain object or record: mapped names are attributes or `data`; without any for `data`, all the rest is. */
function eventOf(members: ReadonlyMap<string, unknown>, names: ReadonlyMap<string, string>): Map<string, unknown> {
  const event = new Map<string, unknown>([["specversion", "1.0"]]);
  const used = new Set<string>();
  for (const attribute of ATTRIBUTES) {
    const name = names.get(attribute) ?? attribute;
    used.add(name);
    const value = members.get(name);
    // A number may well be an id.
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

/** An empty cell says nothing. */
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
  if (time !== undefined && (typeof time !== "string" || !RFC_3339.test(time)))
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
