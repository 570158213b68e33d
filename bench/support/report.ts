/** One line of results. */
export function report(what: string, figures: Readonly<Record<string, unknown>>): void {
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
