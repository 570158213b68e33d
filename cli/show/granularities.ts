/** Lengths of time that `metrly usage` sums up. */
export const GRANULARITIES = ["hour", "day", "period"] as const;
