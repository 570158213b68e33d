/** A printable page. Mustache escapes all values. No script, no external resources. */
export const INVOICE_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Invoice {{number}}</title>
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
<h1>Invoice {{number}}</h1>
<p>{{tenantId}}, {{from}} to {{to}} (UTC, end exclusive){{#plan}}, plan {{id}} version {{version}}{{/plan}}</p>
<table>
<thead><tr><th>Description</th><th class="number">Quantity</th><th class="number">{{currency}}</th></tr></thead>
<tbody>
{{#lines}}
<tr>
<td>{{description}}{{#adjusts}}<div class="steps">Adjusts {{invoiceId}}, period from {{periodStart}}: quantity {{quantityBefore}} is now {{quantityAfter}}</div>{{/adjusts}}
{{#arithmetic}}<div class="steps">{{#product}}{{product}} = {{/product}}{{amount}}{{#note}} ({{note}}){{/note}}</div>{{/arithmetic}}</td>
<td class="number">{{quantity}}</td>
<td class="number">{{amount}}</td>
</tr>
{{/lines}}
</tbody>
<tfoot><tr><td colspan="2">Total</td><td class="number">{{total}}</td></tr></tfoot>
</table>
<footer>{{id}} · SHA-256 of the document {{sha256}} · of the previous invoice {{#previousSha256}}{{previousSha256}}{{/previousSha256}}{{^previousSha256}}none{{/previousSha256}} · includes usage up to ledger entry {{watermark}}</footer>
</body>
</html>
`;
