import type { LineDocument } from "#schema/events/invoice.v1.js";
import type { readInvoice, UnpricedDocument } from "#schema/events/invoice.v2.js";

/** The document of an invoice, of either version. */
export type InvoiceDocument = ReturnType<typeof readInvoice>;
type Step = LineDocument["arithmetic"][number];

/** A printable page. No script, no external resources. */
export const invoicePage = (invoice: InvoiceDocument, sha256: string): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Invoice ${invoice.number}</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.4rem; margin-bottom: 0; }
table { width: 100%; border-collapse: collapse; margin: 1.5rem 0; }
th, td { text-align: left; padding: 0.4rem 0.5rem; border-bottom: 1px solid #ddd; vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.steps { color: #666; font-size: 12px; }
tfoot td { font-weight: 600; border-top: 2px solid #1a1a1a; border-bottom: 0; }
footer { color: #666; font-size: 12px; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>Invoice ${invoice.number}</h1>
<p>${invoice.tenantId}, ${dayOf(invoice.period.start)} to ${dayOf(invoice.period.end)} (UTC, end exclusive)${planOf(invoice)}</p>
<table>
<thead><tr><th>Description</th><th class="number">Quantity</th><th class="number">${invoice.currency}</th></tr></thead>
<tbody>
${invoice.lines.map(rowOf)}</tbody>
<tfoot><tr><td colspan="2">Total</td><td class="number">${invoice.total}</td></tr></tfoot>
</table>
${unpricedOf(invoice)}<footer>${invoice.id} · SHA-256 of the document ${sha256} · of the previous invoice ${invoice.previousSha256 ?? "none"} · includes usage up to ledger entry ${invoice.watermark}</footer>
</body>
</html>
`.html;

const rowOf = ({ description, adjusts, arithmetic, quantity, amount }: LineDocument): Html => html`<tr>
<td>${description}${adjusts === null ? [] : adjustmentOf(adjusts)}
${arithmetic.map(stepOf)}</td>
<td class="number">${quantity}</td>
<td class="number">${amount}</td>
</tr>
`;

/** What the period's plan charges nothing for. Documents of version 1 do not say. */
function unpricedOf(invoice: InvoiceDocument): readonly Html[] {
  const usage = "unpricedUsage" in invoice ? invoice.unpricedUsage : [];
  if (usage.length === 0) return [];
  return [
    html`<table>
<thead><tr><th>Usage that no price of the plan claims, not charged</th><th class="number">Events</th><th class="number">Quantity</th></tr></thead>
<tbody>
${usage.map(unpricedRow)}</tbody>
</table>
`,
  ];
}

const unpricedRow = ({ meter, dimensions, eventCount, quantity }: UnpricedDocument): Html => html`<tr>
<td>${meter}<div class="steps">${dimensions.map(({ dimension, value }) => `${dimension} ${value}`).join(", ")}</div></td>
<td class="number">${eventCount}</td>
<td class="number">${quantity}</td>
</tr>
`;

const adjustmentOf = (adjusts: NonNullable<LineDocument["adjusts"]>): Html =>
  html`<div class="steps">Adjusts ${adjusts.invoiceId}, period from ${adjusts.periodStart}: quantity ${adjusts.quantityBefore} is now ${adjusts.quantityAfter}</div>`;

const stepOf = (step: Step): Html =>
  html`<div class="steps">${productOf(step)}${step.amount}${step.note === null ? "" : ` (${step.note})`}</div>`;

/** The factors of a step; nothing for a sum without any, which version 1 has as 0 × 0 + 19. */
function productOf({ quantity, unitAmount, flatAmount }: Step): string {
  if (quantity === "0" && unitAmount === "0") return "";
  return `${quantity} × ${unitAmount}${flatAmount === "0" ? "" : ` + ${flatAmount}`} = `;
}

const planOf = ({ plan }: InvoiceDocument): string =>
  plan === null ? "" : `, plan ${plan.id} version ${plan.version}`;
const dayOf = (instant: string): string => instant.slice(0, 10);

interface Html {
  readonly html: string;
}

/** Escapes all texts; inserts only its own markup unescaped. */
function html(parts: TemplateStringsArray, ...values: readonly (string | Html | readonly Html[])[]): Html {
  const textOf = (value: string | Html | readonly Html[]): string =>
    typeof value === "string"
      ? escaped(value)
      : [value]
          .flat()
          .map((piece) => piece.html)
          .join("");
  return { html: String.raw({ raw: parts }, ...values.map(textOf)) };
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
