import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { readInvoice } from "#schema/events/invoice.v2.js";
import { askGraph, findConnection } from "../connection/connection.js";
import { everyPage } from "../connection/pages.js";
import type { InvoicesQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { present, printRows, type ShowOptions, sayEmpty } from "./print.js";
import { type Column, shortDay } from "./table.js";
import { wholeInvoice } from "./whole-invoice.js";

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
type Invoice = NonNullable<InvoicesQuery["tenant"]>["invoices"]["nodes"][number];
type DocumentLine = ReturnType<typeof readInvoice>["lines"][number];
/** As in the graph. */
type Line = Pick<DocumentLine, "kind" | "description" | "meter" | "quantity" | "arithmetic"> & {
  readonly amount: { readonly amount: string };
};

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
    {
      name: "FROM",
      heading: "FROM (UTC)",
      text: ({ period }) => period.start.slice(0, 10),
      short: ({ period }) => day(period.start),
    },
    {
      name: "TO",
      heading: "TO (UTC)",
      text: ({ period }) => period.end.slice(0, 10),
      short: ({ period }) => day(period.end),
    },
    { name: "STATUS", text: ({ status }) => status },
    { name: "TOTAL", text: ({ total }) => total.amount, isNumber: true },
    { name: "CURRENCY", text: ({ total }) => total.currency },
  ];
  await printRows(invoices, columns, options);
  if (invoices.length === 0) sayEmpty(`No invoices yet: no billing period of ${tenantId} is closed.`, options);
}

/** `40 x 1 + 10 = 50 (0 to 40)`; of a step that only converts the quantity, `8.4 (divided by 1000000)`. */
export function stepText({ quantity, unitAmount, flatAmount, amount, note }: Line["arithmetic"][number]): string {
  if (note?.startsWith("divided by ")) return `${quantity} (${note})`;
  const flat = flatAmount === "0" ? "" : ` + ${flatAmount}`;
  return `${quantity} x ${unitAmount}${flat} = ${amount}${note === null ? "" : ` (${note})`}`;
}

/** `metrly invoices show`: its lines, and at a terminal its total. */
export async function showInvoice(id: string, options: ShowOptions, env: Env): Promise<void> {
  const { document, status } = await wholeInvoice(await findConnection(options, env), id);
  const { number, period, total, currency, lines } = readInvoice(document);
  const rows = lines.map(
    ({ kind, description, meter, quantity, amount, arithmetic }): Line => ({
      ...{ kind, description, meter, quantity },
      amount: { amount },
      arithmetic,
    }),
  );
  const columns: Column<Line>[] = [
    { name: "KIND", text: ({ kind }) => kind },
    { name: "DESCRIPTION", text: ({ description }) => description, mayBeCut: true },
    { name: "QUANTITY", text: ({ quantity }) => quantity, isNumber: true },
    { name: "AMOUNT", text: ({ amount }) => amount.amount, isNumber: true },
    { name: "COMPUTED", text: ({ arithmetic }) => arithmetic.map(stepText).join("; "), mayWrap: true },
  ];
  await printRows(rows, columns, options);
  if (options.json || options.csv) return;
  const days = `${period.start.slice(0, 10)} to ${period.end.slice(0, 10)}`;
  process.stderr.write(`${number}, ${days}, ${status}: ${total} ${currency}\n`);
}
