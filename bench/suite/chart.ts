import type { FigureResult } from "./results.js";
import { spreadOf, workloadsOf } from "./spread.js";

const WIDTH = 820;
const LABELS = 300;
const BARS = 400;
const [ROW, BAR, GAP] = [24, 16, 34];
const COLOURS = { metrly: "#2563eb", reference: "#9ca3af", peer: "#d97706" } as const;

/** Bars of the first column's medians, by workload, with a line from the least to the greatest round. An SVG that reads on any background. */
export function chartOf(figure: FigureResult): string {
  const [column] = figure.columns;
  let y = 44;
  const shapes: string[] = [];
  for (const workload of workloadsOf(figure)) {
    const rows = figure.entries.flatMap((entry) => {
      const spread = spreadOf(column, entry);
      return entry.workload === workload && spread !== undefined ? [{ ...entry, ...spread }] : [];
    });
    const scale = BARS / Math.max(...rows.map(({ greatest }) => greatest));
    shapes.push(`<text x="12" y="${y}" font-weight="bold">${escaped(workload)}</text>`);
    y += 10;
    for (const { name, kind, median, least, greatest } of rows) {
      const middle = y + BAR / 2;
      const at = (value: number) => (LABELS + value * scale).toFixed(1);
      shapes.push(
        `<text x="${LABELS - 8}" y="${middle + 4}" text-anchor="end">${escaped(name.replaceAll("`", ""))}</text>`,
        `<rect x="${LABELS}" y="${y}" width="${(median * scale).toFixed(1)}" height="${BAR}" fill="${COLOURS[kind]}"/>`,
        `<line x1="${at(least)}" x2="${at(greatest)}" y1="${middle}" y2="${middle}" stroke="#111827" stroke-width="1.5"/>`,
        `<text x="${(LABELS + greatest * scale + 8).toFixed(1)}" y="${middle + 4}">${valueText(median, column.digits)}</text>`,
      );
      y += ROW;
    }
    y += GAP - 10;
  }
  const height = y - 16;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#111827">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="12" y="20" font-size="14">${escaped(`${figure.title}: ${column.title}`)}</text>`,
    ...shapes,
    "</svg>\n",
  ].join("\n");
}

function valueText(value: number, digits: number): string {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
