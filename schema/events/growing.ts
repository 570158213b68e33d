import type { TSchema } from "@sinclair/typebox";
import { type UnknownMember, UpgradeRequired } from "#kernel/upgrade-required.js";

/**
 * Declares that a union may get further members within a released version. `set` names it in the message of an older reader
 * that meets one: see "Unknown members" in `schema/README.md`.
 */
export const growing = <T extends TSchema>(set: string, union: T): T => ({ ...union, growing: set });

/** Throws `UpgradeRequired` for a value whose `schema` is the name of a contract that this build does not have. */
export function refuseOtherVersion(contract: string, value: unknown): void {
  const named = memberOf(value, "schema");
  if (isNewerName(named)) throw new UpgradeRequired({ contract, set: "version", member: named });
}

/** Throws `UpgradeRequired` for a text that is not JSON but declares another encoding by its first character. */
export function refuseOtherEncoding(contract: string, text: string): void {
  const tag = text.charCodeAt(0);
  if (tag >= 1 && tag <= LAST_ENCODING_TAG)
    throw new UpgradeRequired({ contract, set: "encoding", member: String(tag) });
}

/** Whether the `schema` of a value is the name of another contract of this build. */
export function namesOtherContract(contract: string, value: unknown): boolean {
  const named = memberOf(value, "schema");
  return typeof named === "string" && named !== contract && CONTRACT_NAMES.has(named);
}

/** Throws `UpgradeRequired` when the type of an event is none of this build's: newer code may have written it. */
export function refuseOtherType(contract: string, type: unknown): void {
  if (isNewerName(type)) throw new UpgradeRequired({ contract, set: "event type", member: type });
}

/** Every contract that this build has. A record with one of these names in the wrong place is malformed, not of newer code. */
export const CONTRACT_NAMES: ReadonlySet<string> = new Set([
  "metrly.api.keys.used.v1",
  "metrly.audit.recorded.v1",
  "metrly.billing.period.closed.v1",
  "metrly.credits.granted.v1",
  "metrly.credits.voided.v1",
  "metrly.invoice.generated.v1",
  "metrly.invoice.v1",
  "metrly.invoice.v2",
  "metrly.ledger.block.v1",
  "metrly.quota.exceeded.v1",
  "metrly.quota.warning.v1",
  "metrly.tenancy.applied.v1",
  "metrly.tenancy.changed.v1",
  "metrly.usage.received.v1",
  "metrly.usage.received.v2",
  "metrly.usage.recorded.v1",
  "metrly.usage.recorded.v2",
  "metrly.usage.unmetered.v1",
  "metrly.usage.unpriced.v1",
]);

const VERSION = /^metrly(?:\.[a-z]+)+\.v[1-9]\d{0,3}$/;
const isNewerName = (name: unknown): name is string =>
  typeof name === "string" && VERSION.test(name) && !CONTRACT_NAMES.has(name);
/** Control characters that can begin neither JSON nor its white space (9, 10, 13). */
const LAST_ENCODING_TAG = 8;
/** The form of a member's name. Any other name is a malformed record, not a newer member. */
const NAME = /^[A-Za-z][\w.-]{0,63}$/;
const isNameLike = (value: unknown, known: readonly unknown[]): boolean =>
  known.some((name) => typeof name === typeof value) &&
  (typeof value === "string" ? NAME.test(value) : Number.isSafeInteger(value) && Number(value) > 0);

/**
 * The first member of a growing union in `value` that `schema` does not have. Checked before other errors: a new member may
 * look malformed to an older reader.
 */
export function unknownMember(contract: string, schema: TSchema, value: unknown): UnknownMember | undefined {
  const variants: readonly TSchema[] | undefined = schema.anyOf;
  if (variants !== undefined) {
    const name = typeof value === "object" ? memberOf(value, "kind") : value;
    const own = variants.filter((variant) => name !== undefined && nameOf(variant) === name);
    if (own.length === 0 && typeof schema.growing === "string" && isNameLike(name, variants.map(nameOf)))
      return { contract, set: schema.growing, member: String(name) };
    return firstOf(own.length > 0 ? own : variants, (variant) => unknownMember(contract, variant, value));
  }
  if (schema.type === "array" && Array.isArray(value)) {
    const items: TSchema | readonly TSchema[] | undefined = schema.items;
    return firstOf(value.entries(), ([index, item]) => {
      const ofItem: TSchema | undefined = Array.isArray(items) ? items[index] : items;
      return ofItem && unknownMember(contract, ofItem, item);
    });
  }
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  return firstOf(Object.entries(properties), ([name, ofProperty]) =>
    unknownMember(contract, ofProperty, memberOf(value, name)),
  );
}

/** A literal's value, or the `kind` of an object. */
function nameOf(variant: TSchema): unknown {
  return variant.const ?? variant.properties?.kind?.const;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function firstOf<T, R>(all: Iterable<T>, find: (one: T) => R | undefined): R | undefined {
  for (const one of all) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
