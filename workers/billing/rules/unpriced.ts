import type { Decimal } from "#kernel/decimal.js";
import type { MeterState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import type { UnpricedReason } from "#schema/vocabulary.js";
import { quantityOf, type UsageCell, unclaimedCells } from "./usage.js";

/** Usage that no price of the plan claims: it is charged nothing. */
export interface UnpricedUsage {
  readonly meter: string;
  /** In the meter's order; empty: all of the meter's unclaimed usage together. */
  readonly dimensions: readonly { readonly dimension: string; readonly value: string }[];
  readonly quantity: Decimal;
  readonly eventCount: number;
  readonly reason: UnpricedReason;
}

/** More unclaimed combinations of a meter's dimensions are shown as one. */
export const MAX_UNPRICED_COMBINATIONS = 200;
/**
 * So are those of a meter that do not fit into what the meters before it leave: bytes of dimensions as JSON, and `ENTRY_BYTES` for
 * each combination. Otherwise senders of usage decide how large an invoice is.
 */
export const MAX_UNPRICED_BYTES = 1 << 20;
const ENTRY_BYTES = 100;

/** A period's unpriced usage under a plan, meter by meter. */
export interface Unpriced {
  /** Takes the cells of the next meter, in the order of the meters' keys. */
  take(meter: MeterState, cells: readonly UsageCell[]): void;
  /** By meter and combination, in the order of their texts. Without what was voided to the last event. */
  readonly found: readonly UnpricedUsage[];
}

export function collectUnpriced(prices: readonly PriceState[]): Unpriced {
  const found: UnpricedUsage[] = [];
  let bytesLeft = MAX_UNPRICED_BYTES;

  function entriesOf(meter: MeterState, unclaimed: readonly UsageCell[]): readonly UnpricedUsage[] {
    if (!prices.some((price) => price.meter === meter.id)) return entryOf(meter, [], unclaimed, "NO_PRICE_FOR_METER");
    const entries = byCombination(meter, unclaimed);
    const isFew = entries.length <= MAX_UNPRICED_COMBINATIONS;
    const bytes = isFew ? entries.reduce((sum, entry) => sum + bytesOf(entry), 0) : 0;
    if (!isFew || bytes > bytesLeft) return entryOf(meter, [], unclaimed, "NO_PRICE_FOR_DIMENSIONS");
    bytesLeft -= bytes;
    return entries;
  }

  return {
    found,
    take: (meter, cells) => void found.push(...entriesOf(meter, unclaimedCells(prices, meter, cells))),
  };
}

const bytesOf = ({ dimensions }: UnpricedUsage): number => Buffer.byteLength(JSON.stringify(dimensions)) + ENTRY_BYTES;

function byCombination(meter: MeterState, unclaimed: readonly UsageCell[]): UnpricedUsage[] {
  const combinations = new Map<string, UsageCell[]>();
  for (const cell of unclaimed) {
    const key = JSON.stringify(cell.dimensions);
    const group = combinations.get(key);
    // Appended: a meter of distinct values has a cell for each.
    if (group === undefined) combinations.set(key, [cell]);
    else group.push(cell);
  }
  return [...combinations.keys()].sort().flatMap((key) => {
    const group = combinations.get(key) ?? [];
    const values = group[0]?.dimensions ?? [];
    const dimensions = meter.dimensions.map((dimension, at) => ({ dimension, value: values[at] ?? "" }));
    return entryOf(meter, dimensions, group, "NO_PRICE_FOR_DIMENSIONS");
  });
}

function entryOf(
  meter: MeterState,
  dimensions: UnpricedUsage["dimensions"],
  cells: readonly UsageCell[],
  reason: UnpricedReason,
): UnpricedUsage[] {
  const eventCount = cells.reduce((sum, cell) => sum + cell.eventCount + cell.dominatedCount, 0);
  if (eventCount === 0) return [];
  return [{ meter: meter.id, dimensions, quantity: quantityOf(meter.aggregation, cells), eventCount, reason }];
}
