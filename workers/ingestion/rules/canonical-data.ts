import { quoted } from "#schema/events/packed-data.js";

/** Maximum nesting of `data`; `data` itself is level 1. */
export const MAX_DATA_DEPTH = 32;

/**
 * Canonical JSON (RFC 8785) of a value from `JSON.parse`: members sorted by UTF-16 code units, no whitespace, numbers and
 * strings as ECMAScript prints them. Undefined when nested deeper than `MAX_DATA_DEPTH`, which bounds the recursion (a
 * library's is unbounded).
 */
export function canonicalData(value: unknown): string | undefined {
  // Fast path: most senders' members are already sorted.
  return isInOrder(value, MAX_DATA_DEPTH) ? JSON.stringify(value) : serialize(value, MAX_DATA_DEPTH);
}

/** Whether all members are in canonical order, and nesting is within `depthLeft`. */
function isInOrder(value: unknown, depthLeft: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depthLeft === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isInOrder(item, depthLeft - 1));
  const members = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(members);
  let last: string | undefined;
  for (const name of names) {
    if (last !== undefined && name < last) return false;
    const member = members[name];
    if (typeof member === "object" && !isInOrder(member, depthLeft - 1)) return false;
    last = name;
  }
  return true;
}

function serialize(value: unknown, depthLeft: number): string | undefined {
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (depthLeft === 0) return undefined;
  return Array.isArray(value)
    ? serializeArray(value, depthLeft)
    : serializeObject(value as Readonly<Record<string, unknown>>, depthLeft);
}

function serializeArray(values: readonly unknown[], depthLeft: number): string | undefined {
  let text = "[";
  for (const [index, item] of values.entries()) {
    const serialized = serialize(item, depthLeft - 1);
    if (serialized === undefined) return undefined;
    text += index === 0 ? serialized : `,${serialized}`;
  }
  return `${text}]`;
}

function serializeObject(members: Readonly<Record<string, unknown>>, depthLeft: number): string | undefined {
  let text = "{";
  // Without a comparator: by UTF-16 code units.
  for (const name of Object.keys(members).sort()) {
    const serialized = serialize(members[name], depthLeft - 1);
    if (serialized === undefined) return undefined;
    text += `${text === "{" ? "" : ","}${quoted(name)}:${serialized}`;
  }
  return `${text}}`;
}
