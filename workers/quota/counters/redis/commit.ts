import type { TenantChanges } from "../tenant/tenant.js";

/** What one tenant's turn asks of the store: to store changes of a version, or only whether that is still the version. */
export interface Commit {
  readonly tenantId: string;
  /** "": not known, everything is read. */
  readonly expected: string;
  /** Arguments as COMMIT_LUA reads them, the expected version first. */
  readonly args: readonly string[];
  /** Characters in the arguments. */
  readonly size: number;
  /** Operations and changes: how much work this is for the event loop and for Redis. */
  readonly work: number;
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
      readonly head: ReadonlyMap<string, string>;
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

/** Names the state with this epoch, whatever its number, in the incarnation of the version. */
export const stateToken = (version: string, epoch: string): string =>
  `${version.slice(0, version.indexOf("/"))}/${epoch}`;

/** The version's number; of an absence, 0. */
export const numberOf = (version: string): number =>
  isAbsence(version) ? 0 : Number(version.slice(version.lastIndexOf("/") + 1));

/** Fields of a head that are not the state's. */
export const VERSION_FIELD = "v";
export const POSITION_FIELD = "s";

export const reading = (tenantId: string, expected: string, work: number): Commit => ({
  ...{ tenantId, expected, work },
  args: [expected, "0"],
  size: expected.length,
});

export interface Writing {
  readonly tenantId: string;
  readonly expected: string;
  readonly version: string;
  readonly changes: TenantChanges;
  /** Undefined: as it is stored. */
  readonly position: number | undefined;
  /** Renews the expiry of the keys. */
  readonly renews: boolean;
  readonly operations: number;
}

export function writing(one: Writing): Commit {
  const { tenantId, expected, version, changes, position, renews, operations } = one;
  const head = sorted(changes.head);
  const reservations = sorted(changes.reservations);
  const fields = [VERSION_FIELD, version, ...head.set];
  if (position !== undefined) fields.push(POSITION_FIELD, String(position));
  const entry = JSON.stringify([[...changes.head.keys()], [...changes.reservations.keys()]]);
  const counts = [fields, head.removed, reservations.set, reservations.removed].map(({ length }) => String(length));
  const args = [expected, ...counts, renews ? "1" : "0", entry];
  for (const part of [fields, head.removed, reservations.set, reservations.removed])
    for (const text of part) args.push(text);
  const size = args.reduce((sum, text) => sum + text.length, 0);
  return { tenantId, expected, args, size, work: operations + changes.reservations.size };
}

/** Flat names and values, and the names of what was removed. */
function sorted(changes: ReadonlyMap<string, string | null>): { set: readonly string[]; removed: readonly string[] } {
  const set: string[] = [];
  const removed: string[] = [];
  for (const [name, value] of changes) {
    if (value === null) removed.push(name);
    else set.push(name, value);
  }
  return { set, removed };
}

/** The answer to one tenant's part. */
export function answerOf(reply: unknown): CommitAnswer {
  if (reply === 1) return { kind: "stored" };
  const [kind, version, ...rest] = listOf(reply);
  if (typeof version !== "string") throw wrong();
  if (kind === "missing") return { kind, version };
  if (kind === "other") return { kind, incarnation: version };
  if (kind === "all" || kind === "scan")
    return { kind, version, head: headOf(rest[0]), reservations: pairsOf(listOf(rest[1] ?? [])) };
  if (kind !== "changed") throw wrong();
  const [more, fields, fieldValues, keys, keyValues] = rest;
  const head = zipped(fields, fieldValues);
  head.delete(POSITION_FIELD);
  head.delete(VERSION_FIELD);
  return { kind, version, more: more === 1, head, reservations: zipped(keys, keyValues) };
}

function headOf(reply: unknown): Map<string, string> {
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
