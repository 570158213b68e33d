import type { InvoiceText } from "#schema/rating/step-notes.js";

const same = (text: string): InvoiceText => ({ 1: text, 2: text });

export const RECURRING_FEE = same("Recurring fee");
export const recurringText = (days: number, total: number): InvoiceText =>
  same(`Recurring fee (${days} of ${total} days)`);

export function usageText(meter: string, where: readonly { dimension: string; value: string }[]): InvoiceText {
  const matches = where.map(({ dimension, value }) => `${dimension} ${value}`);
  return {
    1: `Usage of ${[meter, ...matches].join(", ")}`,
    2: matches.length === 0 ? `Usage of ${meter}` : `Usage of ${meter} (${matches.join(", ")})`,
  };
}

export const commitText = (amount: string): InvoiceText => ({
  1: `Minimum commit of ${amount}, less usage`,
  2: `Minimum commitment of ${amount}, less usage charges`,
});

/** No invoice of version 1 has it. */
export const creditText = (grantId: string): InvoiceText => same(`Prepaid credits (${grantId})`);

/** `day`: start of the adjusted period. */
export const adjustmentText = (day: string, about: InvoiceText): InvoiceText => ({
  1: `Adjustment of ${day}: ${about[1]}`,
  2: `Adjustment for the period from ${day}: ${about[2]}`,
});
