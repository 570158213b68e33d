import { grouped } from "#kernel/decimal.js";
import type { InvoiceVersion } from "../vocabulary.js";

/** A text on an invoice as each version of the document has it: what is closed keeps its words. */
export type InvoiceText = Readonly<Record<InvoiceVersion, string>>;

const same = (text: string): InvoiceText => ({ 1: text, 2: text });

/** Where the arithmetic of a line says what a step is. */
export const STEP_NOTES = {
  recurringFee: same("recurring fee"),
  recurringFeeOfDays: (days: number, total: number): InvoiceText => same(`recurring fee for ${days} of ${total} days`),
  minimumCommitOfDays: (days: number, total: number): InvoiceText =>
    same(`minimum commitment for ${days} of ${total} days`),
  flatFee: { 1: "flat amount", 2: "flat fee" },
  included: same("included"),
  minimumCommit: { 1: "minimum commit", 2: "minimum commitment" },
  lessUsage: { 1: "less usage", 2: "less usage charges" },
  credit: same("paid from prepaid credits"),
  alreadyInvoiced: {
    1: "already invoiced; the steps above are rounded first",
    2: "less the amount already invoiced; the steps above are rounded before it is subtracted",
  },
  converted: (divideBy: string, roundUp: boolean): InvoiceText =>
    same(`divided by ${divideBy}${roundUp ? ", rounded up" : ""}`),
  /** `from`: where the tier before ends, "0" for the first. */
  tier: (number: number, from: string, upTo: string | null): InvoiceText =>
    upTo === null
      ? { 1: `tier ${number}, without end`, 2: `above ${grouped(from)}` }
      : { 1: `tier ${number}, up to ${upTo}`, 2: `${grouped(from)} to ${grouped(upTo)}` },
  packages: (size: string): InvoiceText => same(`packages of ${size}`),
  rate: (percent: string): InvoiceText => same(`${percent} %`),
  discount: (percent: string): InvoiceText => ({ 1: `discount of ${percent} %`, 2: `${percent} % discount` }),
  minimum: (amount: string): InvoiceText => same(`raised to the minimum of ${amount}`),
  cap: (amount: string): InvoiceText => same(`capped at ${amount}`),
} as const;
