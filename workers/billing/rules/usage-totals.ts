import { formatDecimal } from "#kernel/decimal.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { quantityOf, type UsageCell } from "./usage.js";

export interface UsageTotal {
  readonly meter: string;
  readonly bucket: number;
  readonly quantity: string;
  readonly dimensions: readonly { readonly dimension: string; readonly value: string }[];
  readonly eventCount: number;
  readonly lastEventAt: number | null;
}

/** Totals of one meter per bucket and combination of the requested dimensions (those that the meter has). */
export function totalsOf(
  meter: MeterState,
  cells: readonly (UsageCell & { readonly bucket: number })[],
  groupBy: readonly string[],
): UsageTotal[] {
  const kept = meter.dimensions.flatMap((dimension, at) => (groupBy.includes(dimension) ? [{ dimension, at }] : []));
  const groups = new Map<string, { bucket: number; dimensions: UsageTotal["dimensions"]; cells: UsageCell[] }>();
  for (const cell of cells) {
    const dimensions = kept.map(({ dimension, at }) => ({ dimension, value: cell.dimensions[at] ?? "" }));
    const key = JSON.stringify([cell.bucket, dimensions.map(({ value }) => value)]);
    const group = groups.get(key) ?? { bucket: cell.bucket, dimensions, cells: [] };
    group.cells.push(cell);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ bucket, dimensions, cells: group }) => {
    const eventCount = group.reduce((sum, cell) => sum + cell.eventCount + cell.dominatedCount, 0);
    return {
      meter: meter.id,
      bucket,
      quantity: formatDecimal(quantityOf(meter.aggregation, group)),
      dimensions,
      eventCount,
      lastEventAt:
        eventCount === 0
          ? null
          : group.reduce((last, cell) => Math.max(last, cell.lastEventAt), Number.NEGATIVE_INFINITY),
    };
  });
}
