import { appendFileSync } from "node:fs";

/** Names the file that also gets the results, for `npm run bench`. */
export const REPORT_VARIABLE = "METRLY_BENCH_REPORT";

/** One line of results; those of single rounds are indented. */
export function report(what: string, figures: Readonly<Record<string, unknown>>): void {
  const file = process.env[REPORT_VARIABLE];
  if (file !== undefined && !what.startsWith(" ")) appendFileSync(file, `${JSON.stringify({ what, figures })}\n`);
  const summary = Object.entries(figures).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  console.log(`${what}: ${summary.join(", ")}`);
}

export function medianOf(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}
