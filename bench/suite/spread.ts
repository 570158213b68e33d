import { medianOf } from "../support/report.js";
import type { Column, Measured } from "./figure.js";
import type { Entry } from "./rounds.js";

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

/** Of a column over all rounds; undefined: the contestant does not have it. */
export function spreadOf({ key }: Column, { rounds }: Pick<Entry, "rounds">): Spread | undefined {
  return spread(rounds.map((round) => round[key]));
}

/**
 * How many times better `one` did than `other`, compared within each round: more than 1 is better, whatever the column counts.
 * Undefined where either lacks it, or where one did nothing.
 */
export function ratiosOf(column: Column, one: Pick<Entry, "rounds">, other: Pick<Entry, "rounds">): Spread | undefined {
  return spread(one.rounds.map((round, n) => ratioOf(column, round, other.rounds[n])));
}

function ratioOf({ key, better }: Column, one: Measured, other: Measured | undefined): number | undefined {
  const [ours, theirs] = [one[key], other?.[key]];
  if (ours === undefined || theirs === undefined || ours === 0 || theirs === 0) return undefined;
  return better === "more" ? ours / theirs : theirs / ours;
}

function spread(values: readonly (number | null | undefined)[]): Spread | undefined {
  const known = values.filter((value): value is number => Number.isFinite(value));
  if (known.length === 0) return undefined;
  return { median: medianOf(known), least: Math.min(...known), greatest: Math.max(...known) };
}

/** The workloads of a comparison, in their order. */
export function workloadsOf({ entries }: { readonly entries: readonly Entry[] }): string[] {
  return [...new Set(entries.map(({ workload }) => workload))];
}
