import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { amountOf, amountText, decimalOf, ONE_UNIT, wholeOf } from "./amount.js";

/** Any quantity that an event or a plan may hold: up to 18 integer and 12 fractional digits, of either sign. */
const quantity = fc
  .tuple(
    // Doubles keep the last digits of none, of some and of all of these.
    fc.oneof(...[8n, 15n, 16n, 18n].map((digits) => fc.bigInt({ min: 0n, max: 10n ** digits - 1n }))),
    fc.integer({ min: 0, max: 12 }),
    fc.bigInt({ min: 0n, max: 10n ** 12n - 1n }),
    fc.boolean(),
  )
  .map(([integer, digits, fraction, isNegative]) =>
    new Decimal(`${integer}.${String(fraction).padStart(12, "0").slice(0, digits)}0`).times(isNegative ? -1 : 1),
  );

test("every quantity is an amount exactly, and is written as the same decimal", () => {
  fc.assert(
    fc.property(quantity, (one) => {
      expect(decimalOf(amountOf(one)).eq(one)).toBe(true);
      expect(amountText(amountOf(one))).toBe(formatDecimal(one));
    }),
  );
});

test("sums and comparisons of amounts are those of the quantities", () => {
  fc.assert(
    fc.property(quantity, quantity, (a, b) => {
      expect(decimalOf(amountOf(a) + amountOf(b)).eq(a.plus(b))).toBe(true);
      expect(amountOf(a) > amountOf(b)).toBe(a.gt(b));
    }),
  );
});

test("the least amounts are written with all their digits", () => {
  const texts = [1n, -1n, 10n ** 11n, 10n ** 12n - 1n].map(amountText);
  expect(texts).toEqual(["0.000000000001", "-0.000000000001", "0.1", "0.999999999999"]);
});

test("digits beyond the twelfth are rounded up, and whole units down", () => {
  expect(amountOf(new Decimal("0.0000000000001"))).toBe(1n);
  expect(amountOf(new Decimal("-0.0000000000001"))).toBe(0n);
  expect(wholeOf(amountOf(new Decimal("2.5")))).toBe(2n);
  expect(wholeOf(amountOf(new Decimal("-2.5")))).toBe(-3n);
  expect(wholeOf(-2n * ONE_UNIT)).toBe(-2n);
});
