import { Decimal } from "#kernel/decimal.js";
import type { Transaction } from "#platform/database/database.js";
import type { InvoiceDocument } from "../rules/invoice-document.js";
import type { InvoiceLine } from "../rules/invoice-lines.js";
import { totalOf } from "../rules/invoice-lines.js";
import { groupByQuery, type Queryable } from "./usage.js";

/** A closed invoice. The document is authoritative; the other columns are for lookups. */
export interface StoredInvoice {
  readonly tenantId: string;
  readonly ordinal: number;
  readonly periodStart: number;
  readonly sha256: string;
  readonly document: string;
  readonly generatedAt: number;
}

const COLUMNS = `i.tenant_id AS "tenantId", i.ordinal, i.period_start AS "periodStart", i.sha256, i.document,
  i.generated_at AS "generatedAt"`;

/** Ordinal and hash of a tenant's last invoice; call it under the lock of its closing period. */
export async function lastInvoice(
  tx: Transaction,
  tenantId: string,
): Promise<{ ordinal: number; sha256: string } | undefined> {
  const { rows } = await tx.query<{ ordinal: number; sha256: string }>(
    "SELECT ordinal, sha256 FROM invoice WHERE tenant_id = $1 ORDER BY ordinal DESC LIMIT 1",
    [tenantId],
  );
  return rows[0];
}

export interface NewInvoice {
  readonly tenantId: string;
  readonly ordinal: number;
  readonly periodStart: number;
  readonly currency: string;
  readonly lines: readonly InvoiceLine[];
  readonly document: InvoiceDocument;
  readonly generatedAt: number;
}

export async function insertInvoice(tx: Transaction, invoice: NewInvoice): Promise<void> {
  const { lines, document } = invoice;
  await tx.query(
    `INSERT INTO invoice (tenant_id, ordinal, period_start, currency, total, sha256, document, generated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      invoice.tenantId,
      invoice.ordinal,
      invoice.periodStart,
      invoice.currency,
      totalOf(lines).toFixed(),
      document.sha256,
      document.text,
      invoice.generatedAt,
    ],
  );
  await tx.query(
    `INSERT INTO invoice_line (tenant_id, invoice_ordinal, position, for_period, for_kind, for_price, quantity, amount)
     SELECT $1, $2, n, p, k, i, q, a
       FROM unnest($3::bigint[], $4::text[], $5::int[], $6::numeric[], $7::numeric[])
              WITH ORDINALITY AS l(p, k, i, q, a, n)`,
    [
      invoice.tenantId,
      invoice.ordinal,
      lines.map((line) => line.identity.periodStart),
      lines.map((line) => line.identity.kind),
      lines.map((line) => line.identity.priceIndex),
      lines.map((line) => line.quantity.toFixed()),
      lines.map((line) => line.amount.toFixed()),
    ],
  );
}

export interface InvoicedAmount {
  readonly tenantId: string;
  readonly periodStart: number;
  readonly kind: string;
  readonly priceIndex: number;
  readonly quantity: Decimal;
  readonly amount: Decimal;
}

/** Everything invoiced so far for the lines of some periods: originals and adjustments together. */
export async function invoicedAmounts(
  q: Queryable,
  periods: readonly { readonly tenantId: string; readonly start: number }[],
): Promise<InvoicedAmount[]> {
  if (periods.length === 0) return [];
  const { rows } = await q.query<
    Omit<InvoicedAmount, "quantity" | "amount"> & Readonly<Record<"quantity" | "amount", string>>
  >(
    `SELECT tenant_id AS "tenantId", for_period AS "periodStart", l.for_kind AS kind, l.for_price AS "priceIndex",
            sum(l.quantity)::text AS quantity, sum(l.amount)::text AS amount FROM invoice_line l
       JOIN unnest($1::text[], $2::bigint[]) AS w(tenant_id, for_period) USING (tenant_id, for_period)
      GROUP BY 1, 2, 3, 4`,
    [periods.map((p) => p.tenantId), periods.map((p) => p.start)],
  );
  return rows.map((row) => ({ ...row, quantity: new Decimal(row.quantity), amount: new Decimal(row.amount) }));
}

export interface InvoiceKey {
  readonly tenantId: string;
  readonly ordinal: number;
}

/** Called with the bytes of documents before they are read: throws if those are too many. */
export type AdmitBytes = (bytes: number) => void;

const BYTES = "coalesce(sum(octet_length(i.document)), 0)::float8 AS bytes";

/** Each once, in any order. */
export async function invoicesByKey(
  q: Queryable,
  keys: readonly InvoiceKey[],
  admit?: AdmitBytes,
): Promise<StoredInvoice[]> {
  const from = `FROM invoice i JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::int[]) AS w(tenant_id, ordinal)) w
    USING (tenant_id, ordinal)`;
  const parameters = [keys.map((key) => key.tenantId), keys.map((key) => key.ordinal)];
  if (admit !== undefined) {
    const sizes = await q.query<{ bytes: number }>(`SELECT ${BYTES} ${from}`, parameters);
    admit(sizes.rows[0]?.bytes ?? 0);
  }
  return (await q.query<StoredInvoice>(`SELECT ${COLUMNS} ${from}`, parameters)).rows;
}

export interface InvoicePage {
  readonly tenantId: string;
  /** Only invoices with a smaller ordinal. */
  readonly before: number;
  readonly take: number;
}

/** Pages of invoices, newest first, all pages in one statement. */
export async function listInvoices(
  q: Queryable,
  pages: readonly InvoicePage[],
  admit?: AdmitBytes,
): Promise<StoredInvoice[][]> {
  const from = (columns: string) => `FROM unnest($1::text[], $2::bigint[], $3::int[])
      WITH ORDINALITY AS w(tenant_id, before, take, n)
      CROSS JOIN LATERAL (SELECT ${columns} FROM invoice i
        WHERE i.tenant_id = w.tenant_id AND i.ordinal < w.before ORDER BY i.ordinal DESC LIMIT w.take) i`;
  const parameters = [
    pages.map((page) => page.tenantId),
    pages.map((page) => page.before),
    pages.map((page) => page.take),
  ];
  if (admit !== undefined) {
    const sizes = await q.query<{ bytes: number }>(`SELECT ${BYTES} ${from("i.document")}`, parameters);
    admit(sizes.rows[0]?.bytes ?? 0);
  }
  const { rows } = await q.query<StoredInvoice & { n: number }>(
    `SELECT w.n, i.* ${from(COLUMNS)} ORDER BY w.n, i.ordinal DESC`,
    parameters,
  );
  return groupByQuery(rows, pages.length, ({ n: _, ...invoice }) => invoice);
}
