import { element, tableOf } from "./dom.js";
import { minute, money, period } from "./figures.js";

export const INVOICES = `query OverviewInvoices($tenantId: ID!) {
  tenant(id: $tenantId) {
    invoices(first: 5) { nodes { number generatedAt total { amount currency } period { start end } } }
  }
}`;

export function showInvoices({ invoices }) {
  if (invoices.nodes.length === 0)
    return [element("p", { class: "quiet" }, ["None yet: a period is invoiced when it and its grace time are over."])];
  return [tableOf({ Number: "", Period: "fixed", Issued: "fixed", Total: "" }, invoices.nodes.map(rowOf))];
}

const rowOf = (invoice) => [invoice.number, period(invoice.period), minute(invoice.generatedAt), money(invoice.total)];
