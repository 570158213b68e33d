import { grouped } from "#kernel/decimal.js";
import { minorDigits } from "#kernel/money.js";

const MINUS = "\u2212";
const signed = (text: string): string => text.replace(/^-/, MINUS);

/** At least the currency's minor digits, and all others that it has, e.g. "0.10", "0.00025". */
export function moneyText(amount: string, currency: string): string {
  const [integer = "", fraction = ""] = amount.split(".");
  const digits = fraction.padEnd(minorDigits(currency), "0");
  return signed(grouped(digits === "" ? integer : `${integer}.${digits}`));
}

export const quantityText = (quantity: string): string => signed(grouped(quantity));
