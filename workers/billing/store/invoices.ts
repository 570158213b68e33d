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

/** What lists show of a closed invoice: its document, which may have megabytes, is not read. */
export interface InvoiceHead extends Omit<StoredInvoice, "document"> {
  readonly currency: string;
  /** As a decimal. */
  readonly total: string;
  readonly version: number;
}

const COLUMNS = `i.tenant_id AS "tenantId", i.ordinal, i.period_start AS "periodStart", i.currency,
  i.total::text AS total, p.invoice_version AS version, i.sha256, i.generated_at AS "generatedAt"`;
const JOIN_PERIOD = "JOIN billing_period p ON p.tenant_id = i.tenant_id AND p.start_at = i.period_start";

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
    `INSERT INTO invoice_line (tenant_id, invoice_ordinal, position, for_period, for_kind, for_price, for_grant, quantity, amount)
     SELECT $1, $2, n, p, k, i, g, q, a
       FROM unnest($3::bigint[], $4::text[], $5::int[], $6::text[], $7::numeric[], $8::numeric[])
              WITH ORDINALITY AS l(p, k, i, g, q, a, n)`,
    [
      invoice.tenantId,
      invoice.ordinal,
      lines.map((line) => line.identity.periodStart),
      lines.map((line) => line.identity.kind),
      lines.map((line) => line.identity.priceIndex),
      lines.map((line) => line.identity.grantId),
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
  readonly grantId: string;
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
    `SELECT tenant_id AS "tenantId", for_period AS "periodStart", l.for_kind AS kind, l.for_price AS "priceIndex", l.for_grant AS "grantId",
            sum(l.quantity)::text AS quantity, sum(l.amount)::text AS amount FROM invoice_line l
       JOIN unnest($1::text[], $2::bigint[]) AS w(tenant_id, for_period) USING (tenant_id, for_period)
      GROUP BY 1, 2, 3, 4, 5`,
    [periods.map((p) => p.tenantId), periods.map((p) => p.start)],
  );
  return rows.map((row) => ({ ...row, quantity: new Decimal(row.quantity), amount: new Decimal(row.amount) }));
}

export interface InvoiceKey {
  readonly tenantId: string;
  readonly ordinal: number;
}

/** Each once, in any order. */
export async function invoicesByKey(q: Queryable, keys: readonly InvoiceKey[]): Promise<InvoiceHead[]> {
  const { rows } = await q.query<InvoiceHead>(`SELECT ${COLUMNS} ${FROM_KEYS} ${JOIN_PERIOD}`, parametersOf(keys));
  return rows;
}

const FROM_KEYS = `FROM invoice i JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::int[]) AS w(tenant_id, ordinal)) w
  USING (tenant_id, ordinal)`;
const parametersOf = (keys: readonly InvoiceKey[]) => [keys.map((key) => key.tenantId), keys.map((key) => key.ordinal)];

/** Called with the bytes of documents before they are read: throws if those are too many, and may wait. */
export type AdmitBytes = (bytes: number) => unknown;

export interface KeyedDocument extends InvoiceKey {
  readonly document: string;
}

/** Each once, in any order. */
export async function documentsByKey(
  q: Queryable,
  keys: readonly InvoiceKey[],
  admit?: AdmitBytes,
): Promise<KeyedDocument[]> {
  if (admit !== undefined) {
    const sizes = await q.query<{ bytes: number }>(
      `SELECT coalesce(sum(octet_length(i.document)), 0)::float8 AS bytes ${FROM_KEYS}`,
      parametersOf(keys),
    );
    await admit(sizes.rows[0]?.bytes ?? 0);
  }
  const { rows } = await q.query<KeyedDocument>(
    `SELECT tenant_id AS "tenantId", ordinal, i.document ${FROM_KEYS}`,
    parametersOf(keys),
  );
  return rows;
}

/** Characters of a part: less than half of an answer's bytes, whatever they are. */
const PART_CHARACTERS = 1 << 19;
/** At most. */
export const PART_BYTES = 4 * PART_CHARACTERS;

/** A part of a document, counted from 0; undefined: it has fewer. */
export async function documentPart(
  q: Queryable,
  { tenantId, ordinal }: InvoiceKey,
  part: number,
): Promise<string | undefined> {
  const { rows } = await q.query<{ text: string }>(
    "SELECT substr(document, $3::int, $4::int) AS text FROM invoice WHERE tenant_id = $1 AND ordinal = $2",
    [tenantId, ordinal, part * PART_CHARACTERS + 1, PART_CHARACTERS],
  );
  return rows[0]?.text === "" ? undefined : rows[0]?.text;
}

export interface InvoicePage {
  readonly tenantId: string;
  /** Only invoices with a smaller ordinal. */
  readonly before: number;
  readonly take: number;
}

/** Pages of invoices, newest first, all pages in one statement. */
export async function listInvoices(q: Queryable, pages: readonly InvoicePage[]): Promise<InvoiceHead[][]> {
  const { rows } = await q.query<InvoiceHead & { n: number }>(
    `SELECT w.n, i.* FROM unnest($1::text[], $2::bigint[], $3::int[]) WITH ORDINALITY AS w(tenant_id, before, take, n)
      CROSS JOIN LATERAL (SELECT ${COLUMNS} FROM invoice i ${JOIN_PERIOD}
        WHERE i.tenant_id = w.tenant_id AND i.ordinal < w.before ORDER BY i.ordinal DESC LIMIT w.take) i
      ORDER BY w.n, i.ordinal DESC`,
    [pages.map((page) => page.tenantId), pages.map((page) => page.before), pages.map((page) => page.take)],
  );
  return groupByQuery(rows, pages.length, ({ n: _, ...invoice }) => invoice);
}
