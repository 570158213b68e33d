import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal, formatDecimal, grouped, parseDecimal, sumDecimals } from "./decimal.js";

const inRange = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 30n - 1n }), fc.integer({ min: 0, max: 12 }))
  .map(([negative, scaled, digits]) => {
    const fraction = String(scaled % 10n ** 12n).padStart(12, "0");
    return `${negative ? "-" : ""}${scaled / 10n ** 12n}${digits === 0 ? "" : `.${fraction.slice(0, digits)}`}`;
  });

test("every decimal in range survives reading and writing as the same value", () => {
  fc.assert(
    fc.property(inRange, (text) => {
      const value = parseDecimal(text);
      expect(value).toBeDefined();
      if (value === undefined) return;
      expect(value.eq(new Decimal(text))).toBe(true);
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
  "0.1000000000001",
  "x1",
  "1x",
  `1.${"0".repeat(31)}`,
])("%j is not a decimal of the contract", (text) => {
  expect(parseDecimal(text)).toBeUndefined();
});

test("trailing zeros do not count as digits", () => {
  expect(parseDecimal("1.1234567890120000")?.toFixed()).toBe("1.123456789012");
});

test("the longest decimals are in range, of either sign", () => {
  for (const text of ["-999999999999999999.999999999999", "999999999999999999.999999999999"])
    expect(parseDecimal(text)?.toFixed()).toBe(text);
});

test("no decimal in range is written with an exponent, and division keeps 60 significant digits", () => {
  expect(String(new Decimal("0.000000000001"))).toBe("0.000000000001");
  expect(String(new Decimal("1e30"))).toBe(`1${"0".repeat(30)}`);
  expect(new Decimal(2).div(3).toFixed()).toBe(`0.${"6".repeat(59)}7`);
  expect(formatDecimal(new Decimal("-0"))).toBe("0");
});

test.each([
  ["1234567.8912", "1,234,567.8912"],
  ["-123456", "-123,456"],
  ["1000", "1,000"],
  ["999.9999", "999.9999"],
  ["0", "0"],
])("%s is written for people as %s", (text, shown) => {
  expect(grouped(text)).toBe(shown);
});
