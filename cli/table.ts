/** One value of a row: its text, and whether it is a number. */
export interface Column<Row> {
  readonly name: string;
  text(row: Row): string;
  readonly isNumber?: boolean;
  /** Only at a terminal. */
  readonly isPicture?: boolean;
}

export interface TableOptions {
  readonly isTerminal: boolean;
  readonly json: boolean;
}

/**
 * Renders rows for people (aligned, with bars), for programs (`--json`: an object per line), or for `cut` and `awk` (a
 * header, tab-separated).
 */
export function formatRows<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { isTerminal, json }: TableOptions,
): string {
  if (json) return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const shown = columns.filter(({ isPicture }) => isTerminal || !isPicture);
  const lines = [shown.map(({ name }) => name), ...rows.map((row) => shown.map(({ text }) => plain(text(row))))];
  if (!isTerminal) return lines.map((line) => `${line.join("\t")}\n`).join("");
  const widths = shown.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const aligned = (text: string, at: number) =>
    shown[at]?.isNumber ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0);
  return lines.map((line) => `${line.map(aligned).join("  ").trimEnd()}\n`).join("");
}

/** Names are untrusted: strip control characters and tabs. */
const plain = (text: string): string => text.replace(/\p{Cc}/gu, " ");

const BARS = "▁▂▃▄▅▆▇█";

/** A sparkline; the largest value has full height. */
export function sparkline(values: readonly number[]): string {
  const top = Math.max(0, ...values);
  return values
    .map((value) => BARS[top <= 0 ? 0 : Math.max(0, Math.round((value / top) * (BARS.length - 1)))])
    .join("");
}

const BAR_WIDTH = 20;

/** A bar of a share; more than the whole is a full bar. */
export function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  return "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
}
