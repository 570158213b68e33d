import { createHash } from "node:crypto";
import { isStorable } from "#kernel/storable-text.js";
import type { DimensionMatchState } from "#schema/events/tenancy-changed.v1.js";
import { type LimitScope, scopeText, sorted, sortedMatches } from "#schema/limit-scope.js";
import { MAX_DIMENSION_BYTES } from "#schema/meters/meter-reading.js";
import type { Claim } from "#schema/rating/claims.js";
import type { Dimensions, Scope } from "../counters/counters.js";

export type { Dimensions, Scope };

export const NO_DIMENSIONS: Dimensions = new Map();

/** Undefined: the limit counts everything of its meter together. */
export function scopeOf(limit: LimitScope): Scope | undefined {
  const text = scopeText(limit);
  if (text === "") return undefined;
  return { id: digestOf(text), by: sorted(limit.by ?? []), where: sortedMatches(limit.where ?? []) };
}

/** What a price claims, as a scope; undefined: all usage of its meter. */
export function claimedScope({ where, except }: Claim): Scope | undefined {
  if (except.length === 0) return scopeOf({ where: [...where] });
  const texts = except.map((one) => sortedMatches(one).map(({ dimension, value }) => [dimension, value]));
  return { id: digestOf(JSON.stringify([[], [], texts])), by: [], where: [], except };
}

/**
 * Usage from before a tenant's first plan, and what a backfill adds: nobody knew by what it would be counted, so it is totalled by
 * all dimensions of its meter. Combinations are names and values, in turn.
 */
export const UNPLANNED: Scope = { id: "unplanned", by: [], where: [] };

export const unplannedValues = (names: readonly string[], values: readonly string[]): readonly string[] =>
  names.flatMap((name, index) => [name, values[index] ?? NO_VALUE]);

export function unplannedDimensions(values: readonly string[]): Dimensions {
  const found = new Map<string, string>();
  for (let index = 1; index < values.length; index += 2) found.set(values[index - 1] ?? "", values[index] ?? NO_VALUE);
  return found;
}

/** Every dimension that decides what counts. */
export const namesOf = ({ by, where, except = [] }: Pick<Scope, "by" | "where" | "except">): readonly string[] => [
  ...by,
  ...[...where, ...except.flat()].map(({ dimension }) => dimension),
];

/** Usage without a value of a dimension has "". */
const NO_VALUE = "";
export const dimensionOf = (dimensions: Dimensions, name: string): string => dimensions.get(name) ?? NO_VALUE;

/** Why no usage can have a value; undefined: it may. */
export function faultOf(value: string): string | undefined {
  if (Buffer.byteLength(value) > MAX_DIMENSION_BYTES) return `has at most ${MAX_DIMENSION_BYTES} bytes`;
  return isStorable(value) ? undefined : "must be valid Unicode without NUL";
}

/** Whether usage with these dimensions counts; undefined: one that decides is not known. */
export function isWithin(scope: Pick<Scope, "where" | "except">, dimensions: Dimensions): boolean | undefined {
  const has = hasAll(scope.where, dimensions);
  if (has === false || scope.except === undefined) return has;
  let isKnown = has === true;
  for (const one of scope.except) {
    const hasOther = hasAll(one, dimensions);
    if (hasOther === true) return false;
    if (hasOther === undefined) isKnown = false;
  }
  return isKnown ? true : undefined;
}

function hasAll(where: Scope["where"], dimensions: Dimensions): boolean | undefined {
  let isKnown = true;
  for (const { dimension, value } of where) {
    const found = dimensions.get(dimension);
    if (found === undefined) isKnown = false;
    else if (found !== value) return false;
  }
  return isKnown ? true : undefined;
}

/** The id of a combination of values, in the order of `by`; "": the scope has one counter for all. */
export const combinationId = (values: readonly string[]): string =>
  values.length === 0 ? "" : digestOf(JSON.stringify(values));

/** The values of the scope's combination, usage without one has "". */
export const combinationOf = ({ by }: Pick<Scope, "by">, dimensions: Dimensions): readonly string[] =>
  by.map((name) => dimensionOf(dimensions, name));

/** 132 bits: that two texts of one tenant share them must not be found by trying. */
const DIGEST_CHARACTERS = 22;
const digestOf = (text: string): string =>
  createHash("sha256").update(text).digest("base64url").slice(0, DIGEST_CHARACTERS);

/** A combination by the names of its dimensions. */
export const matchesOf = ({ by }: Pick<Scope, "by">, values: readonly string[]): DimensionMatchState[] =>
  by.map((dimension, index) => ({ dimension, value: values[index] ?? NO_VALUE }));

// Names of what is counted. A meter's key has no "|", and neither has a digest.

/** A meter's usage, of all or in a scope, or of one combination in it: `meter`, `meter|scope` or `meter|scope|combination`. */
export function seriesOf(meter: string, scope?: Pick<Scope, "id">, combination = ""): string {
  if (scope === undefined) return meter;
  return combination === "" ? `${meter}|${scope.id}` : `${meter}|${scope.id}|${combination}`;
}

/** The series of a counter, whose id is the same with the window after the meter. */
export function seriesOfCounter(counter: string): string {
  const meter = counter.indexOf("|");
  const window = counter.indexOf("|", meter + 1);
  return window === -1 ? counter.slice(0, meter) : counter.slice(0, meter) + counter.slice(window);
}

/** Among a tenant's scopes: its counters are read as money, which a process that does not know that must not ignore. */
export const MONEY_SCOPE = "|money";

/** The scope of a series: `meter|scope`; undefined: it has none. */
export function scopeKeyOf(series: string): string | undefined {
  const meter = series.indexOf("|");
  if (meter === -1) return undefined;
  const scope = series.indexOf("|", meter + 1);
  return scope === -1 ? series : series.slice(0, scope);
}

/** The family of a counter of one combination: `meter|window|scope`; undefined: it is no such counter. */
export function familyOf(counter: string): string | undefined {
  const window = counter.indexOf("|", counter.indexOf("|") + 1);
  if (window === -1) return undefined;
  const scope = counter.indexOf("|", window + 1);
  return scope === -1 ? undefined : counter.slice(0, scope);
}

/** The meter of a series; "": requests. */
export function meterOfSeries(series: string): string {
  const end = series.indexOf("|");
  return end === -1 ? series : series.slice(0, end);
}

export const isScoped = (series: string): boolean => series.includes("|");

/** What a request asks for, in words: its content with the values of its dimensions. */
export function askedText({
  content,
  dimensions,
}: {
  readonly content: string;
  readonly dimensions?: Dimensions;
}): string {
  if (dimensions === undefined || dimensions.size === 0) return content;
  return `${content} with ${[...dimensions].map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ")}`;
}
