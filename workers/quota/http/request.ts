import { isUtf8 } from "node:buffer";
import type { TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { type ValueError, ValueErrorType } from "@sinclair/typebox/errors";
import { Decimal, formatDecimal, parseDecimal } from "#kernel/decimal.js";
import { MetrlyError } from "#kernel/errors.js";
import { inexactNumbers, mayHoldInexactNumbers } from "#kernel/exact-numbers.js";
import { isDeeperThan, MAX_JSON_DEPTH } from "#kernel/json.js";
import { isStorable } from "#kernel/storable-text.js";
import { UnknownHere } from "#platform/tenancy-client/caught-up.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import { DEFAULT_TTL_SECONDS, MAX_KEY_BYTES, MAX_USAGE_METERS } from "#schema/openapi/limits.js";
import { type QuotaOperation, QuotaRequest } from "#schema/openapi/quota-request.js";
import type { MeterUsage } from "../gate/concerns.js";
import { type Dimensions, faultOf, NO_DIMENSIONS } from "../rules/scopes.js";

const body = lazily(QuotaRequest);

export interface ParsedRequest {
  readonly operation: QuotaOperation;
  readonly tenantId: string;
  /** Ascending by meter; empty: a request only. */
  readonly usage: readonly MeterUsage[];
  /** Values by name. */
  readonly dimensions: Dimensions;
  readonly idempotencyKey: string;
  readonly ttlMs: number;
}

export interface RequestRules {
  readonly key: ApiKeyState;
  /** Defaults of omitted members. */
  readonly operation: QuotaOperation;
  hasMeter(meter: string): boolean;
  /** A meter of the tenant's own plans that an unknown name resembles; undefined: none. */
  resembling(meter: string, tenantId: string): string | undefined;
}

/**
 * Parses a client's request; `inexact`: why a number of it cannot be trusted. Throws MALFORMED, INVALID with the paths of all
 * that is wrong, NUMBER_NOT_EXACT, SUBJECT_REQUIRED or SUBJECT_MISMATCH.
 */
export function parseRequest(
  value: unknown,
  inexact: string | undefined,
  { key, operation, hasMeter, resembling }: RequestRules,
): ParsedRequest {
  if (inexact !== undefined) throw new MetrlyError("NUMBER_NOT_EXACT", inexact);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new MetrlyError("MALFORMED", "Send a JSON object");
  if (!body().Check(value)) throw wrongIn(value);
  const parsed = value;
  const wanted = parsed.operation ?? operation;
  const asked = usageOf(parsed, {
    hasMeter,
    resembling: (meter) => resembling(meter, parsed.tenantId ?? key.tenantId ?? ""),
  });
  if (parsed.idempotencyKey === undefined && wanted !== "check") throw invalid("idempotencyKey", "is required");
  const idempotencyKey = parsed.idempotencyKey ?? "";
  if (Buffer.byteLength(idempotencyKey) > MAX_KEY_BYTES)
    throw invalid("idempotencyKey", `has at most ${MAX_KEY_BYTES} bytes`);
  // One such key would keep a stopping process from storing its counters; no event's id can be one either.
  if (!isStorable(idempotencyKey)) throw invalid("idempotencyKey", "must be valid Unicode without NUL");
  return {
    operation: wanted,
    tenantId: tenantOf(parsed.tenantId ?? null, key),
    usage: asked,
    dimensions: dimensionsOf(parsed.dimensions),
    idempotencyKey,
    ttlMs: (parsed.ttlSeconds ?? DEFAULT_TTL_SECONDS) * 1000,
  };
}

/** The tenant of a request by its key. Throws SUBJECT_REQUIRED or SUBJECT_MISMATCH. */
export function tenantOf(named: string | null, key: ApiKeyState): string {
  if (key.tenantId === null) {
    if (named === null) throw new MetrlyError("SUBJECT_REQUIRED", "tenantId: a platform key must name the tenant");
    return named;
  }
  if (named !== null && named !== key.tenantId)
    throw new MetrlyError("SUBJECT_MISMATCH", "tenantId: this API key belongs to another tenant");
  return key.tenantId;
}

export interface JsonBody {
  readonly value: unknown;
  /** Of each item of an array, or of the body at 0: a number that lost digits. */
  readonly inexact: ReadonlyMap<number, string>;
}

/** Throws UNSUPPORTED_MEDIA_TYPE, MALFORMED or INVALID. */
export function jsonOf(contentType: string | undefined, bytes: Buffer): JsonBody {
  if (!/^application\/json *(;|$)/i.test(contentType ?? ""))
    throw new MetrlyError("UNSUPPORTED_MEDIA_TYPE", "Send application/json");
  if (!isUtf8(bytes)) throw new MetrlyError("MALFORMED", "The body is not valid UTF-8");
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MetrlyError("MALFORMED", `The body is not JSON: ${error instanceof Error ? error.message : ""}`);
  }
  if (isDeeperThan(value, MAX_JSON_DEPTH))
    throw new MetrlyError("INVALID", `The body is nested more than ${MAX_JSON_DEPTH} levels deep`);
  return { value, inexact: mayHoldInexactNumbers(text) ? inexactByItem(text, Array.isArray(value)) : NONE_INEXACT };
}

const NONE_INEXACT: JsonBody["inexact"] = new Map();

function inexactByItem(text: string, isArray: boolean): ReadonlyMap<number, string> {
  const itemOf = ([first]: readonly (string | number)[]) => (typeof first === "number" ? first : undefined);
  const found = inexactNumbers(text, isArray ? itemOf : () => 0);
  return new Map(
    [...found].map(([item, { path, token }]) => {
      const name =
        path
          .slice(isArray ? 1 : 0)
          .join(".")
          .slice(0, 200) || "body";
      return [item, `${name}: ${token.slice(0, 40)} would lose digits as a JSON number; send it as a string`];
    }),
  );
}

interface Meters {
  hasMeter(meter: string): boolean;
  resembling(meter: string): string | undefined;
}

/** What is asked for, ascending by meter. Throws INVALID with all reasons. */
function usageOf({ meter = null, amount, usage }: QuotaRequest, meters: Meters): readonly MeterUsage[] {
  const faults: string[] = [];
  let isUnknown = false;
  const asked: MeterUsage[] = [];
  const add = (path: string, of: string | null, raw: string | number): void => {
    const [found, fault] = amountOf(raw);
    if (fault !== undefined) faults.push(`${path}amount: ${fault}`);
    if (of === null) return;
    if (asked.some((one) => one.meter === of))
      faults.push(`${path}meter: ${JSON.stringify(of.slice(0, 64))} is named twice`);
    else if (!meters.hasMeter(of)) {
      const near = meters.resembling(of);
      const advice = near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
      faults.push(`${path}meter: there is no meter ${JSON.stringify(of.slice(0, 64))}${advice}`);
      isUnknown = true;
    }
    asked.push({ meter: of, amount: found });
  };
  if (usage === undefined) add("", meter, amount ?? "1");
  else {
    if (meter !== null || amount !== undefined) faults.push("usage: stands in the place of meter and amount");
    for (const [index, one] of usage.entries()) add(`usage.${index}.`, one.meter, one.amount);
  }
  if (faults.length > 0) throw new (isUnknown ? UnknownHere : MetrlyError)("INVALID", faults.join(". "));
  return asked.sort((a, b) => (a.meter < b.meter ? -1 : 1));
}

const ONE = new Decimal(1);
/** More than a meter has: clients may send those of all their meters. */
const MAX_DIMENSIONS = 100;

/** The amount, and what is wrong with it. */
function amountOf(raw: string | number): readonly [Decimal, string?] {
  if (raw === "1" || raw === 1) return [ONE];
  const amount = parseDecimal(typeof raw === "number" ? formatDecimal(new Decimal(raw)) : raw);
  if (amount === undefined) return [ONE, "must be a decimal with at most 18 integer and 12 fractional digits"];
  return amount.isNegative() && !amount.isZero() ? [ONE, "must not be negative"] : [amount];
}

/** Values that no usage can have are refused: its event would be. */
function dimensionsOf(given: Readonly<Record<string, string>> | undefined): Dimensions {
  if (given === undefined) return NO_DIMENSIONS;
  const dimensions = new Map(Object.entries(given));
  if (dimensions.size > MAX_DIMENSIONS) throw invalid("dimensions", `has at most ${MAX_DIMENSIONS}`);
  for (const [name, value] of dimensions) {
    // The schema does not look at a name with a line break.
    const fault = typeof value === "string" ? faultOf(value) : "expected string";
    if (fault !== undefined) throw invalid(`dimensions.${name.slice(0, 64)}`, fault);
  }
  return dimensions;
}

/** As many as a request for the most meters may have, of its meters or their amounts. */
const MOST_REASONS = MAX_USAGE_METERS;

function wrongIn(value: unknown): MetrlyError {
  const reasons = new Map<string, string>();
  for (const wrong of body().Errors(value)) {
    // The first one of a path says what the others follow from.
    const path = wrong.path.slice(1, 100).replaceAll("/", ".") || "body";
    if (!reasons.has(path)) reasons.set(path, `${path}: ${describe(wrong)}`);
    if (reasons.size === MOST_REASONS) break;
  }
  if (reasons.size === 0) throw new Error("a schema mismatch without an error");
  return new MetrlyError("INVALID", [...reasons.values()].join(". "));
}

function describe({ type, message, schema, value }: ValueError): string {
  if (type === ValueErrorType.ObjectAdditionalProperties)
    return `is not one of ${Object.keys(schema.properties).join(", ")}`;
  const given = JSON.stringify(value)?.slice(0, 40) ?? "absent";
  if (type !== ValueErrorType.Union) return `${message.toLowerCase()}, not ${given}`;
  const kinds: readonly { readonly type?: string; readonly const?: unknown }[] = schema.anyOf;
  return `must be ${kinds.map((kind) => kind.const ?? kind.type).join(" or ")}, not ${given}`;
}

const invalid = (path: string, what: string): MetrlyError => new MetrlyError("INVALID", `${path}: ${what}`);

/** Compiled on first use, so that importing the file does no work. */
function lazily<T extends TSchema>(schema: T): () => TypeCheck<T> {
  let compiled: TypeCheck<T> | undefined;
  return () => {
    compiled ??= TypeCompiler.Compile(schema);
    return compiled;
  };
}
