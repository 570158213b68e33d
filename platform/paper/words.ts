import { grouped } from "#kernel/decimal.js";
import type { PartyDocument, readInvoice, UnpricedDocument } from "#schema/events/invoice.v2.js";
import { moneyText, quantityText } from "./numbers.js";
import { type PaperStep, stepWords } from "./step-words.js";

/** The document of an invoice, of either version. */
export type InvoiceDocument = ReturnType<typeof readInvoice>;
type Line = InvoiceDocument["lines"][number];

export interface PaperLine {
  readonly title: string;
  /** Below the title: which usage, which invoice it corrects. */
  readonly about: readonly string[];
  readonly steps: readonly PaperStep[];
  readonly quantity: string;
  readonly unit: string;
  readonly amount: string;
}

/** Everything on an invoice as a person reads it, in order; page and PDF only lay it out. All texts are plain text. */
export interface Paper {
  readonly number: string;
  /** Epoch ms. */
  readonly issuedAt: number;
  readonly seller: PartyDocument | null;
  readonly buyer: PartyDocument;
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly currency: string;
  readonly lines: readonly PaperLine[];
  readonly totalLabel: string;
  readonly total: string;
  readonly unpriced: readonly { readonly title: string; readonly events: string; readonly quantity: string }[];
  readonly proof: readonly (readonly [label: string, value: string])[];
}

export interface IssuedInvoice {
  readonly document: InvoiceDocument;
  readonly sha256: string;
  /** When it was written, epoch ms. */
  readonly issuedAt: number;
}

/** An invoice in words. Version 1 of the document has no seller, no buyer and no names of meters: its tenant's id and their keys stand in. */
export function paperOf({ document, sha256, issuedAt }: IssuedInvoice): Paper {
  const { period, plan, currency, total } = document;
  const meters = new Map(("meters" in document ? document.meters : []).map((meter) => [meter.key, meter]));
  const nameOf = (key: string): string => meters.get(key)?.name ?? key;
  const unitOf = (key: string | null): string => (key === null ? "" : (meters.get(key)?.unit ?? ""));
  return {
    number: document.number,
    issuedAt,
    seller: "seller" in document ? document.seller : null,
    buyer: "buyer" in document ? document.buyer : { name: document.tenantId, addressLines: [] },
    facts: [
      ["Invoice number", document.number],
      ["Issue date", dayOf(issuedAt)],
      ["Billing period", `${dayOf(Date.parse(period.start))} – ${dayOf(Date.parse(period.end) - 1)} (UTC)`],
      ...(plan === null ? [] : [["Plan", `${plan.id}, version ${plan.version}`] as const]),
      ["Customer ID", document.tenantId],
    ],
    currency,
    lines: document.lines.map((line) => lineWords(line, currency, nameOf, unitOf(line.meter))),
    totalLabel: total.startsWith("-") ? "Total in your favour" : "Total",
    total: moneyText(total, currency),
    unpriced: ("unpricedUsage" in document ? document.unpricedUsage : []).map((usage) => ({
      title: withDimensions(nameOf(usage.meter), usage.dimensions),
      events: grouped(usage.eventCount),
      quantity: quantityText(usage.quantity),
    })),
    proof: [
      ["Document", `${document.id}, ${document.schema}`],
      ["SHA-256", sha256],
      ["Previous invoice", document.previousSha256 ?? "none"],
      ["Includes usage up to ledger entry", document.watermark],
    ],
  };
}

function lineWords(line: Line, currency: string, nameOf: (meter: string) => string, unit: string): PaperLine {
  const { adjusts, meter } = line;
  const isUsage = meter !== null;
  const subject = isUsage ? withDimensions(nameOf(meter), line.dimensions) : chargeTitle(line);
  return {
    title: adjusts === null ? subject : `Correction: ${subject}`,
    about: adjusts === null ? [] : correctionTexts(adjusts, isUsage),
    steps: stepsOf(line, currency, unit),
    quantity: isUsage ? quantityText(line.quantity) : "",
    unit,
    amount: moneyText(line.amount, currency),
  };
}

/** A step that is all of its line does not repeat the line's numbers; nor its words, if it is a sum of its own. */
function stepsOf({ arithmetic, adjusts, meter }: Line, currency: string, unit: string): readonly PaperStep[] {
  const steps = arithmetic.map((step) => stepWords(step, currency, unit));
  if (steps.length !== 1 || adjusts !== null) return steps;
  return meter === null ? [] : steps.map(({ words }) => ({ words, quantity: "", amount: "" }));
}

/** Of a line without a meter. An adjustment's description begins with the period, which `about` has. */
const chargeTitle = ({ description }: Line): string =>
  description.replace(/^Adjustment [^:]*: /, "").replace(/\d{4,}(?=\.\d)/, grouped);

/** What it corrects, and in which way. */
function correctionTexts(adjusts: NonNullable<Line["adjusts"]>, isUsage: boolean): string[] {
  const original = "invoiceNumber" in adjusts ? adjusts.invoiceNumber : adjusts.invoiceId;
  const { quantityBefore, quantityAfter } = adjusts;
  return [
    `Corrects invoice ${original}, period from ${dayOf(Date.parse(adjusts.periodStart))}`,
    ...(isUsage && quantityBefore !== quantityAfter
      ? [`Quantity ${quantityText(quantityBefore)} is now ${quantityText(quantityAfter)}`]
      : []),
  ];
}

const withDimensions = (name: string, dimensions: UnpricedDocument["dimensions"]): string =>
  dimensions.length === 0
    ? name
    : `${name} (${dimensions.map(({ dimension, value }) => `${dimension}: ${value}`).join(", ")})`;

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
const dayOf = (ms: number): string => DAY.format(ms);
