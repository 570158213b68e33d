import { Decimal } from "./decimal.js";

/** Currencies whose minor unit is not two digits (ISO 4217, table A.1, active codes). */
const MINOR_DIGITS: Readonly<Record<string, number>> = {
  BIF: 0,
  CLP: 0,
  DJF: 0,
  GNF: 0,
  ISK: 0,
  JPY: 0,
  KMF: 0,
  KRW: 0,
  PYG: 0,
  RWF: 0,
  UGX: 0,
  UYI: 0,
  VND: 0,
  VUV: 0,
  XAF: 0,
  XOF: 0,
  XPF: 0,
  BHD: 3,
  IQD: 3,
  JOD: 3,
  KWD: 3,
  LYD: 3,
  OMR: 3,
  TND: 3,
  CLF: 4,
  UYW: 4,
};

/** The number of digits in a currency's minor unit. */
export function minorDigits(currency: string): number {
  return MINOR_DIGITS[currency] ?? 2;
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
