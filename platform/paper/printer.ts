import { MetrlyError } from "#kernel/errors.js";
import { createFairTurns, inTurn, type TurnLimits } from "#platform/lifecycle/fair-turns.js";
import { type Printed, type PrintFormat, printInvoice, type StoredInvoice } from "./print.js";
import { printInProcess } from "./print-process.js";

/** Each turn is a process with a core of its own. Two, so that nobody waits for the long invoices of one tenant. */
const TURNS: TurnLimits = {
  ...{ atOnce: 2, perCaller: 1, waitingPerCaller: 4, waiting: 40 },
  ...{ waitingBytesPerCaller: 8 << 20, waitingBytes: 32 << 20 },
};
/** A page of a document up to this size takes milliseconds, less than a process takes to start. */
const MAX_INLINE_BYTES = 64 << 10;
/** About 10,000 lines and price steps on 400 sheets: seconds of processor time. */
const MAX_PDF_BYTES = 1 << 20;

export interface PrintRequest {
  readonly invoice: StoredInvoice;
  readonly format: PrintFormat;
  /** Whose turn it takes. */
  readonly caller: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * Prints a service's invoices: small pages at once, all else in a process of its own, in turns of the callers. Throws TOO_LARGE
 * for a PDF that is too long, BUSY when too many wait, and what `printInvoice` and `printInProcess` throw.
 */
export function createPrinter(printLarge = printInProcess) {
  const turns = createFairTurns(TURNS);
  return {
    async print({ invoice, format, caller, signal }: PrintRequest): Promise<Printed> {
      const bytes = Buffer.byteLength(invoice.text);
      if (format.kind === "page" && bytes <= MAX_INLINE_BYTES) return printInvoice(invoice, format);
      if (format.kind === "pdf" && bytes > MAX_PDF_BYTES)
        throw new MetrlyError(
          "TOO_LARGE",
          `The invoice's document has ${bytes} bytes; a PDF is made of at most ${MAX_PDF_BYTES}. Print its page, or use the command line: invoices export --pdf`,
        );
      const busy = "Too many invoices are being printed; try again later";
      return inTurn(turns, caller, busy, () => printLarge(invoice, format, signal), { bytes, signal });
    },
  };
}

export type Printer = ReturnType<typeof createPrinter>;
