import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal, formatDecimal, parseDecimal, sumDecimals } from "./decimal.js";

const inRange = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 30n - 1n }))
  .map(
    ([negative, scaled]) =>
      `${negative ? "-" : ""}${scaled / 10n ** 12n}.${String(scaled % 10n ** 12n).padStart(12, "0")}`,
  );

test("every decimal in range survives reading and writing as the same value", () => {
  fc.assert(
    fc.property(inRange, (text) => {
      const value = parseDecimal(text);
      expect(value).toBeDefined();
      if (value === undefined) return;
      expect(new Decimal(formatDecimal(value)).eq(value)).toBe(true);
      expect(formatDecimal(value)).not.toMatch(/e|\.\d*0$|^-0$/);
    }),
  );
});

test("addition is exact: it agrees with whole numbers of the smallest unit", () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: -(10n ** 29n), max: 10n ** 29n }), { maxLength: 50 }), (units) => {
      const sum = sumDecimals(units.map((unit) => new Decimal(unit.toString()).div("1e12")));
      const expected = units.reduce((a, b) => a + b, 0n);
      expect(sum.times("1e12").toFixed()).toBe(new Decimal(expected.toString()).toFixed());
    }),
  );
});

test.each([
  "1e3",
  "+1",
  "01",
  ".5",
  "5.",
  "NaN",
  "Infinity",
  "",
  " 1",
  "1 ",
  "0x1",
  "1,000",
  "1234567890123456789",
  "0.1234567890123",
])("%j is not a decimal of the contract", (text) => {
  expect(parseDecimal(text)).toBeUndefined();
});

test("trailing zeros do not count as digits", () => {
  expect(parseDecimal("1.1234567890120000")?.toFixed()).toBe("1.123456789012");
});
