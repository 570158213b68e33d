import { element, tableOf } from "./dom.js";
import { minute, money, period } from "./figures.js";
import { paperLinks } from "./paper.js";

export const INVOICES = `query OverviewInvoices($tenantId: ID!) {
  tenant(id: $tenantId) {
    invoices(first: 5) { nodes { id number generatedAt total { amount currency } period { start end } } }
  }
}`;

export function showInvoices({ invoices }, session) {
  if (invoices.nodes.length === 0)
    return [element("p", { class: "quiet" }, ["None yet: a period is invoiced when it and its grace time are over."])];
  const rows = invoices.nodes.map((invoice) => [
    element("div", {}, [invoice.number, element("div", { class: "links" }, paperLinks(session, invoice))]),
    period(invoice.period),
    minute(invoice.generatedAt),
    money(invoice.total),
  ]);
  return [tableOf({ Number: "", Period: "fixed", Issued: "fixed", Total: "fixed" }, rows)];
}
