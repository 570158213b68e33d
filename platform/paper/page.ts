import { type Html, html } from "./html.js";
import { PAGE_STYLE } from "./page-style.js";
import type { Paper, PaperLine } from "./words.js";

/** A page that prints on A4 and Letter: no script, no external resources, all texts escaped. */
export const invoicePage = (paper: Paper): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Invoice ${paper.number}</title>
<style>${{ html: PAGE_STYLE }}</style>
</head>
<body>
<main>
<header>
<div class="head"><h1>Invoice</h1>${seller(paper)}</div>
<div class="head">
<section class="buyer"><h2>Billed to</h2>${party(paper.buyer)}</section>
<dl>${paper.facts.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
</div>
</header>
<table class="lines">
<thead><tr><th>Description</th><th class="number">Quantity</th><th class="unit">Unit</th><th class="number">Amount (${paper.currency})</th></tr></thead>
${paper.lines.map(lineOf)}<tbody class="total"><tr><td colspan="3">${paper.totalLabel}</td><td class="number">${paper.currency} ${paper.total}</td></tr></tbody>
</table>
${unpriced(paper)}<footer>
<dl>${paper.proof.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
</footer>
</main>
</body>
</html>
`.html;

function seller({ seller: from }: Paper): readonly Html[] {
  return from === null ? [] : [html`<section class="seller">${party(from)}</section>`];
}

const party = ({ name, addressLines }: Paper["buyer"]): Html =>
  html`<address dir="auto"><strong>${name}</strong>${addressLines.map((line) => html`<br>${line}`)}</address>`;

/** A line is a group of rows: it is never broken across pages. */
const lineOf = (line: PaperLine): Html => html`<tbody>
<tr><td><strong>${line.title}</strong>${line.about.map((about) => html`<div class="about">${about}</div>`)}</td><td class="number">${line.quantity}</td><td class="unit">${line.unit}</td><td class="number">${line.amount}</td></tr>
${line.steps.map(
  ({ words, quantity, amount }) =>
    html`<tr class="step"><td>${words}</td><td class="number">${quantity}</td><td></td><td class="number">${amount}</td></tr>
`,
)}</tbody>
`;

/** What the period's plan charges nothing for. */
function unpriced({ unpriced: usage }: Paper): readonly Html[] {
  if (usage.length === 0) return [];
  return [
    html`<table class="unpriced">
<thead><tr><th>Usage that no price of the plan claims, not charged</th><th class="number">Events</th><th class="number">Quantity</th></tr></thead>
<tbody>
${usage.map(
  ({ title, events, quantity }) =>
    html`<tr><td>${title}</td><td class="number">${events}</td><td class="number">${quantity}</td></tr>
`,
)}</tbody>
</table>
`,
  ];
}
