import { Decimal, parseDecimal } from "./decimal.js";

/**
 * The active currencies and funds of ISO 4217 (table A.1 as published on 2026-01-01) by the digits of their minor unit. Codes
 * without one (gold, drawing rights, tests) are none to invoice in.
 */
const CODES_BY_DIGITS = [
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
  [
    2,
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU " +
      "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES " +
      "KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR " +
      "NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP " +
      "TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
  ],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"],
] as const;
const DIGITS_OF: ReadonlyMap<string, number> = new Map(
  CODES_BY_DIGITS.flatMap(([digits, codes]) => codes.split(" ").map((code) => [code, digits] as const)),
);

/** The number of digits in a currency's minor unit; 2 for a withdrawn one, in which older plans may still be. */
export function minorDigits(currency: string): number {
  return DIGITS_OF.get(currency) ?? 2;
}

/** Whether a new plan may be in it: an active code in capitals. */
export function isCurrencyCode(text: string): boolean {
  return DIGITS_OF.has(text);
}

/** Rounds half up (away from zero) to the currency's minor unit: the only rounding of an invoice line. */
export function roundToMinor(amount: Decimal, currency: string): Decimal {
  return amount.toDecimalPlaces(minorDigits(currency), Decimal.ROUND_HALF_UP);
}

/** Formats an amount with exactly the currency's minor digits, e.g. "12.50". Negative zero prints as zero. */
export function formatMoney(amount: Decimal, currency: string): string {
  return (amount.isZero() ? amount.abs() : amount).toFixed(minorDigits(currency));
}

/** Whether credits of this amount can be granted: above zero, and with no more digits than the currency's minor unit has. */
export function isGrantable(amount: string, currency: string): boolean {
  const parsed = parseDecimal(amount);
  return parsed?.isPositive() === true && !parsed.isZero() && parsed.decimalPlaces() <= minorDigits(currency);
}
