import { MetrlyError } from "#kernel/errors.js";
import { type PrintFormat, printInvoice, type StoredInvoice } from "./print.js";
import type { PrintAnswer } from "./print-process.js";

// One invoice, in a process of its own: see print-process.ts.
process.once("message", async ({ invoice, format }: { invoice: StoredInvoice; format: PrintFormat }) => {
  const answer = await printInvoice(invoice, format).then((printed) => ({ printed }), failureOf);
  process.send?.(answer, () => process.disconnect());
});

function failureOf(error: unknown): PrintAnswer {
  if (error instanceof MetrlyError) return { refused: { code: error.code, message: error.message } };
  return { bug: String(error instanceof Error ? error.stack : error) };
}
