import type { DimensionMatchState, QuotaLimitState } from "./events/tenancy-changed.v1.js";

/** What a limit counts by, beside its meter and window. */
export type LimitScope = Pick<QuotaLimitState, "by" | "where">;

/** Identifies what a limit counts by, whatever the order of its dimensions; "": nothing, it counts everything together. */
export function scopeText({ by = [], where = [] }: LimitScope): string {
  if (by.length === 0 && where.length === 0) return "";
  return JSON.stringify([sorted(by), sortedMatches(where).map(({ dimension, value }) => [dimension, value])]);
}

/** In the place of a meter's key, which has no such character: what usage costs. */
export const MONEY = "$";

export const isInMoney = ({ unit }: Pick<QuotaLimitState, "unit">): boolean => unit === "MONEY";

/** Identifies a limit in a plan version and its overrides: one has one per meter or in money, window, `by` and `where`. */
export function limitKey(limit: Pick<QuotaLimitState, "meter" | "unit" | "window"> & LimitScope): string {
  const scope = scopeText(limit);
  const counted = isInMoney(limit) ? MONEY : (limit.meter ?? "");
  return `${counted}|${limit.window}${scope === "" ? "" : `|${scope}`}`;
}

/** In the order of code units, which is the same everywhere. */
export const sorted = (names: readonly string[]): readonly string[] => [...names].sort();

export const sortedMatches = (matches: readonly DimensionMatchState[]): readonly DimensionMatchState[] =>
  [...matches].sort((a, b) => (a.dimension < b.dimension ? -1 : a.dimension > b.dimension ? 1 : 0));
