/** One thing that tried one promise. */
export interface Row {
  /** The id of the promise. */
  readonly promise: string;
  readonly tried: string;
  readonly cases: number;
  readonly violations: number;
  /** Absent: stored. Of what tried several promises, all of it. */
  readonly seconds?: number;
  readonly again: string;
  /** Stored, of other sources than these: proves nothing about them. */
  readonly isStale?: boolean;
}

const HEADS = ["promise", "what tried it", "cases", "violations", "seconds", "again"];

/** The rows by promise, with a line for each promise that nothing has tried. */
export function tableOf(
  rows: readonly Row[],
  promises: readonly { readonly id: string; readonly title: string }[],
): string {
  const lines = promises.flatMap(({ id, title }) => {
    const mine = rows.filter(({ promise }) => promise === id);
    const name = /^\d$/.test(id) ? `${id}. ${title}` : title;
    if (mine.length === 0) return [[name, "nothing in this run", "0", "", "", ""]];
    return mine.map((row, n) => [n === 0 ? name : "", ...cellsOf(row)]);
  });
  return aligned([HEADS, ...lines]);
}

function cellsOf({ tried, cases, violations, seconds, again, isStale }: Row): string[] {
  const said = isStale ? "stale" : String(violations);
  return [tried, String(cases), said, seconds === undefined ? "stored" : String(Math.round(seconds)), again];
}

/** Whether everything held that was tried on these sources. */
export const holds = (rows: readonly Row[]): boolean =>
  rows.every(({ violations, isStale }) => violations === 0 || isStale === true);

const LONGEST = 64;

function aligned(lines: readonly (readonly string[])[]): string {
  // What is to be typed comes last, and is never cut.
  const cut = lines.map((line) => [...line.slice(0, -1).map(short), line.at(-1) ?? ""]);
  const widths = HEADS.map((_, column) => Math.max(...cut.map((line) => line[column]?.length ?? 0)));
  const rule = widths.slice(0, -1).map((width) => "-".repeat(width));
  const [head = [], ...rest] = cut;
  return [head, [...rule, "-----"], ...rest]
    .map((line) => line.map((cell, column) => (column === HEADS.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))))
    .map((line) => line.join("  ").trimEnd())
    .join("\n");
}

const short = (cell: string): string => (cell.length > LONGEST ? `${cell.slice(0, LONGEST - 1)}…` : cell);
