import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { stringify } from "csv-stringify/sync";
import type { Env } from "#platform/process/config.js";
import { askGraph, type ConnectionOptions, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { asText } from "../csv.js";
import { graphql } from "../graphql/index.js";
import type { InvoiceFormat } from "./formats.js";
import { type InvoiceDocument, invoicePage } from "./page.js";

const INVOICE = graphql(`query Invoice($id: ID!) { invoice(id: $id) { document sha256 } }`);

/**
 * `metrly invoices export ID`: the invoice's bytes, its lines as CSV, or a printable page. Refuses an invoice with a wrong hash.
 */
export async function exportInvoice(
  id: string,
  options: ConnectionOptions & { readonly format?: InvoiceFormat; readonly out?: string },
  env: Env,
): Promise<void> {
  const connection = await findConnection(options, env);
  const { invoice } = await askGraph(connection, INVOICE, { id });
  if (invoice === null)
    throw new UserError(`NOT_FOUND: There is no invoice ${id}. List them: metrly invoices list TENANT`);
  const { document, sha256 } = invoice;
  if (createHash("sha256").update(document, "utf8").digest("hex") !== sha256)
    throw new UserError(`${id} does not match its SHA-256. Check it: metrly invoices verify ${id}`);
  const text = textOf(document, sha256, options.format ?? "json");
  if (options.out === undefined) process.stdout.write(text);
  else await writeFile(options.out, text);
}

/** As JSON it is the document itself, byte for byte, so that anyone can check its hash. */
export function textOf(document: string, sha256: string, format: InvoiceFormat): string {
  if (format === "json") return document;
  const invoice: InvoiceDocument = JSON.parse(document);
  return format === "csv" ? csvOf(invoice) : invoicePage(invoice, sha256);
}

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
