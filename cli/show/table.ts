import { DAY_MS } from "#kernel/duration.js";
import { asText } from "../csv.js";

/** One value of a row: its text, and whether it is a number. */
export interface Column<Row> {
  readonly name: string;
  /** At a terminal, instead of `name`. */
  readonly heading?: string;
  /** null: there is none. In CSV that is an empty cell, elsewhere `-`. */
  text(row: Row): string | null;
  /** At a terminal, instead of `text`. */
  short?(row: Row): string | null;
  readonly isNumber?: boolean;
  /** Only at a terminal, in the width that the other columns leave, at most this many characters. */
  readonly picture?: { readonly width: number; draw(row: Row, width: number): string };
  /** At a terminal that is too narrow this text is cut. */
  readonly mayBeCut?: boolean;
  /** Instead of being cut it continues below, in its column. For the last column. */
  readonly mayWrap?: boolean;
}

export interface TableOptions {
  /** The terminal's width in characters; none: not at a terminal. */
  readonly width?: number | undefined;
  readonly format?: "json" | "csv" | undefined;
}

const GAP = 2;
const LEAST_PICTURE = 5;
const LEAST_CUT = 6;
/** Of longer texts, less than this tells nothing. */
const READABLE = 16;

/**
 * Renders rows for people (aligned, with pictures, in the terminal's width), for programs (an object of JSON per line, or CSV),
 * or for `cut` and `awk` (a header, tab-separated).
 */
export async function formatRows<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { width, format }: TableOptions,
): Promise<string> {
  if (format === "json") return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const texts = columns.filter(({ picture }) => picture === undefined);
  if (format === "csv") {
    const { stringify } = await import("csv-stringify/sync");
    const cell = ({ text, isNumber }: Column<Row>, row: Row) =>
      isNumber ? (text(row) ?? "") : asText(text(row) ?? "");
    return stringify([
      texts.map(({ name }) => name.toLowerCase()),
      ...rows.map((row) => texts.map((column) => cell(column, row))),
    ]);
  }
  if (width !== undefined) return aligned(rows, withHeadings(columns), width);
  const lines = [texts.map(({ name }) => name), ...rows.map((row) => texts.map(({ text }) => plain(text(row))))];
  return lines.map((line) => `${line.join("\t")}\n`).join("");
}

const withHeadings = <Row>(columns: readonly Column<Row>[]): Column<Row>[] =>
  columns.map((column) => ({ ...column, name: column.heading ?? column.name }));

function aligned<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number): string {
  const cells = columns.map((column) =>
    column.picture === undefined ? rows.map((row) => plain((column.short ?? column.text)(row))) : [],
  );
  const widths = columns.map(({ name }, at) => Math.max(name.length, ...(cells[at] ?? []).map((text) => text.length)));
  const left = () => width - widths.reduce((sum, one) => sum + one, 0) - GAP * (columns.length - 1);
  columns.forEach(({ picture, name }, at) => {
    if (picture === undefined) return;
    widths[at] = 0;
    const room = Math.min(picture.width, Math.max(LEAST_PICTURE, left()));
    widths[at] = Math.max(name.length, room);
    cells[at] = rows.map((row) => picture.draw(row, room));
  });
  const least = columns.map(({ name }) => Math.max(name.length, LEAST_CUT));
  const whole = [...widths];
  // The widest is cut first, so that what is left is shared.
  for (let over = -left(); over > 0; over -= 1) {
    const at = widestOf(columns, widths, least);
    if (at === undefined) break;
    widths[at] = (widths[at] ?? 0) - 1;
  }
  const isUnreadable = columns.some((_, at) => (widths[at] ?? 0) < Math.min(whole[at] ?? 0, READABLE));
  if (isUnreadable || left() < 0) return asRecords(columns, cells, rows.length, width);
  const shown = (text: string, at: number) => {
    const own = widths[at] ?? 0;
    const fitting = text.length > own ? `${text.slice(0, own - 1)}…` : text;
    return columns[at]?.isNumber ? fitting.padStart(own) : fitting.padEnd(own);
  };
  const lines = [
    columns.map(({ name }) => name),
    ...rows.flatMap((_, row) => {
      const line = columns.map((_, at) => cells[at]?.[row] ?? "");
      const last = line.at(-1) ?? "";
      const parts = columns.at(-1)?.mayWrap ? wrapped(last, widths.at(-1) ?? 0) : [last];
      const before = line.slice(0, -1);
      return parts.map((part, at) => [...(at === 0 ? before : before.map(() => "")), part]);
    }),
  ];
  return lines.map((line) => `${line.map(shown).join(" ".repeat(GAP)).trimEnd()}\n`).join("");
}

/** In lines of at most `width` characters: ended after a semicolon where that is possible, else after a word. */
function wrapped(text: string, width: number): string[] {
  const joined = (parts: readonly string[]): string[] => {
    const lines: string[] = [];
    for (const part of parts) {
      const longer = `${lines.at(-1) ?? ""} ${part}`;
      if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
      else lines.push(part);
    }
    return lines;
  };
  const steps = joined(text.split(/(?<=;) /));
  return steps.flatMap((step) => (step.length <= width ? [step] : joined(step.split(" "))));
}

/** The column to cut by one more character. */
function widestOf<Row>(columns: readonly Column<Row>[], widths: readonly number[], least: readonly number[]) {
  let widest: number | undefined;
  columns.forEach(({ mayBeCut, mayWrap }, at) => {
    const own = widths[at] ?? 0;
    if ((mayBeCut || mayWrap) && own > (least[at] ?? 0) && own > (widest === undefined ? 0 : (widths[widest] ?? 0)))
      widest = at;
  });
  return widest;
}

/** A line per value, for a terminal in which a table's texts would not be readable. A longer one continues below. */
function asRecords<Row>(
  columns: readonly Column<Row>[],
  cells: readonly string[][],
  count: number,
  width: number,
): string {
  const names = Math.max(...columns.map(({ name }) => name.length));
  const below = `\n${" ".repeat(names + GAP)}`;
  const value = (text: string) => wrapped(text, width - names - GAP).join(below);
  const record = (row: number) =>
    columns
      .flatMap(({ name }, at) =>
        name === "" ? [] : [`${name.padEnd(names)}  ${value(cells[at]?.[row] ?? "")}`.trimEnd()],
      )
      .join("\n");
  return `${Array.from({ length: count }, (_, row) => record(row)).join("\n\n")}\n`;
}

/** Names are untrusted: strip control characters and tabs. */
const plain = (text: string | null): string => (text ?? NO_VALUE).replace(/\p{Cc}/gu, " ");

const NO_VALUE = "-";

const HALF_A_YEAR_MS = 183 * DAY_MS;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** An instant of UTC for people: `28 Nov 14:02`; with its year, and without its time of day, half a year away from `now` (ms). */
export function shortTime(instant: string, now: number): string {
  const day = shortDay(instant, now);
  return isNear(instant, now) ? `${day} ${instant.slice(11, 16)}` : day;
}

/** The same without a time of day: `28 Nov`, or `28 Nov 2024`. */
export function shortDay(instant: string, now: number): string {
  const [year = "", month = "", day = ""] = instant.slice(0, 10).split("-");
  const name = MONTHS[Number(month) - 1] ?? month;
  return isNear(instant, now) ? `${day} ${name}` : `${day} ${name} ${year}`;
}

const isNear = (instant: string, now: number): boolean => Math.abs(Date.parse(instant) - now) < HALF_A_YEAR_MS;

const BARS = "▁▂▃▄▅▆▇█";

/** A sparkline of the last values, one character each; the largest has full height. */
export function sparkline(all: readonly number[], width = all.length): string {
  const values = all.slice(Math.max(0, all.length - width));
  const top = Math.max(0, ...values);
  return values
    .map((value) => BARS[top <= 0 ? 0 : Math.max(0, Math.round((value / top) * (BARS.length - 1)))])
    .join("");
}

/** A bar of a share; more than the whole is a full bar. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return "█".repeat(full) + "░".repeat(width - full);
}
