/** Whether a parsed JSON value is an object, not a list or null. */
export const isJsonObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Nesting that a client's JSON may have at most, for code that walks it recursively. */
export const MAX_JSON_DEPTH = 64;

/** Whether a parsed JSON value nests deeper than `levels`; a scalar has none. The recursion ends at `levels`. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeperThan(member, levels - 1));
}

const OBJECT_BYTES = 64;
const SLOT_BYTES = 8;

/** Roughly what a parsed JSON value holds in memory, bytes. Recursive: for values nested at most `MAX_JSON_DEPTH` deep. */
export function heldBytes(value: unknown): number {
  if (typeof value === "string") return OBJECT_BYTES + 2 * value.length;
  if (typeof value !== "object" || value === null) return SLOT_BYTES;
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + SLOT_BYTES + heldBytes(item), OBJECT_BYTES);
  return Object.entries(value).reduce(
    (sum, [name, member]) => sum + SLOT_BYTES + 2 * name.length + heldBytes(member),
    OBJECT_BYTES,
  );
}
