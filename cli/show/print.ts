import { asTyped } from "../as-typed.js";
import type { ConnectionOptions } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { type Column, formatRows } from "./table.js";

/** How rows are printed; default: as a table. */
export interface RowOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** Of every command that prints rows of the graph. */
export interface ShowOptions extends ConnectionOptions, RowOptions {}

const USUAL_WIDTH = 80;

/** Prints rows as the options and the terminal want them. */
export async function printRows<Row extends object>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { json, csv }: RowOptions,
): Promise<void> {
  const { isTTY, columns: width = USUAL_WIDTH } = process.stdout;
  const format = json ? "json" : csv ? "csv" : undefined;
  process.stdout.write(await formatRows(rows, columns, { width: isTTY ? width : undefined, format }));
}

/** What a person is told who gets no rows. */
export const sayEmpty = (text: string, options: RowOptions): void => sayAtTerminal(text, options);

/** For a table with several columns of times; one column says it in its heading. */
export const sayTimes = (options: RowOptions): void => sayAtTerminal("Times are UTC.", options);

/** Below a table. */
export const sayTotals = (text: string, options: RowOptions): void => sayAtTerminal(text, options);

function sayAtTerminal(text: string, { json, csv }: RowOptions): void {
  if (process.stdout.isTTY && !json && !csv) process.stderr.write(`${text}\n`);
}

/** Prints one thing: a line per field, or one object of JSON. */
export function printOne(
  view: object,
  fields: readonly (readonly [name: string, text: string])[],
  { json }: Pick<ShowOptions, "json">,
): void {
  const width = Math.max(...fields.map(([name]) => name.length));
  const lines = fields.map(([name, text]) => `${name.padEnd(width)}  ${text.replace(/\p{Cc}/gu, " ")}`);
  process.stdout.write(json ? `${JSON.stringify(view)}\n` : `${lines.join("\n")}\n`);
}

export const tenantsAdvice = (): string => `List them: ${asTyped("tenants list")}`;

export const invoicesAdvice = (): string => `List them: ${asTyped("invoices list TENANT")}`;

/** The tenant of an answer. Throws `UserError` if there is none. */
export function present<T>(tenant: T | null, id: string): T {
  if (tenant === null) throw new UserError(`NOT_FOUND: There is no tenant ${id}. ${tenantsAdvice()}`, "NOT_FOUND");
  return tenant;
}
