import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal } from "#kernel/decimal.js";
import { runs } from "../../tests/support/effort.js";
import type { PriceState } from "../events/tenancy-changed.v1.js";
import { PRICE_MODELS } from "../vocabulary.js";
import { createRating } from "./amounts.js";
import { roundLine } from "./exact.js";
import { anyPrice, PRICE_GRID } from "./prices.testing.js";
import { priceUsage } from "./pricing.js";

const UNIT = 10n ** 12n;
const currencies = fc.constantFrom("EUR", "JPY", "KWD", "CLF");
const amountText = (amount: bigint): string => new Decimal(amount.toString()).div(UNIT.toString()).toFixed();
const lineAmount = (price: PriceState, quantity: Decimal, currency: string): string =>
  roundLine(priceUsage(price, quantity).amount, currency).toFixed();

/** Amounts with many digits, among them such that no decimal holds their quotients. */
const fine = fc.bigInt(1n, 10n ** 15n).map((n) => new Decimal(n.toString()).div("1000000000000").toFixed());
function finePrice(price: PriceState, drawn: readonly string[]): PriceState {
  const [a = "1", b = "1", c = "1", d = "1"] = drawn;
  const isSet = (text: string | null, other: string): string | null => (text === null ? null : other);
  return {
    ...price,
    ...{ divideBy: a, included: b, unitAmount: isSet(price.unitAmount, c), packageSize: isSet(price.packageSize, d) },
    ratePercent: isSet(price.ratePercent, d),
    tiers: price.tiers.map((tier) => ({ ...tier, unitAmount: c })),
  };
}

test.each(PRICE_MODELS)("an amount of %s is that of the line's steps, rounded, to the last digit", (model) => {
  const quantity = fc.oneof(
    fc.integer({ min: -20, max: 200 }).map((n) => new Decimal(n).div(PRICE_GRID)),
    fc.bigInt(-(10n ** 14n), 10n ** 22n).map((n) => new Decimal(n.toString()).div(UNIT.toString())),
  );
  const price = fc
    .tuple(anyPrice(model), fc.boolean(), fc.array(fine, { minLength: 4, maxLength: 4 }))
    .map(([plain, isFine, drawn]) => (isFine ? finePrice(plain, drawn) : plain));
  fc.assert(
    fc.property(price, quantity, currencies, (one, of, currency) => {
      const scaled = BigInt(of.times(UNIT.toString()).toFixed());
      expect(amountText(createRating(one, currency).amount(scaled))).toBe(lineAmount(one, of, currency));
    }),
    { numRuns: runs(1_000) },
  );
});

test.each(PRICE_MODELS)(
  "no quantity between costs more than the highest amount of %s, and one costs as much",
  (model) => {
    const range = fc.tuple(fc.integer({ min: -8, max: 100 }), fc.integer({ min: 0, max: 60 }));
    fc.assert(
      fc.property(anyPrice(model), range, currencies, (price, [first, length], currency) => {
        const quantities = Array.from({ length: length + 1 }, (_, n) => new Decimal(first + n).div(PRICE_GRID));
        const amounts = quantities.map((quantity) => lineAmount(price, quantity, currency));
        const [from, to] = [first, first + length].map((n) => (BigInt(n) * UNIT) / BigInt(PRICE_GRID));
        const highest = createRating(price, currency).highest(from ?? 0n, to ?? 0n);
        expect(amountText(highest)).toBe(Decimal.max(...amounts).toFixed());
      }),
      { numRuns: runs(300) },
    );
  },
);

test("the last quantity of a tier is the largest that can be recorded, where the end itself cannot", () => {
  const tier = (upTo: string | null, unitAmount: string) => ({ upTo, unitAmount, flatAmount: "0" });
  const price: PriceState = {
    ...{ meter: "tokens", model: "VOLUME", included: "0", unitAmount: null, packageSize: null, ratePercent: null },
    ...{ tiers: [tier("0.000000000001", "1000000000000"), tier(null, "0")], divideBy: "0.5", roundUp: false },
    ...{ minimumAmount: null, maximumAmount: null, discountPercent: "0", where: [] },
  };
  expect(createRating(price, "EUR").highest(0n, UNIT)).toBe(0n);
  expect(createRating({ ...price, divideBy: "1" }, "EUR").highest(0n, UNIT)).toBe(UNIT);
});
