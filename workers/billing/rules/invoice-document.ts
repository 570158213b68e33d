import { createHash } from "node:crypto";
import { formatDecimal } from "#kernel/decimal.js";
import { formatMoney } from "#kernel/money.js";
import type { Period } from "#kernel/period.js";
import { canonicalJson } from "#schema/canonical-json.js";
import type { LineDocument, MeterDocument, PartyDocument, UnpricedDocument } from "#schema/events/invoice.v2.js";
import { printExact } from "#schema/rating/exact.js";
import type { LineStep } from "#schema/rating/pricing.js";
import type { InvoiceVersion } from "#schema/vocabulary.js";
import { type InvoiceLine, type PlanRef, totalOf } from "./invoice-lines.js";
import type { UnpricedUsage } from "./unpriced.js";

const ORDINAL_DIGITS = 6;

export interface InvoiceFacts {
  readonly version: InvoiceVersion;
  readonly tenantId: string;
  /** 1, 2, 3 … per tenant, without gaps. */
  readonly ordinal: number;
  readonly period: Period;
  readonly currency: string;
  /** Null: the period had no plan, the invoice only adjusts earlier ones. */
  readonly plan: PlanRef | null;
  readonly watermark: number;
  /** Hash of the tenant's previous invoice: the chain. */
  readonly previousSha256: string | null;
  readonly lines: readonly InvoiceLine[];
  /** Of the period; not in version 1. */
  readonly unpriced: readonly UnpricedUsage[];
  /** None of these in version 1. */
  readonly seller: PartyDocument | null;
  readonly buyer: PartyDocument;
  readonly meterOf: (key: string) => Pick<MeterDocument, "name" | "unit"> | undefined;
}

export interface InvoiceDocument {
  readonly id: string;
  readonly text: string;
  readonly sha256: string;
}

export const invoiceIdOf = (tenantId: string, ordinal: number): string => `inv_${tenantId}_${ordinalText(ordinal)}`;

/**
 * The tenant's series and ordinal. From version 2 on, no two tenants have the same series, whatever the case: one whose id has
 * capitals names their places after a `+`, which no id contains, as hexadecimal digits (1: a capital).
 */
export function invoiceNumberOf(tenantId: string, ordinal: number, version: InvoiceVersion): string {
  const capitals = BigInt(`0b${[...tenantId].map((letter) => (/[A-Z]/.test(letter) ? "1" : "0")).join("")}`);
  const places = version === 1 || capitals === 0n ? "" : `+${capitals.toString(16).toUpperCase()}`;
  return `${tenantId.toUpperCase()}${places}-${ordinalText(ordinal)}`;
}
const ordinalText = (ordinal: number): string => String(ordinal).padStart(ORDINAL_DIGITS, "0");

/** Tenant and ordinal of an invoice id; undefined for text that is none. */
export function parseInvoiceId(id: string): { tenantId: string; ordinal: number } | undefined {
  const match = /^inv_([A-Za-z0-9][A-Za-z0-9_.-]{0,63})_(\d{6,9})$/.exec(id);
  if (match?.[1] === undefined) return undefined;
  const ordinal = Number(match[2]);
  return invoiceIdOf(match[1], ordinal) === id ? { tenantId: match[1], ordinal } : undefined;
}

/**
 * The invoice as text: canonical JSON (RFC 8785) of everything it is derived from and nothing else. No wall-clock time is in
 * it, so that a rebuild gives the same bytes.
 */
export function invoiceDocument(facts: InvoiceFacts): InvoiceDocument {
  const id = invoiceIdOf(facts.tenantId, facts.ordinal);
  const text = canonicalJson({
    schema: `metrly.invoice.v${facts.version}`,
    id,
    number: invoiceNumberOf(facts.tenantId, facts.ordinal, facts.version),
    tenantId: facts.tenantId,
    period: { start: timeText(facts.period.start), end: timeText(facts.period.end) },
    currency: facts.currency,
    plan: facts.plan,
    watermark: String(facts.watermark),
    previousSha256: facts.previousSha256,
    lines: facts.lines.map((line) => lineDocument(line, facts.currency, facts.version)),
    ...(facts.version !== 1 && {
      seller: facts.seller && partyDocument(facts.seller),
      buyer: partyDocument(facts.buyer),
      meters: meterDocuments(facts),
      unpricedUsage: facts.unpriced.map(unpricedDocument),
    }),
    total: formatMoney(totalOf(facts.lines), facts.currency),
  });
  return { id, text, sha256: createHash("sha256").update(text, "utf8").digest("hex") };
}

const partyDocument = ({ name, addressLines }: PartyDocument): PartyDocument => ({ name, addressLines });

/** The meters of lines and of unpriced usage. Names and units of meters never change. */
function meterDocuments({ lines, unpriced, meterOf }: InvoiceFacts): MeterDocument[] {
  const keys = new Set([...lines.flatMap(({ meter }) => meter ?? []), ...unpriced.map(({ meter }) => meter)]);
  return [...keys].sort().map((key) => {
    const meter = meterOf(key);
    if (meter === undefined) throw new Error(`an invoice names an unknown meter: ${key}`);
    return { key, name: meter.name, unit: meter.unit };
  });
}

/** Usage that nothing claims as the document carries it. */
export const unpricedDocument = (usage: UnpricedUsage): UnpricedDocument => ({
  meter: usage.meter,
  dimensions: usage.dimensions.map(({ dimension, value }) => ({ dimension, value })),
  quantity: formatDecimal(usage.quantity),
  eventCount: String(usage.eventCount),
  reason: usage.reason,
});

/** One line as a version of the document carries it; all numbers are text. */
export function lineDocument(line: InvoiceLine, currency: string, version: InvoiceVersion): LineDocument {
  return {
    kind: line.kind,
    description: line.description[version],
    meter: line.meter,
    dimensions: line.dimensions.map(({ dimension, value }) => ({ dimension, value })),
    quantity: formatDecimal(line.quantity),
    amount: formatMoney(line.amount, currency),
    plan: line.plan,
    price: line.identity.priceIndex < 0 ? null : line.identity.priceIndex,
    ...(line.identity.grantId !== "" && { grantId: line.identity.grantId }),
    arithmetic: line.arithmetic.map((step) => stepDocument(step, version)),
    adjusts: line.adjusts && {
      invoiceId: line.adjusts.invoiceId,
      ...(version !== 1 && { invoiceNumber: line.adjusts.invoiceNumber }),
      kind: line.identity.kind,
      periodStart: timeText(line.adjusts.periodStart),
      quantityBefore: formatDecimal(line.adjusts.quantityBefore),
      quantityAfter: formatDecimal(line.adjusts.quantityAfter),
    },
  };
}

/** Version 1 has a lump sum as the flat amount of nothing. */
function stepDocument(step: LineStep, version: InvoiceVersion): LineDocument["arithmetic"][number] {
  const amount = printExact(step.amount);
  const factors =
    step.isLump === true && version === 1
      ? { quantity: "0", unitAmount: "0", flatAmount: amount }
      : {
          quantity: printExact(step.quantity),
          unitAmount: printExact(step.unitAmount),
          flatAmount: printExact(step.flatAmount),
        };
  return { ...factors, amount, note: step.note?.[version] ?? null };
}

const timeText = (ms: number): string => new Date(ms).toISOString();
