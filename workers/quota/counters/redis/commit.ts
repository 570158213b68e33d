import type { TenantChanges } from "../tenant/storing.js";

/** What one tenant's turn asks of the store: to store changes of a version, or only whether that is still the version. */
export interface Commit {
  /** As COMMIT_LUA reads it. All of a call become one text at once, which is cheaper than one for each. */
  readonly part: readonly unknown[];
  /** About how long its text is. */
  readonly characters: number;
  /** Operations and changes: how much work this is for the event loop and for Redis. */
  readonly work: number;
  /** Whether there is something to store. */
  readonly writes: boolean;
}

export interface Changes {
  readonly head: ReadonlyMap<string, string | null>;
  readonly reservations: ReadonlyMap<string, string | null>;
}

export type CommitAnswer =
  | { readonly kind: "stored" }
  /** The store has no state of the tenant; the version stands for that. */
  | { readonly kind: "missing"; readonly version: string }
  /** The tenant belongs to another incarnation. */
  | { readonly kind: "other"; readonly incarnation: string }
  /** What changed up to a version, which is not the latest yet if there is `more`. */
  | ({ readonly kind: "changed"; readonly version: string; readonly more: boolean } & Changes)
  | {
      readonly kind: "all" | "scan";
      readonly version: string;
      /** Undefined: it is read in slices. */
      readonly head: ReadonlyMap<string, string> | undefined;
      /** Of "scan": none, they are read in slices. */
      readonly reservations: ReadonlyMap<string, string>;
    };

/** A version of a tenant's keys: COMMIT_LUA describes it. */
export interface Version {
  readonly incarnation: string;
  readonly epoch: string;
  readonly number: number;
}

export const versionText = ({ incarnation, epoch, number }: Version): string => `${incarnation}/${epoch}/${number}`;

/** Whether the version is of that incarnation. */
export const isOf = (version: string, incarnation: string): boolean => version.startsWith(`${incarnation}/`);

/** Stands for the absence of a tenant since the moment at which it was stored. */
export const absence = (incarnation: string, unique: string): string => `${incarnation}/-/${unique}`;
export const isAbsence = (version: string): boolean => /^[^/]+\/-\/[^/]+$/.test(version);

/** When a tenant was found to be lost within the store's life, on Redis' clock, ms; 0: it was not, or is there. */
export const lostAt = (version: string): number => Number(/^[^/]+\/-\/[^/@]+@(\d+)$/.exec(version)?.[1] ?? 0);

/** Names the state with this epoch, whatever its number, in the incarnation of the version. */
export const stateToken = (version: string, epoch: string): string =>
  `${version.slice(0, version.indexOf("/"))}/${epoch}`;

/** The version's number; of an absence or no version, 0. */
export const numberOf = (version: string): number =>
  version === "" || isAbsence(version) ? 0 : Number(version.slice(version.lastIndexOf("/") + 1));

/** Fields of a head that are not the state's. */
export const VERSION_FIELD = "v";
export const POSITION_FIELD = "s";

/** `expected`: "" where it is not known, and everything is read. */
export const reading = (expected: string, work: number): Commit => ({
  part: [expected],
  characters: expected.length,
  work,
  writes: false,
});

export interface Writing {
  readonly expected: string;
  readonly version: string;
  readonly changes: TenantChanges;
  /** Undefined: as it is stored. */
  readonly position: number | undefined;
  /** Renews the expiry of the keys. */
  readonly renews: boolean;
  readonly operations: number;
}

/** Entries that the log of changes keeps at least: whoever reads a large state must still find what changed meanwhile. */
const LOGGED = 16;
/** One more for so many counters and reservations. */
const READ_PER_LOGGED = 16;

export function writing(one: Writing): Commit {
  const { expected, version, changes, position, renews, operations } = one;
  const { head, countersAfter, reservations, reservationsBefore, reservationsAfter } = changes;
  const fields = position === undefined ? head.set : [...head.set, POSITION_FIELD, String(position)];
  const entry = JSON.stringify([namesOf(head.set, head.removed), namesOf(reservations.set, reservations.removed)]);
  const renewed = renews ? RENEWS_ALL : reservationsBefore === 0 ? RENEWS_RESERVATIONS : 0;
  const kept = LOGGED + Math.floor((countersAfter + reservationsAfter) / READ_PER_LOGGED);
  const { set, removed } = reservations;
  const part = [expected, version, fields, head.removed, set, removed, renewed, kept, entry];
  const work = operations + reservations.set.length / 2 + reservations.removed.length;
  const characters = entry.length + lengthOf(fields) + lengthOf(reservations.set);
  return { part, characters, work, writes: true };
}

function lengthOf(texts: readonly string[]): number {
  let sum = 0;
  for (const text of texts) sum += text.length;
  return sum;
}

const RENEWS_ALL = 1;
/** The key of the reservations is new, and has no expiry yet. */
const RENEWS_RESERVATIONS = 2;

/** The names that are set, and those that are removed. */
function namesOf(set: readonly string[], removed: readonly string[]): string[] {
  const names = [...removed];
  for (let index = 0; index < set.length; index += 2) names.push(set[index] ?? "");
  return names;
}

/** The answer to one tenant's part. */
export function answerOf(reply: unknown): CommitAnswer {
  if (reply === 1) return { kind: "stored" };
  const [kind, version, ...rest] = listOf(reply);
  if (typeof version !== "string") throw wrong();
  if (kind === "missing") return { kind, version };
  if (kind === "other") return { kind, incarnation: version };
  if (kind === "all" || kind === "scan") {
    const head = rest[0] === undefined ? undefined : headOf(rest[0]);
    return { kind, version, head, reservations: pairsOf(listOf(rest[1] ?? [])) };
  }
  if (kind !== "changed") throw wrong();
  const [more, fields, fieldValues, keys, keyValues] = rest;
  const head = zipped(fields, fieldValues);
  head.delete(POSITION_FIELD);
  head.delete(VERSION_FIELD);
  return { kind, version, more: more === 1, head, reservations: zipped(keys, keyValues) };
}

/** The state's fields of a head, or of a part of one. */
export function headOf(reply: unknown): Map<string, string> {
  const head = pairsOf(listOf(reply));
  head.delete(VERSION_FIELD);
  head.delete(POSITION_FIELD);
  return head;
}

/** A map from a flat list of names and values. */
export function pairsOf(flat: readonly unknown[]): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let index = 0; index < flat.length; index += 2) {
    const [name, value] = [flat[index], flat[index + 1]];
    if (typeof name !== "string" || typeof value !== "string") throw wrong();
    pairs.set(name, value);
  }
  return pairs;
}

function zipped(names: unknown, values: unknown): Map<string, string | null> {
  const found = new Map<string, string | null>();
  const all = listOf(values);
  for (const [index, name] of listOf(names).entries()) {
    const value = all[index] ?? null;
    if (typeof name !== "string" || (value !== null && typeof value !== "string")) throw wrong();
    found.set(name, value);
  }
  return found;
}

export function listOf(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw wrong();
  return reply;
}

const wrong = (): TypeError => new TypeError("an answer of Redis that no script of the counters gives");
