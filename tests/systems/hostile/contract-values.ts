import type { TSchema } from "@sinclair/typebox";
import fc from "fast-check";
import { anyJson, anyText } from "./arbitraries.js";
import { DECIMALS, NUMBERS } from "./inputs.js";

/** Values of a contract's schema, hostile in their leaves: what a writer of the log might write that follows the contract. */
export function valuesOf(schema: TSchema): fc.Arbitrary<unknown> {
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valuesOf));
  if (schema.const !== undefined) return fc.constant(schema.const);
  switch (schema.type) {
    case "object":
      return fc.record(
        Object.fromEntries(
          Object.entries<TSchema>(schema.properties ?? {}).map(([name, member]) => [name, valuesOf(member)]),
        ),
        { requiredKeys: schema.required ?? [] },
      );
    case "array":
      return Array.isArray(schema.items)
        ? fc.tuple(...schema.items.map(valuesOf))
        : fc.array(valuesOf(schema.items), { minLength: schema.minItems ?? 0, maxLength: 3 });
    case "string":
      return stringsOf(schema);
    case "integer":
    case "number":
      return numbersOf(schema);
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    default:
      return anyJson;
  }
}

function stringsOf({ minLength = 0, maxLength = 400 }: TSchema): fc.Arbitrary<string> {
  // A filter that hardly anything passes would not end.
  if (minLength > 1) return fc.string({ unit: "grapheme-ascii", minLength, maxLength });
  return fc
    .oneof(fc.constantFrom("acme", "m", '{"n":1}', "2026-11-01T00:00:00Z", ...DECIMALS), anyText)
    .map((text) => text.slice(0, maxLength).padEnd(minLength, "x"));
}

function numbersOf({ type, minimum = -Number.MAX_VALUE, maximum = Number.MAX_VALUE }: TSchema): fc.Arbitrary<number> {
  const fits = (value: number) =>
    value >= minimum && value <= maximum && (type === "number" || Number.isInteger(value));
  const usual = fc.integer({ min: Math.max(minimum, 0), max: Math.min(maximum, 2_000_000_000) });
  return fc.oneof(usual, fc.constantFrom(...[...NUMBERS, usualTime, minimum, maximum].filter(fits)));
}

const usualTime = 1_790_000_000_000;

/** Mostly values of a schema; sometimes one member anywhere is missing, or something else. */
export function nearlyValuesOf(schema: TSchema): fc.Arbitrary<unknown> {
  const damage = fc.option(fc.record({ nth: fc.nat(), by: fc.option(anyJson, { nil: undefined }) }), {
    nil: undefined,
  });
  return fc.tuple(valuesOf(schema), damage).map(([value, done]) => {
    if (done === undefined) return value;
    const copy: unknown = structuredClone(value);
    const places = placesIn(copy);
    const place = places[done.nth % Math.max(1, places.length)];
    if (place === undefined) return done.by;
    if (done.by === undefined) Reflect.deleteProperty(place.holder, place.name);
    else Reflect.set(place.holder, place.name, done.by);
    return copy;
  });
}

function placesIn(value: unknown): { readonly holder: object; readonly name: string }[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [{ holder: value, name }, ...placesIn(inner)]);
}

/** With some bytes replaced, or the end missing; mostly as it is. */
export function nearlyBytes(text: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const damage = fc.option(fc.record({ where: fc.nat(), byte: fc.nat(255), isCut: fc.boolean() }), {
    freq: 3,
    nil: undefined,
  });
  return fc.tuple(text, fc.oneof(fc.constant(undefined), damage)).map(([whole, done]) => {
    const bytes = Buffer.from(whole);
    if (done === undefined || bytes.length === 0) return bytes;
    const at = done.where % bytes.length;
    if (done.isCut) return bytes.subarray(0, at);
    bytes[at] = done.byte;
    return bytes;
  });
}
