import { Decimal, formatDecimal, parseDecimal } from "#kernel/decimal.js";
import { isJsonObject } from "#kernel/json.js";
import { isStorable } from "#kernel/storable-text.js";
import type { MeterState } from "../events/tenancy-changed.v1.js";
import type { Aggregation } from "../vocabulary.js";

/** Longest value of a dimension, UTF-8 bytes. */
export const MAX_DIMENSION_BYTES = 128;
/** Longest value that a UNIQUE meter counts, UTF-8 bytes. */
export const MAX_UNIQUE_BYTES = 256;

/** What meters read of the property that they name. */
const READS: Readonly<Record<Aggregation, "nothing" | "quantity" | "text">> = {
  COUNT: "nothing",
  SUM: "quantity",
  MAX: "quantity",
  UNIQUE: "text",
  LATEST: "quantity",
};
export const readsProperty = (aggregation: Aggregation): boolean => READS[aggregation] !== "nothing";

/** Whether a reading depends on the event's data: otherwise `readMeter` may be given any. */
export const readsData = ({ aggregation, dimensions }: Pick<MeterState, "aggregation" | "dimensions">): boolean =>
  dimensions.length > 0 || readsProperty(aggregation);

const MUST_BE_TEXT = "must be a string (of valid Unicode without NUL), a number or a boolean";

/** The reading of one event by one meter. */
export type MeterReading =
  | {
      readonly kind: "reading";
      /** COUNT: "1". SUM, MAX, LATEST: canonical decimal text. UNIQUE: the counted value as text. */
      readonly value: string;
      /** In the order of `meter.dimensions`; a missing property reads as "". */
      readonly dimensions: readonly string[];
    }
  | { readonly kind: "invalid"; readonly path: string; readonly reason: string };

/**
 * Reads an event's `data` for a meter. The edge refuses invalid events and the recorder quarantines them (a meter may be newer
 * than the edge's copy of tenancy), so that billing never sees one.
 */
export function readMeter(meter: MeterState, data: unknown): MeterReading {
  const properties = isJsonObject(data) ? data : {};
  const dimensions: string[] = [];
  for (const name of meter.dimensions) {
    const value = readText(own(properties, name) ?? "");
    if (value === undefined) return invalid(name, `a dimension ${MUST_BE_TEXT}`);
    if (isLongerThan(value, MAX_DIMENSION_BYTES))
      return invalid(name, `a dimension has at most ${MAX_DIMENSION_BYTES} bytes`);
    dimensions.push(value);
  }
  const reads = READS[meter.aggregation];
  if (reads === "nothing") return { kind: "reading", value: "1", dimensions };
  const property = meter.valueProperty ?? "";
  const raw = own(properties, property);
  if (raw === undefined || raw === null) return invalid(property, `meter ${meter.id} needs this property`);
  if (reads === "text") {
    const value = readText(raw);
    if (value === undefined) return invalid(property, `a counted value ${MUST_BE_TEXT}`);
    if (isLongerThan(value, MAX_UNIQUE_BYTES))
      return invalid(property, `a counted value has at most ${MAX_UNIQUE_BYTES} bytes`);
    return { kind: "reading", value, dimensions };
  }
  const quantity = readQuantity(raw);
  if (quantity === undefined) {
    return invalid(
      property,
      "must be a decimal with at most 18 integer and 12 fractional digits, as a number or a string",
    );
  }
  return { kind: "reading", value: quantity, dimensions };
}

/**
 * An event's `data`, parsed. The recorder takes it for JSON without parsing it where no meter reads it: what is none has no properties,
 * for every reader alike.
 */
export function parsedData(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return {};
  }
}

/** `parsedData` for these meters; undefined: none of them reads it. */
export const dataFor = (meters: readonly MeterState[], data: string): unknown =>
  meters.some(readsData) ? parsedData(data) : undefined;

/** Fast path: most quantities are small whole numbers, whose text is already canonical. */
const PLAIN = /^(?:0|[1-9]\d{0,14})$/;

function readQuantity(raw: unknown): string | undefined {
  if (typeof raw === "string" && PLAIN.test(raw)) return raw;
  const text = typeof raw === "number" && Number.isFinite(raw) ? new Decimal(raw).toFixed() : raw;
  const value = typeof text === "string" ? parseDecimal(text) : undefined;
  return value === undefined ? undefined : formatDecimal(value);
}

function readText(raw: unknown): string | undefined {
  if (typeof raw === "string") return isStorable(raw) ? raw : undefined;
  return typeof raw === "number" || typeof raw === "boolean" ? String(raw) : undefined;
}

/** Own properties only, not those inherited like `toString` or `constructor`. */
function own(properties: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** A UTF-16 unit takes at most three bytes in UTF-8: short texts need no counting. */
const isLongerThan = (text: string, bytes: number): boolean =>
  text.length * 3 > bytes && Buffer.byteLength(text, "utf8") > bytes;
const invalid = (property: string, reason: string): MeterReading => ({
  kind: "invalid",
  path: `data.${property}`,
  reason,
});
