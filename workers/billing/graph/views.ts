import { Decimal } from "#kernel/decimal.js";
import { formatMoney } from "#kernel/money.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { type LineDocument, readInvoice, type UnpricedDocument } from "#schema/events/invoice.v2.js";
import { CURRENT_INVOICE_VERSION, INVOICE_VERSIONS } from "#schema/vocabulary.js";
import type { Derived } from "../closing/derive.js";
import { invoiceIdOf, invoiceNumberOf, lineDocument, unpricedDocument } from "../rules/invoice-document.js";
import { totalOf } from "../rules/invoice-lines.js";
import type { InvoiceHead, KeyedDocument } from "../store/invoices.js";
import type { EndedPeriod } from "../store/periods.js";
import type {
  BillingPeriodType,
  InvoiceLineType,
  InvoicePartyType,
  InvoicePreviewType,
  InvoiceType,
  UnpricedUsageType,
} from "./types.js";

/**
 * An invoice in the graph, as far as it is read without its document, which may have megabytes. Throws UpgradeRequired for one that
 * newer code wrote.
 */
export function invoiceView({ total, version, ...head }: InvoiceHead): InvoiceType {
  const { tenantId, ordinal, currency } = head;
  const known = INVOICE_VERSIONS.find((one) => one === version);
  if (known === undefined)
    throw new UpgradeRequired({ contract: "metrly.invoice.v2", set: "version", member: `metrly.invoice.v${version}` });
  return {
    ...head,
    id: invoiceIdOf(tenantId, ordinal),
    number: invoiceNumberOf(tenantId, ordinal, known),
    status: "CLOSED",
    total: { amount: formatMoney(new Decimal(total), currency), currency },
  };
}

const views = new WeakMap<KeyedDocument, DocumentView>();

export interface DocumentView {
  readonly seller: InvoicePartyType | null;
  readonly buyer: InvoicePartyType | null;
  readonly lines: readonly InvoiceLineType[];
  readonly unpricedUsage: readonly UnpricedUsageType[];
}

/** What is read from an invoice's document, parsed once. */
export function documentView(stored: KeyedDocument): DocumentView {
  const view = views.get(stored) ?? createView(stored);
  views.set(stored, view);
  return view;
}

function createView({ document }: KeyedDocument): DocumentView {
  const read = readInvoice(document);
  return {
    seller: "seller" in read ? read.seller : null,
    buyer: "buyer" in read ? read.buyer : null,
    lines: read.lines.map((line) => lineView(line, read.currency)),
    unpricedUsage: "unpricedUsage" in read ? read.unpricedUsage.map(unpricedView) : [],
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
    grantId: line.grantId ?? null,
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
