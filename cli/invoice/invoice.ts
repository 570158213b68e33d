import { writeFile } from "node:fs/promises";
import { stringify } from "csv-stringify/sync";
import { messageOf } from "#kernel/errors.js";
import { invoicePage } from "#platform/paper/page.js";
import type { PaperName } from "#platform/paper/sizes.js";
import { type InvoiceDocument, type IssuedInvoice, paperOf } from "#platform/paper/words.js";
import type { Env } from "#platform/process/config.js";
import { readInvoice } from "#schema/events/invoice.v2.js";
import { type ConnectionOptions, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { asText } from "../csv.js";
import { type WholeInvoice, wholeInvoice } from "../show/whole-invoice.js";
import type { InvoiceFormat } from "./formats.js";

/**
 * `metrly invoices export ID`: the invoice's bytes, its lines as CSV, a printable page, or a PDF. Refuses an invoice with a wrong
 * hash.
 */
export async function exportInvoice(id: string, options: ConnectionOptions & ExportOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const invoice = await wholeInvoice(connection, id);
  if (options.pdf !== undefined) await write(options.pdf, await pdfOf(invoice, options.paper ?? "a4"));
  if (options.pdf !== undefined && options.format === undefined && options.out === undefined) return;
  const text = textOf(invoice, options.format ?? "json");
  if (options.out === undefined) process.stdout.write(text);
  else await write(options.out, text);
}

async function write(file: string, content: string | Buffer): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (error) {
    throw new UserError(`${file} cannot be written: ${messageOf(error)}`);
  }
  process.stderr.write(`Written: ${file}\n`);
}

interface ExportOptions {
  readonly format?: InvoiceFormat;
  readonly out?: string;
  /** A file for the PDF; with `format` or `out` that is written too. */
  readonly pdf?: string;
  readonly paper?: PaperName;
}

/** As JSON it is the document itself, byte for byte, so that anyone can check its hash. */
export function textOf(invoice: WholeInvoice, format: InvoiceFormat): string {
  if (format === "json") return invoice.document;
  return format === "csv" ? csvOf(readInvoice(invoice.document)) : invoicePage(paperOf(issued(invoice)));
}

async function pdfOf(invoice: WholeInvoice, size: PaperName): Promise<Buffer> {
  const { invoicePdf } = await import("#platform/paper/pdf.js");
  return invoicePdf(paperOf(issued(invoice)), size);
}

const issued = ({ document, sha256, generatedAt }: WholeInvoice): IssuedInvoice => ({
  ...{ document: readInvoice(document), sha256 },
  issuedAt: Date.parse(generatedAt),
});

function csvOf({ number, tenantId, period, currency, lines }: InvoiceDocument): string {
  const rows = lines.map((line, index) => ({
    invoice: number,
    tenant: tenantId,
    periodStart: period.start,
    periodEnd: period.end,
    line: index + 1,
    kind: line.kind,
    description: asText(line.description),
    meter: line.meter ?? "",
    dimensions: asText(line.dimensions.map(({ dimension, value }) => `${dimension}=${value}`).join(";")),
    quantity: line.quantity,
    amount: line.amount,
    currency,
    plan: line.plan.id,
    planVersion: line.plan.version,
    adjustsInvoice: line.adjusts?.invoiceId ?? "",
    adjustsPeriod: line.adjusts?.periodStart ?? "",
  }));
  return stringify(rows, { header: true });
}
