import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { askGraph, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { everyPage } from "../connection/pages.js";
import type { InvoiceLinesQuery, InvoicesQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { invoicesAdvice, present, printRows, type ShowOptions } from "./print.js";
import { type Column, shortDay } from "./table.js";

const INVOICES = graphql(`
  query Invoices($tenantId: ID!, $first: Int!, $after: Cursor) {
    tenant(id: $tenantId) {
      invoices(first: $first, after: $after) {
        nodes { id number status period { start end } total { amount currency } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);
const LINES = graphql(`
  query InvoiceLines($id: ID!) {
    invoice(id: $id) {
      number status period { start end } total { amount currency }
      lines {
        kind description meter quantity amount { amount }
        arithmetic { quantity unitAmount flatAmount amount note }
      }
    }
  }
`);

type Invoice = NonNullable<InvoicesQuery["tenant"]>["invoices"]["nodes"][number];
type Line = NonNullable<InvoiceLinesQuery["invoice"]>["lines"][number];

export async function listInvoices(tenantId: string, options: ShowOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const invoices = await everyPage(async (page) => {
    const { tenant } = await askGraph(connection, INVOICES, { tenantId, ...page });
    return present(tenant, tenantId).invoices;
  });
  const day = (instant: string) => shortDay(instant, nowMs());
  const columns: Column<Invoice>[] = [
    { name: "INVOICE", text: ({ id }) => id },
    { name: "NUMBER", text: ({ number }) => number },
    { name: "FROM", text: ({ period }) => period.start.slice(0, 10), short: ({ period }) => day(period.start) },
    { name: "TO", text: ({ period }) => period.end.slice(0, 10), short: ({ period }) => day(period.end) },
    { name: "STATUS", text: ({ status }) => status },
    { name: "TOTAL", text: ({ total }) => total.amount, isNumber: true },
    { name: "CURRENCY", text: ({ total }) => total.currency },
  ];
  await printRows(invoices, columns, options);
}

/** `40 x 1 + 10 = 50 (0 to 40)`; of a step that only converts the quantity, `8.4 (divided by 1000000)`. */
export function stepText({ quantity, unitAmount, flatAmount, amount, note }: Line["arithmetic"][number]): string {
  if (note?.startsWith("divided by ")) return `${quantity} (${note})`;
  const flat = flatAmount === "0" ? "" : ` + ${flatAmount}`;
  return `${quantity} x ${unitAmount}${flat} = ${amount}${note === null ? "" : ` (${note})`}`;
}

/** `metrly invoices show`: its lines, and at a terminal its total. */
export async function showInvoice(id: string, options: ShowOptions, env: Env): Promise<void> {
  const { invoice } = await askGraph(await findConnection(options, env), LINES, { id });
  if (invoice === null) throw new UserError(`NOT_FOUND: There is no invoice ${id}. ${invoicesAdvice()}`);
  const columns: Column<Line>[] = [
    { name: "KIND", text: ({ kind }) => kind },
    { name: "DESCRIPTION", text: ({ description }) => description, mayBeCut: true },
    { name: "QUANTITY", text: ({ quantity }) => quantity, isNumber: true },
    { name: "AMOUNT", text: ({ amount }) => amount.amount, isNumber: true },
    { name: "COMPUTED", text: ({ arithmetic }) => arithmetic.map(stepText).join("; "), mayWrap: true },
  ];
  await printRows(invoice.lines, columns, options);
  if (options.json || options.csv) return;
  const { number, status, period, total } = invoice;
  const days = `${period.start.slice(0, 10)} to ${period.end.slice(0, 10)}`;
  process.stderr.write(`${number}, ${days}, ${status}: ${total.amount} ${total.currency}\n`);
}
