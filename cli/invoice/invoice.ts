import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { stringify } from "csv-stringify/sync";
import { invoicePage } from "#platform/paper/page.js";
import type { PaperName } from "#platform/paper/sizes.js";
import { type InvoiceDocument, type IssuedInvoice, paperOf } from "#platform/paper/words.js";
import type { Env } from "#platform/process/config.js";
import { readInvoice } from "#schema/events/invoice.v2.js";
import { asTyped } from "../as-typed.js";
import { askGraph, type ConnectionOptions, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { asText } from "../csv.js";
import { graphql } from "../graphql/index.js";
import { invoicesAdvice } from "../show/print.js";
import type { InvoiceFormat } from "./formats.js";

const INVOICE = graphql(`query Invoice($id: ID!) { invoice(id: $id) { document sha256 generatedAt } }`);

/**
 * `metrly invoices export ID`: the invoice's bytes, its lines as CSV, a printable page, or a PDF. Refuses an invoice with a wrong
 * hash.
 */
export async function exportInvoice(id: string, options: ConnectionOptions & ExportOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const { invoice } = await askGraph(connection, INVOICE, { id });
  if (invoice === null) throw new UserError(`NOT_FOUND: There is no invoice ${id}. ${invoicesAdvice()}`);
  const { document, sha256 } = invoice;
  if (createHash("sha256").update(document, "utf8").digest("hex") !== sha256)
    throw new UserError(`${id} does not match its SHA-256. Check it: ${asTyped(`invoices verify ${id}`)}`);
  if (options.pdf !== undefined) await writeFile(options.pdf, await pdfOf(invoice, options.paper ?? "a4"));
  if (options.pdf !== undefined && options.format === undefined && options.out === undefined) return;
  const text = textOf(invoice, options.format ?? "json");
  if (options.out === undefined) process.stdout.write(text);
  else await writeFile(options.out, text);
}

interface ExportOptions {
  readonly format?: InvoiceFormat;
  readonly out?: string;
  /** A file for the PDF; with `format` or `out` that is written too. */
  readonly pdf?: string;
  readonly paper?: PaperName;
}

interface Exported {
  readonly document: string;
  readonly sha256: string;
  readonly generatedAt: string;
}

/** As JSON it is the document itself, byte for byte, so that anyone can check its hash. */
export function textOf(invoice: Exported, format: InvoiceFormat): string {
  if (format === "json") return invoice.document;
  return format === "csv" ? csvOf(readInvoice(invoice.document)) : invoicePage(paperOf(issued(invoice)));
}

async function pdfOf(invoice: Exported, size: PaperName): Promise<Buffer> {
  const { invoicePdf } = await import("#platform/paper/pdf.js");
  return invoicePdf(paperOf(issued(invoice)), size);
}

const issued = ({ document, sha256, generatedAt }: Exported): IssuedInvoice => ({
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
