import type { DimensionMatchState, PriceState } from "../events/tenancy-changed.v1.js";

/** The usage of its meter that a price charges. */
export interface Claim {
  /** Values that it must have, all of them. */
  readonly where: readonly DimensionMatchState[];
  /** What other prices claim: usage that has all values of one of these is not claimed. */
  readonly except: readonly (readonly DimensionMatchState[])[];
}

/** A price claims usage with its values; a catch-all price claims what none of the plan's other prices of the meter claims. */
export function claimOf(price: PriceState, prices: readonly PriceState[]): Claim {
  if (price.catchAll !== true) return { where: price.where, except: [] };
  return { where: [], except: namingPrices(prices, price.meter).map(({ where }) => where) };
}

/** The prices of a meter that name what they claim. */
export const namingPrices = (prices: readonly PriceState[], meter: string): readonly PriceState[] =>
  prices.filter((price) => price.meter === meter && price.catchAll !== true);
