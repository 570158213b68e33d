import { Decimal, sumDecimals, ZERO } from "#kernel/decimal.js";
import type { MeterState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import { type Claim, claimOf, namingPrices } from "#schema/rating/claims.js";
import type { Aggregation } from "#schema/vocabulary.js";

/** Usage of one meter and combination of dimension values; for MAX, UNIQUE and LATEST also of one counted value. */
export interface UsageCell {
  readonly meter: string;
  /** In the order of the meter's dimensions. */
  readonly dimensions: readonly string[];
  readonly value: string;
  /** COUNT and SUM: the quantity; otherwise 0. */
  readonly quantity: Decimal;
  /** Events less voids. */
  readonly eventCount: number;
  /** Events of dominated values of a MAX or LATEST meter, which are not among the cells. */
  readonly dominatedCount: number;
  readonly lastEventAt: number;
}

/** The contents of a cell: a number of events and the sum of their values, or one value and its number of events. */
export const CELL_KEEPS: Readonly<Record<Aggregation, "count" | "sum" | "value">> = {
  COUNT: "count",
  SUM: "sum",
  MAX: "value",
  UNIQUE: "value",
  LATEST: "value",
};

/** The order in which a meter's top value alone is its quantity, so that a merge may set the others aside. */
export const TOP_VALUE_BY: Readonly<Record<Aggregation, "number" | "text" | undefined>> = {
  COUNT: undefined,
  SUM: undefined,
  MAX: "number",
  UNIQUE: undefined,
  LATEST: "text",
};

const LATEST_PARTS = /^(\d+)\|(\d+)\|(.*)$/;
const SORTABLE_DIGITS = 16;

/**
 * The stored form of a reading. MAX, UNIQUE and LATEST keep a row per value with its number of events, so that a void retracts
 * exactly its event; LATEST's value starts with its order: the event's time, then its `seq`.
 */
export function storedValue(aggregation: Aggregation, value: string, time: number, seq: number): string {
  switch (aggregation) {
    case "COUNT":
    case "SUM":
      return "";
    case "MAX":
      return value;
    case "UNIQUE":
      return JSON.stringify(value);
    case "LATEST":
      return `${sortable(time)}|${sortable(seq)}|${value}`;
  }
}

const sortable = (whole: number): string => String(whole).padStart(SORTABLE_DIGITS, "0");

/** The quantity of a meter over its cells: all dimensions together, each value counted while it has events. */
export function quantityOf(aggregation: Aggregation, cells: readonly UsageCell[]): Decimal {
  switch (aggregation) {
    case "COUNT":
    case "SUM":
      return sumDecimals(cells.map((cell) => cell.quantity));
    case "UNIQUE":
      return new Decimal(carriedValues(cells).size);
    case "MAX":
      return largestOf(carriedValues(cells));
    case "LATEST":
      return latestOf(carriedValues(cells));
  }
}

const carriedValues = (cells: readonly UsageCell[]): ReadonlySet<string> =>
  new Set(cells.filter((cell) => cell.eventCount > 0).map((cell) => cell.value));

/** Iterative: a period may hold more values than a call takes arguments. */
function largestOf(values: ReadonlySet<string>): Decimal {
  let largest: Decimal | undefined;
  for (const text of values) {
    const value = new Decimal(text);
    if (largest === undefined || value.gt(largest)) largest = value;
  }
  return largest ?? ZERO;
}

function latestOf(values: ReadonlySet<string>): Decimal {
  let latest: string | undefined;
  for (const value of values) if (latest === undefined || value > latest) latest = value;
  return latest === undefined ? ZERO : new Decimal(LATEST_PARTS.exec(latest)?.[3] ?? 0);
}

/** The cells that a price claims. */
export function cellsOf(
  price: PriceState,
  prices: readonly PriceState[],
  meter: MeterState,
  cells: readonly UsageCell[],
): UsageCell[] {
  const ofMeter = cells.filter((cell) => cell.meter === price.meter);
  const { where, except } = claimOf(price, prices);
  const [has, hasOther] = [hasAllOfOne([where], meter), hasAllOfOne(except, meter)];
  return ofMeter.filter((cell) => has(cell) && !hasOther(cell));
}

/** Whether usage has all values of one of these. */
function hasAllOfOne(
  lists: readonly Claim["where"][],
  meter: MeterState,
): (usage: Pick<UsageCell, "dimensions">) => boolean {
  const wanted = lists.map((where) =>
    where.map(({ dimension, value }) => ({ at: meter.dimensions.indexOf(dimension), value })),
  );
  return ({ dimensions }) => wanted.some((where) => where.every(({ at, value }) => dimensions[at] === value));
}

/** The cells of a meter that no price of the plan claims. */
export function unclaimedCells(
  prices: readonly PriceState[],
  meter: MeterState,
  cells: readonly UsageCell[],
): UsageCell[] {
  const isClaimed = claimedByPlan(prices, meter);
  return cells.filter((cell) => cell.meter === meter.id && !isClaimed(cell));
}

/** Whether some price of the plan claims usage of a meter with these values of its dimensions. */
export function claimedByPlan(
  prices: readonly PriceState[],
  meter: MeterState,
): (usage: Pick<UsageCell, "dimensions">) => boolean {
  if (prices.some((price) => price.meter === meter.id && price.catchAll === true)) return () => true;
  return hasAllOfOne(
    namingPrices(prices, meter.id).map(({ where }) => where),
    meter,
  );
}

/** The positions of the prices that claim usage of a meter, by its dimensions: those that name it, otherwise the catch-all ones. */
export function claimingPrices(
  prices: readonly PriceState[],
  meter: MeterState,
): (usage: Pick<UsageCell, "dimensions">) => readonly number[] {
  const ofMeter = prices.flatMap((price, index) => (price.meter === meter.id ? [{ price, index }] : []));
  const naming = ofMeter.flatMap(({ price, index }) =>
    price.catchAll === true ? [] : [{ index, claims: hasAllOfOne([price.where], meter) }],
  );
  const catchAll = ofMeter.flatMap(({ price, index }) => (price.catchAll === true ? [index] : []));
  return (usage) => {
    const named = naming.flatMap(({ index, claims }) => (claims(usage) ? [index] : []));
    return named.length > 0 ? named : catchAll;
  };
}

/** The quantity that a stored value of a MAX or LATEST meter is. */
export const quantityOfValue = (stored: string): Decimal => new Decimal(LATEST_PARTS.exec(stored)?.[3] ?? stored);

/** A number that orders the stored values of a MAX or LATEST meter as their quantities: the top one has the highest. */
export function rankOfValue(stored: string): string {
  const [, time, seq] = LATEST_PARTS.exec(stored) ?? [];
  return time === undefined || seq === undefined ? stored : `${BigInt(time)}${seq}`;
}
