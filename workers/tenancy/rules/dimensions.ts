import { isStorable } from "#kernel/storable-text.js";
import type { DimensionMatchState, MeterState } from "#schema/events/tenancy-changed.v1.js";
import { MAX_DIMENSION_BYTES } from "#schema/meters/meter-reading.js";
import type { Reason } from "./reasons.js";

/** Conditions of a price or a limit. */
export const MAX_WHERE = 10;
/** Dimensions that a limit counts by. */
export const MAX_BY = 10;
const MAX_NAME_LENGTH = 128;

type Dimensions = Pick<MeterState, "id" | "dimensions">;

/** All errors of conditions on a meter's dimensions; null: on those that a request names, whatever they are. */
export function whereReasons(path: string, where: readonly DimensionMatchState[], meter: Dimensions | null): Reason[] {
  const names = where.map(({ dimension }) => dimension);
  return where.flatMap(({ dimension, value }, index) => {
    const at = `${path}[${index}]`;
    return [
      ...nameReasons(`${at}.dimension`, dimension, meter),
      ...(names.indexOf(dimension) < index ? [{ path: `${at}.dimension`, detail: `names "${dimension}" twice` }] : []),
      ...valueReasons(`${at}.value`, value),
    ];
  });
}

/** All errors of the dimensions that a limit counts by. */
export function byReasons(path: string, by: readonly string[], meter: Dimensions | null): Reason[] {
  return by.flatMap((name, index) => [
    ...nameReasons(`${path}[${index}]`, name, meter),
    ...(by.indexOf(name) < index ? [{ path: `${path}[${index}]`, detail: `names "${name}" twice` }] : []),
  ]);
}

function nameReasons(path: string, name: string, meter: Dimensions | null): Reason[] {
  if (meter !== null)
    return meter.dimensions.includes(name) ? [] : [{ path, detail: `meter ${meter.id} has no dimension "${name}"` }];
  if (name !== "" && name.length <= MAX_NAME_LENGTH && isStorable(name)) return [];
  return [{ path, detail: `must be 1 to ${MAX_NAME_LENGTH} characters of valid Unicode without NUL` }];
}

function valueReasons(path: string, value: string): Reason[] {
  if (Buffer.byteLength(value, "utf8") > MAX_DIMENSION_BYTES)
    return [{ path, detail: `has at most ${MAX_DIMENSION_BYTES} bytes` }];
  return isStorable(value) ? [] : [{ path, detail: "must be valid Unicode without NUL" }];
}
