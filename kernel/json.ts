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
