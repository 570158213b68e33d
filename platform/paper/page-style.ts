/** On screen a sheet, in print the sheet itself: A4 or Letter, whichever the printer has. */
export const PAGE_STYLE = `
@page { margin: 18mm 17mm 20mm; @bottom-right { content: "Page " counter(page) " of " counter(pages); font: 8pt system-ui, sans-serif; color: #667; } }
* { box-sizing: border-box; }
html { background: #eef0f3; }
body { font: 10.5pt/1.45 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; color: #1b1f29; margin: 0; overflow-wrap: anywhere; }
main { background: #fff; max-width: 210mm; margin: 2rem auto; padding: 18mm 17mm; box-shadow: 0 1px 6px #1b1f2926; }
.head { display: flex; justify-content: space-between; gap: 12mm; margin-bottom: 10mm; }
h1 { font-size: 24pt; font-weight: 650; letter-spacing: -0.02em; line-height: 1; margin: 0; }
h2 { font-size: 8pt; font-weight: 600; text-transform: uppercase; letter-spacing: 0.06em; color: #667; margin: 0 0 1mm; }
address { font-style: normal; }
.seller { text-align: right; max-width: 95mm; }
.buyer { max-width: 85mm; }
dl { margin: 0; }
dl div { display: flex; gap: 4mm; }
dt { color: #667; flex: none; width: 31mm; }
dd { margin: 0; }
table { width: 100%; border-collapse: collapse; margin: 0 0 8mm; }
thead { display: table-header-group; }
th { font-size: 8.5pt; font-weight: 600; text-align: left; color: #667; border-bottom: 1.2pt solid #1b1f29; padding: 0 0 1.5mm; }
td { vertical-align: top; padding: 0.4mm 0; }
tbody { break-inside: avoid; }
tr { break-inside: avoid; }
.lines tbody tr:first-child td { padding-top: 2.4mm; }
.lines tbody tr:last-child td { padding-bottom: 2.4mm; }
.lines tbody + tbody tr:first-child td { border-top: 0.5pt solid #d5d9e0; }
.number { text-align: right; white-space: nowrap; padding-left: 6mm; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.about, .step { color: #4d5566; font-size: 9pt; }
.step td:first-child { padding-left: 4mm; }
.unit { padding-left: 2.5mm; overflow-wrap: break-word; max-width: 35mm; }
.lines tbody.total tr:first-child td { border-bottom: 0; border-top: 1.2pt solid #1b1f29; font-size: 13pt; font-weight: 650; padding-top: 3mm; }
.unpriced { font-size: 9pt; }
.unpriced td { border-bottom: 0.5pt solid #d5d9e0; padding: 1.2mm 0; }
footer { border-top: 0.5pt solid #d5d9e0; padding-top: 3mm; font-size: 7.5pt; color: #667; break-inside: avoid; }
footer dt { width: 45mm; }
@media (max-width: 40rem) { main { padding: 1.5rem; margin: 0; } .head { flex-direction: column; gap: 1.5rem; } .seller { text-align: left; } }
@media print { html { background: none; } main { max-width: none; margin: 0; padding: 0; box-shadow: none; } }
`;
