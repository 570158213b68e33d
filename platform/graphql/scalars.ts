import { GraphQLError, GraphQLScalarType, Kind, type ValueNode, valueFromASTUntyped } from "graphql";
import { formatDecimal, parseDecimal } from "#kernel/decimal.js";
import { parseRfc3339 } from "#kernel/rfc3339.js";

/** RFC 3339, UTC. Internally epoch milliseconds. */
export const DateTimeScalar = new GraphQLScalarType<number, string>({
  name: "DateTime",
  description: "A time in RFC 3339, UTC",
  serialize: (value) => new Date(numberOf(value)).toISOString(),
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(stringOf(node)),
});

/** A decimal number as a string, never a float. Internally canonical decimal text. */
export const DecimalScalar = new GraphQLScalarType<string, string>({
  name: "Decimal",
  description: "A decimal number as a string, never a float",
  serialize: (value) => String(value),
  parseValue: parseDecimalInput,
  parseLiteral: (node) =>
    parseDecimalInput(node.kind === Kind.INT || node.kind === Kind.FLOAT ? node.value : stringOf(node)),
});

export const CursorScalar = new GraphQLScalarType<string, string>({
  name: "Cursor",
  description: "An opaque position in an ordered stream or list",
  serialize: (value) => String(value),
  parseValue: (value) => textOf(value, "Cursor"),
  parseLiteral: (node) => stringOf(node),
});

export const JsonScalar = new GraphQLScalarType<unknown, unknown>({
  name: "JSON",
  description: "Any JSON value",
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node) => valueFromASTUntyped(node),
});

/** A whole number from 0 to 2^53-1 (Int ends at 2^31). */
export const CountScalar = new GraphQLScalarType<number, number>({
  name: "Count",
  description: "A whole number from 0 to 2^53-1 (an Int ends at 2^31-1)",
  serialize: countOf,
  parseValue: countOf,
  parseLiteral: (node) => countOf(node.kind === Kind.INT ? Number(node.value) : undefined),
});

function parseDateTime(value: unknown): number {
  const text = textOf(value, "DateTime");
  // Seconds may be omitted.
  const ms = parseRfc3339(text.replace(/^(.{10}T\d{2}:\d{2})(?=Z|[+-])/, "$1:00"));
  if (ms === undefined)
    throw invalid(`DateTime must be RFC 3339, e.g. 2026-11-01T00:00:00Z, not "${text.slice(0, 40)}"`);
  return ms;
}

function parseDecimalInput(value: unknown): string {
  const decimal = parseDecimal(
    typeof value === "number" && Number.isSafeInteger(value) ? String(value) : textOf(value, "Decimal"),
  );
  if (decimal === undefined)
    throw invalid("Decimal must be plain decimal text with at most 18 integer and 12 fractional digits");
  return formatDecimal(decimal);
}

function countOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw invalid("Count must be a whole number from 0 to 2^53-1");
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  if (value instanceof Date) return value.getTime();
  throw new TypeError(`not an instant: ${typeof value}`);
}

function textOf(value: unknown, scalar: string): string {
  if (typeof value === "string") return value;
  throw invalid(`${scalar} must be a string`);
}

function stringOf(node: ValueNode): string {
  if (node.kind === Kind.STRING) return node.value;
  throw invalid("must be a string");
}

const invalid = (message: string): GraphQLError => new GraphQLError(message, { extensions: { code: "INVALID" } });
