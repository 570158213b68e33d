import { Decimal } from "./decimal.js";

/** Currencies whose minor unit is not two digits (ISO 4217, table A.1, active codes), by its digits. */
const MINOR_DIGITS = [
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"],
] as const;
const DIGITS_OF = new Map(
  MINOR_DIGITS.flatMap(([digits, codes]) => codes.split(" ").map((code) => [code, digits] as const)),
);

/** The number of digits in a currency's minor unit. */
export function minorDigits(currency: string): number {
  return DIGITS_OF.get(currency) ?? 2;
}

export function isCurrencyCode(text: string): boolean {
  return /^[A-Z]{3}$/.test(text) && CURRENCIES.has(text);
}

/** Rounds half up (away from zero) to the currency's minor unit: the only rounding of an invoice line. */
export function roundToMinor(amount: Decimal, currency: string): Decimal {
  return amount.toDecimalPlaces(minorDigits(currency), Decimal.ROUND_HALF_UP);
}

/** Formats an amount with exactly the currency's minor digits, e.g. "12.50". Negative zero prints as zero. */
export function formatMoney(amount: Decimal, currency: string): string {
  return (amount.isZero() ? amount.abs() : amount).toFixed(minorDigits(currency));
}

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));
