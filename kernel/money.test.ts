import { expect, test } from "vitest";
import { Decimal } from "./decimal.js";
import { formatMoney, isCurrencyCode, roundToMinor } from "./money.js";

test.each([
  ["1.005", "EUR", "1.01"],
  ["-1.005", "EUR", "-1.01"],
  ["1.0049999999", "EUR", "1.00"],
  ["0.5", "JPY", "1"],
  ["1.2345", "KWD", "1.235"],
  ["-0.001", "USD", "0.00"],
  ["0.00005", "CLF", "0.0001"],
])("%s %s rounds half up to %s", (amount, currency, expected) => {
  expect(formatMoney(roundToMinor(new Decimal(amount), currency), currency)).toBe(expected);
});

test("only ISO 4217 codes are currencies", () => {
  const codes = [
    "AED",
    "COU",
    "CRC",
    "KES",
    "KGS",
    "NPR",
    "NZD",
    "TOP",
    "TRY",
    "EUR",
    "JPY",
    "KWD",
    "CLF",
    "UYW",
    "UYI",
  ];
  expect([...codes, "SLE", "ZWG", "XCG"].every(isCurrencyCode)).toBe(true);
  expect(["eur", "EURO", "XXA", "", "XXX", "XAU"].some(isCurrencyCode)).toBe(false);
});

test("withdrawn currencies are none, whatever ICU knows, and keep two digits on older plans", () => {
  expect(["HRK", "BGN", "DEM", "SLL", "ZWL", "MRO", "LTL", "ANG", "CUC"].some(isCurrencyCode)).toBe(false);
  expect(formatMoney(new Decimal("1.5"), "HRK")).toBe("1.50");
});
