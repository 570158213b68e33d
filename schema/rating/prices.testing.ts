import fc from "fast-check";
import type { PriceState } from "../events/tenancy-changed.v1.js";
import type { PriceModel } from "../vocabulary.js";

/** Every place where an amount may turn lies on this grid. */
export const PRICE_GRID = 4;
const halves = (most: number) => fc.integer({ min: 0, max: 2 * most }).map((n) => String(n / 2));
const money = fc.integer({ min: 0, max: 300 }).map((cents) => String(cents / 100));
const tiers = fc
  .array(fc.record({ length: fc.integer({ min: 1, max: 8 }), unitAmount: money, flatAmount: money }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => {
    let end = 0;
    return parts.map(({ length, ...tier }, index) => {
      end += length / 2;
      return { ...tier, upTo: index === parts.length - 1 ? null : String(end) };
    });
  });

/** Any price of a model on the meter "tokens". */
export function anyPrice(model: PriceModel): fc.Arbitrary<PriceState> {
  const isTiered = model === "GRADUATED" || model === "VOLUME";
  return fc
    .record({
      included: halves(3),
      divideBy: fc.constantFrom("1", "0.5", "1.5", "2", "3"),
      roundUp: fc.boolean(),
      discountPercent: fc.constantFrom("0", "0", "12.5", "100"),
      minimumAmount: fc.option(money),
      maximumAmount: fc.option(fc.integer({ min: 300, max: 600 }).map((cents) => String(cents / 100))),
      unitAmount: money,
      tiers,
    })
    .map((drawn) => ({
      ...drawn,
      ...{ meter: "tokens", model, where: [], tiers: isTiered ? drawn.tiers : [] },
      unitAmount: isTiered || model === "PERCENTAGE" ? null : drawn.unitAmount,
      packageSize: model === "PACKAGE" ? "1.5" : null,
      ratePercent: model === "PERCENTAGE" ? "7" : null,
    }));
}
