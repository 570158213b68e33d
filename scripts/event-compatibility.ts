import { isJsonObject } from "#kernel/json.js";

type Json = Readonly<Record<string, unknown>>;

/** How a contract differs from its released JSON Schema, by place. */
export interface ContractChanges {
  /** Compatible changes: optional fields, and members of unions that are declared to grow. */
  readonly added: readonly string[];
  /** Changes that need a new version of the contract. */
  readonly broken: readonly string[];
}

/**
 * Compares a contract's JSON Schema with the released one of the same version. A place reads like `entries[]<tick>.at`: a
 * field, an item, a member of a union. Declaring that a union may grow is no change; it cannot be taken back.
 */
export function contractChanges(contract: string, released: unknown, current: unknown): ContractChanges {
  const added: string[] = [];
  const broken: string[] = [];

  function compare(place: string, before: unknown, after: unknown): void {
    if (!isJsonObject(before) || !isJsonObject(after)) {
      if (JSON.stringify(before) !== JSON.stringify(after)) broken.push(`${place}: another schema`);
      return;
    }
    if ("growing" in before && !("growing" in after)) broken.push(`${place}: may not grow any more`);
    compareMembers(place, before, after);
    compareFields(place, before, after);
    compareItems(place, before.items, after.items);
    if (keywordsOf(before) !== keywordsOf(after))
      broken.push(`${place}: ${keywordsOf(before)} is ${keywordsOf(after)}`);
  }

  function compareMembers(place: string, before: Json, after: Json): void {
    const [old, now] = [membersOf(before), membersOf(after)];
    for (const [name, member] of old) {
      if (now.has(name)) compare(`${place}<${name}>`, member, now.get(name));
      else broken.push(`${place}<${name}>: gone`);
    }
    for (const name of now.keys())
      if (!old.has(name)) (old.size > 0 && "growing" in after ? added : broken).push(`${place}<${name}>`);
  }

  function compareFields(place: string, before: Json, after: Json): void {
    const [old, now] = [objectOf(before.properties), objectOf(after.properties)];
    const [mustHave, mustHaveNow] = [listOf(before.required), listOf(after.required)];
    for (const [name, field] of Object.entries(old)) {
      if (!(name in now)) broken.push(`${place}.${name}: gone`);
      else if (mustHave.includes(name) !== mustHaveNow.includes(name)) broken.push(`${place}.${name}: optional or not`);
      else compare(`${place}.${name}`, field, now[name]);
    }
    for (const name of Object.keys(now))
      if (!(name in old)) (mustHaveNow.includes(name) ? broken : added).push(`${place}.${name}`);
  }

  function compareItems(place: string, before: unknown, after: unknown): void {
    if (before === undefined && after === undefined) return;
    if (!Array.isArray(before) || !Array.isArray(after)) compare(`${place}[]`, before, after);
    else if (before.length !== after.length) broken.push(`${place}: ${before.length} items are ${after.length}`);
    else for (const [index, item] of before.entries()) compare(`${place}[${index}]`, item, after[index]);
  }

  compare(contract, released, current);
  return { added, broken };
}

const STRUCTURE = new Set(["anyOf", "properties", "required", "items", "growing"]);

/** A schema without its parts. */
function keywordsOf(schema: Json): string {
  const own = Object.entries(schema).filter(([keyword]) => !STRUCTURE.has(keyword));
  return JSON.stringify(Object.fromEntries(own.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** By literal or `kind` where a member has one, so that order does not matter. */
function membersOf(schema: Json): ReadonlyMap<string, unknown> {
  return new Map(listOf(schema.anyOf).map((member, index) => [String(nameOf(objectOf(member)) ?? index), member]));
}

const nameOf = (member: Json): unknown => member.const ?? objectOf(objectOf(member.properties).kind).const;
const objectOf = (value: unknown): Json => (isJsonObject(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The files of released contracts that are no longer as they were released. */
export function tamperings(then: ReadonlyMap<string, unknown>, now: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...then.keys(), ...now.keys()])]
    .filter((name) => JSON.stringify(then.get(name)) !== JSON.stringify(now.get(name)))
    .map((name) => `only a release may change schema/events/released/${name}.json`);
}

/** Between two releases each contract has at most one new version, and it follows the last one that is released. */
export function unreleasedProblems(released: readonly string[], current: readonly string[]): string[] {
  const newest = new Map<string, number>();
  for (const { name, version } of released.map(nameAndVersion))
    newest.set(name, Math.max(version, newest.get(name) ?? 0));
  return current
    .filter((contract) => !released.includes(contract))
    .map(nameAndVersion)
    .filter(({ name, version }) => version !== (newest.get(name) ?? 0) + 1)
    .map(({ name, version }) => `the next version of ${name} is ${(newest.get(name) ?? 0) + 1}, not ${version}`);
}

function nameAndVersion(contract: string): { name: string; version: number } {
  const [, name = contract, version = "1"] = /^(.+)\.v(\d+)$/.exec(contract) ?? [];
  return { name, version: Number(version) };
}
