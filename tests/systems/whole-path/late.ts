import { createHash } from "node:crypto";
import { expect } from "vitest";
import { amount } from "../../oracle/amounts.js";
import { type AcknowledgedEvent, expectedInvoice } from "../../oracle/oracle.js";
import { waitFor } from "../../servers/servers.js";
import { ask, askRaw } from "../../support/client.js";
import { kept } from "./judged.js";
import { VOID } from "./life/operations.js";
import { METERS, PLAN, type ProofOptions, type Target } from "./proof.js";
import { type Invoice, invoicesOf, lastMonth, UPCOMING, VERIFY } from "./world.js";

interface Voided {
  readonly voidEvent: { readonly status: string };
}

/** Voids the first event of last month of each tenant; asked until it is answered, as that changes nothing. Returns them. */
export async function voidFirst(
  { url, admin, history }: Target,
  tenants: readonly string[],
  events: readonly AcknowledgedEvent[],
): Promise<AcknowledgedEvent[]> {
  const { startMs, endMs } = lastMonth(Date.now());
  const voided: AcknowledgedEvent[] = [];
  for (const tenantId of tenants) {
    const isOld = (event: AcknowledgedEvent) => event.timeMs >= startMs && event.timeMs < endMs;
    const event = events.find((one) => one.tenantId === tenantId && isOld(one));
    if (event === undefined) throw new Error(`${tenantId} sent nothing of last month`);
    const input = { tenantId, source: event.source, id: event.id, reason: "sent by mistake" };
    const isVoided = async () => {
      const { data } = await askRaw<Voided, object>(url, admin, VOID, input);
      return data?.voidEvent?.status === "VOIDED";
    };
    const what = `${event.source} ${event.id} of ${tenantId} to be void`;
    await kept(history, "voidEvent", input, () => waitFor(isVoided, { what }));
    voided.push(event);
  }
  return voided;
}

/**
 * Last month's invoices are what they were when it closed, to the byte, and the verifier still agrees; the upcoming ones adjust them to
 * `events`, to the cent, where these change a quantity.
 */
export async function expectAdjusted(
  { url, admin }: Target,
  { seed }: Pick<ProofOptions, "seed">,
  closed: ReadonlyMap<string, Invoice>,
  events: readonly AcknowledgedEvent[],
): Promise<void> {
  for (const [tenantId, invoice] of closed) {
    const which = `${tenantId}, seed ${seed}`;
    const [now] = await waitFor(() => invoicesOf(url, admin, tenantId), { what: `the invoice of ${tenantId}` });
    expect(now, which).toEqual(invoice);
    expect(createHash("sha256").update(invoice.document).digest("hex"), which).toBe(invoice.sha256);
    const verify = () => ask(url, admin, VERIFY, { id: invoice.id });
    const { verifyInvoice } = await waitFor(verify, { what: `the verifier's answer about ${invoice.id}` });
    expect(verifyInvoice, which).toMatchObject({ matches: true, differences: [] });

    const due = dueOn(invoice, tenantId, events);
    expect(due, `of ${which}, late`).not.toEqual([]);
    const look = () => ask(url, admin, UPCOMING, { tenantId });
    const { tenant } = await waitFor(look, { what: `the upcoming invoice of ${tenantId}` });
    const shown = tenant.upcomingInvoice.lines
      .filter(({ kind }) => kind === "ADJUSTMENT")
      .map(({ meter, adjusts, ...line }) => ({
        ...{ meter, invoice: adjusts.invoice.id, amount: amount(line.amount.amount) },
        ...{ before: amount(adjusts.quantityBefore), after: amount(adjusts.quantityAfter) },
      }))
      .toSorted((a, b) => a.meter.localeCompare(b.meter));
    expect(shown, `adjustments of ${which}`).toEqual(due);
  }
}

/** What the next invoice must add to this one so that both together charge for these events, by the meters' names. */
function dueOn(invoice: Invoice, tenantId: string, events: readonly AcknowledgedEvent[]) {
  const { startMs, endMs } = lastMonth(Date.now());
  const whole = expectedInvoice(events, tenantId, METERS, PLAN, startMs, endMs);
  const lines = whole.usage.map(({ meter, quantity: after, amount: charge }) => {
    const line = invoice.lines.find((one) => one.kind === "USAGE" && one.meter === meter);
    const before = amount(line?.quantity ?? "0");
    return { meter, invoice: invoice.id, amount: amount(charge) - amount(line?.amount.amount ?? "0"), before, after };
  });
  return lines.filter(({ before, after }) => before !== after).toSorted((a, b) => a.meter.localeCompare(b.meter));
}
