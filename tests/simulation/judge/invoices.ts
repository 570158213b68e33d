import type { Judged } from "./judged.js";
import { countedOf, recordedOf } from "./recorded.js";
import { centsFor, periodOf } from "./usage.js";

/** What must be true when every period up to the last one is closed and announced: all lines of a price add up to its usage. */
export async function judgeInvoices(
  judged: Judged,
  tenants: readonly string[],
  periods: readonly number[],
): Promise<string[]> {
  const { billing, announced, planOf } = judged;
  const lines = await billing<{ key: string; amount: string }>(
    `SELECT tenant_id || '/' || for_period || '/' || for_price AS key, sum(amount)::text AS amount
     FROM invoice_line WHERE for_price >= 0 GROUP BY 1`,
  );
  const invoiced = new Map(lines.map(({ key, amount }) => [key, Math.round(Number(amount) * 100)]));
  const events = countedOf(await recordedOf(judged));
  const wrong: string[] = [];
  for (const tenantId of tenants)
    for (const period of periods) {
      const plan = planOf(tenantId, period);
      const ofPeriod = events.filter((event) => event.tenantId === tenantId && periodOf(event.time) === period);
      for (const [index, price] of plan.prices.entries()) {
        const cents = centsFor(plan, price, ofPeriod);
        const key = [tenantId, period, index].join("/");
        const found = invoiced.get(key) ?? 0;
        invoiced.delete(key);
        if (found !== cents) wrong.push(`${key} is invoiced with ${found} cents of ${cents}`);
      }
    }
  for (const key of invoiced.keys()) wrong.push(`${key} is invoiced and not due`);
  return [...wrong, ...(await unannounced(billing, announced()))];
}

async function unannounced(billing: Judged["billing"], announced: readonly string[]): Promise<string[]> {
  const events = announced.map((text) => JSON.parse(text) as { id: string; type: string; subject: string });
  const count = (type: string): number =>
    new Set(events.filter((event) => event.type.startsWith(type)).map(({ id, subject }) => `${subject} ${id}`)).size;
  const [made] = await billing<{ closed: number; invoices: number }>(
    `SELECT (SELECT count(*) FROM billing_period WHERE status = 'CLOSED') AS closed, (SELECT count(*) FROM invoice) AS invoices`,
  );
  const [closed, invoices] = [count("metrly.billing.period.closed"), count("metrly.invoice.generated")];
  return made?.closed === closed && made.invoices === invoices
    ? []
    : [`${closed} closes and ${invoices} invoices were announced of ${made?.closed} and ${made?.invoices}`];
}
