import type { DimensionMatchState, QuotaLimitState } from "./events/tenancy-changed.v1.js";

/** What a limit counts by, beside its meter and window. */
export type LimitScope = Pick<QuotaLimitState, "by" | "where">;

/** Identifies what a limit counts by, whatever the order of its dimensions; "": nothing, it counts everything together. */
export function scopeText({ by = [], where = [] }: LimitScope): string {
  if (by.length === 0 && where.length === 0) return "";
  return JSON.stringify([sorted(by), sortedMatches(where).map(({ dimension, value }) => [dimension, value])]);
}

/** Identifies a limit in a plan version and its overrides: one has one per meter, window, `by` and `where`. */
export function limitKey(limit: Pick<QuotaLimitState, "meter" | "window"> & LimitScope): string {
  const scope = scopeText(limit);
  return `${limit.meter ?? ""}|${limit.window}${scope === "" ? "" : `|${scope}`}`;
}

/** In the order of code units, which is the same everywhere. */
export const sorted = (names: readonly string[]): readonly string[] => [...names].sort();

export const sortedMatches = (matches: readonly DimensionMatchState[]): readonly DimensionMatchState[] =>
  [...matches].sort((a, b) => (a.dimension < b.dimension ? -1 : a.dimension > b.dimension ? 1 : 0));
