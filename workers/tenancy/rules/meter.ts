import { isClientId } from "#kernel/ids.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { readsProperty } from "#schema/meters/meter-reading.js";
import { textProblem } from "#schema/party.js";
import { nameReasons, type Reason } from "./reasons.js";

export const MAX_DIMENSIONS = 10;
const MAX_PROPERTY_LENGTH = 128;
const MAX_EVENT_TYPE_BYTES = 256;
const MAX_UNIT_LENGTH = 32;
const RESERVED_PREFIX = "metrly.";

export type MeterTerms = Pick<
  MeterState,
  "id" | "name" | "eventType" | "aggregation" | "valueProperty" | "dimensions" | "unit"
>;

/** All errors of a new meter; empty: valid. `id` is the API's `key`. */
export function validateMeter(terms: MeterTerms): Reason[] {
  return [
    ...(isClientId(terms.id)
      ? []
      : [{ path: "key", detail: "must be 1 to 64 letters, digits, _, - or ., starting with a letter or digit" }]),
    ...nameReasons("name", terms.name),
    ...eventTypeReasons(terms.eventType),
    ...valueReasons(terms),
    ...dimensionReasons(terms.dimensions),
    ...unitReasons(terms.unit),
  ];
}

function unitReasons(unit: string | null): Reason[] {
  const detail = unit === null ? undefined : textProblem(unit, MAX_UNIT_LENGTH);
  return detail === undefined ? [] : [{ path: "unit", detail }];
}

function eventTypeReasons(eventType: string): Reason[] {
  const path = "eventType";
  if (eventType.trim() === "") return [{ path, detail: "must not be blank" }];
  if (eventType.startsWith(RESERVED_PREFIX))
    return [{ path, detail: `event types that start with ${RESERVED_PREFIX} are reserved` }];
  if (Buffer.byteLength(eventType, "utf8") > MAX_EVENT_TYPE_BYTES)
    return [{ path, detail: `has at most ${MAX_EVENT_TYPE_BYTES} bytes` }];
  return [];
}

function valueReasons({ aggregation, valueProperty }: MeterTerms): Reason[] {
  const path = "valueProperty";
  if (!readsProperty(aggregation))
    return valueProperty === null
      ? []
      : [{ path, detail: `a ${aggregation} meter counts events and reads no property` }];
  if (valueProperty === null) return [{ path, detail: `${aggregation} needs the property of \`data\` that it reads` }];
  return propertyReasons(path, valueProperty);
}

function dimensionReasons(dimensions: readonly string[]): Reason[] {
  return [
    ...(dimensions.length > MAX_DIMENSIONS
      ? [{ path: "dimensions", detail: `has at most ${MAX_DIMENSIONS} dimensions` }]
      : []),
    ...dimensions
      .slice(0, MAX_DIMENSIONS)
      .flatMap((name, index) => [
        ...propertyReasons(`dimensions[${index}]`, name),
        ...(dimensions.indexOf(name) < index
          ? [{ path: `dimensions[${index}]`, detail: `names "${name}" twice` }]
          : []),
      ]),
  ];
}

function propertyReasons(path: string, property: string): Reason[] {
  if (property !== "" && property.length <= MAX_PROPERTY_LENGTH) return [];
  return [{ path, detail: `must be 1 to ${MAX_PROPERTY_LENGTH} characters` }];
}
