import { formatMoney } from "#kernel/money.js";
import type { LineDocument } from "#schema/events/invoice.v1.js";
import { type InvoiceHead, readInvoice, readInvoiceHead, type UnpricedDocument } from "#schema/events/invoice.v2.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import type { Derived } from "../closing/derive.js";
import { invoiceIdOf, lineDocument, unpricedDocument } from "../rules/invoice-document.js";
import { totalOf } from "../rules/invoice-lines.js";
import type { StoredInvoice } from "../store/invoices.js";
import type { EndedPeriod } from "../store/periods.js";
import type {
  BillingPeriodType,
  InvoiceLineType,
  InvoicePreviewType,
  InvoiceType,
  UnpricedUsageType,
} from "./types.js";

const views = new WeakMap<StoredInvoice, InvoiceType>();

/**
 * An invoice in the graph: read from its document, so that they cannot differ. The document, which may have megabytes, is parsed
 * when a field needs all of it: a list of invoices, or an invoice on paper, often does not; and once, however many lines adjust it.
 */
export function invoiceView(stored: StoredInvoice): InvoiceType {
  const view = views.get(stored) ?? createView(stored);
  views.set(stored, view);
  return view;
}

function createView(stored: StoredInvoice): InvoiceType {
  let known: InvoiceHead | undefined;
  const head = () => {
    known ??= readInvoiceHead(stored.document);
    return known;
  };
  let parsed: ReturnType<typeof readInvoice> | undefined;
  const read = () => {
    parsed ??= readInvoice(stored.document);
    return parsed;
  };
  return {
    id: invoiceIdOf(stored.tenantId, stored.ordinal),
    tenantId: stored.tenantId,
    periodStart: stored.periodStart,
    status: "CLOSED",
    generatedAt: stored.generatedAt,
    sha256: stored.sha256,
    document: stored.document,
    get number() {
      return head().number;
    },
    get currency() {
      return head().currency;
    },
    get seller() {
      const document = read();
      return "seller" in document ? document.seller : null;
    },
    get buyer() {
      const document = read();
      return "buyer" in document ? document.buyer : null;
    },
    get lines() {
      const { lines, currency } = read();
      return lines.map((line) => lineView(line, currency));
    },
    get unpricedUsage() {
      const document = read();
      return "unpricedUsage" in document ? document.unpricedUsage.map(unpricedView) : [];
    },
    get total() {
      const { total, currency } = head();
      return { amount: total, currency };
    },
  };
}

/** Undefined: there is no plan and nothing to adjust. */
export function previewView({ lines, unpriced, currency }: Derived, asOf: number): InvoicePreviewType | undefined {
  if (currency === undefined) return undefined;
  return {
    currency,
    lines: lines.map((line) => lineView(lineDocument(line, currency, CURRENT_INVOICE_VERSION), currency)),
    unpricedUsage: unpriced.map((usage) => unpricedView(unpricedDocument(usage))),
    total: { amount: formatMoney(totalOf(lines), currency), currency },
    asOf,
  };
}

const unpricedView = (usage: UnpricedDocument): UnpricedUsageType => ({
  ...usage,
  eventCount: Number(usage.eventCount),
});

function lineView(line: LineDocument, currency: string): InvoiceLineType {
  return {
    kind: line.kind,
    description: line.description,
    meter: line.meter,
    dimensions: line.dimensions,
    quantity: line.quantity,
    amount: { amount: line.amount, currency },
    plan: { id: `${line.plan.id}@${line.plan.version}` },
    arithmetic: line.arithmetic,
    adjusts: line.adjusts && {
      invoiceId: line.adjusts.invoiceId,
      periodStart: Date.parse(line.adjusts.periodStart),
      quantityBefore: line.adjusts.quantityBefore,
      quantityAfter: line.adjusts.quantityAfter,
    },
  };
}

export const endedPeriodView = (ended: EndedPeriod): BillingPeriodType => ({
  tenantId: ended.tenantId,
  invoiceOrdinal: ended.invoiceOrdinal,
  start: ended.period.start,
  end: ended.period.end,
  status: ended.status,
  closedAt: ended.closedAt,
  watermark: String(ended.watermark),
});
