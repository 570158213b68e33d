import type { Clock } from "#kernel/clock.js";
import { formatMoney } from "#kernel/money.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import { enqueueOutbox, type OutboxRow } from "#platform/outbox/outbox.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { billingPeriodClosedV1 } from "#schema/events/billing-period-closed.v1.js";
import { invoiceGeneratedV1 } from "#schema/events/invoice-generated.v1.js";
import { buyerAt, sellerAt } from "#schema/tenancy-history.js";
import { eventRow } from "../events.js";
import { invoiceDocument, invoiceNumberOf } from "../rules/invoice-document.js";
import { totalOf } from "../rules/invoice-lines.js";
import { unpricedMeters } from "../rules/unbilled.js";
import { insertInvoice, lastInvoice } from "../store/invoices.js";
import { closingVersion, type EndedPeriod, listEnded, lockEarliestClosing, markClosed } from "../store/periods.js";
import { tellUnbilled } from "../unbilled.js";
import { type Derived, priceInvoices, readDerivations } from "./derive.js";

export interface CloserOptions {
  readonly database: Database;
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly onClosed?: (invoiced: boolean) => void;
}

/**
 * Closes all pending periods of a tenant, oldest first, one transaction each. Idempotent and safe with concurrent workers: the
 * row's lock and status let each period close once. Returns at once while another worker is at it: that one closes all.
 */
export async function closeTenant(options: CloserOptions, tenantId: string): Promise<void> {
  for (;;) {
    const version = await closingVersion(options.database.pool, tenantId);
    if (version === undefined) return;
    await options.tenancy.reached(version, timeoutSignal(TENANCY_TIMEOUT_MS));
    if (!(await closeNext(options, tenantId))) return;
  }
}

/** A close that times out is queued again. */
const TENANCY_TIMEOUT_MS = 5_000;

/** False: nothing is pending, or another worker is at it. */
async function closeNext({ database, tenancy, clock, onClosed }: CloserOptions, tenantId: string): Promise<boolean> {
  const outcome = await database.under("close").transaction(async (tx) => {
    const period = await lockEarliestClosing(tx, tenantId);
    if (period === undefined) return "none";
    // Another worker has closed a period meanwhile, and the next one needs a newer copy of tenancy.
    if (period.tenancyVersion > tenancy.version()) return "waits";
    const [before] = (await listEnded(tx, [{ tenantId, before: period.period.start, take: 1 }])).flat();
    const read = await readDerivations(tx, tenancy, [
      { ...period, creditsThrough: period.period.start, previousWatermark: before?.watermark },
    ]);
    // A sign of life: PostgreSQL ends a transaction that is silent for as long as all late periods together may take.
    const [derived] = await priceInvoices(tenancy, read, () => tx.query(""));
    if (derived === undefined) throw new Error("each input derives one invoice");
    const nowMs = clock.now();
    const invoice = await writeInvoice(tx, tenancy, period, derived, nowMs);
    await markClosed(tx, period, invoice?.ordinal ?? null, nowMs);
    await enqueueOutbox(tx, events(period, invoice, nowMs));
    const { plan, unpriced, lateUnpriced } = derived;
    const own = plan === undefined ? [] : [{ period: period.period, plan: plan.ref, unpriced }];
    const unbilled = [...own, ...lateUnpriced].flatMap((each) => unpricedMeters(tenantId, each));
    await tellUnbilled(tx, period.partition, unbilled, nowMs);
    return invoice === undefined ? "closed" : "invoiced";
  });
  if (outcome === "closed" || outcome === "invoiced") onClosed?.(outcome === "invoiced");
  return outcome !== "none";
}

interface WrittenInvoice {
  readonly id: string;
  readonly ordinal: number;
  readonly currency: string;
  readonly total: string;
  readonly sha256: string;
}

async function writeInvoice(
  tx: Transaction,
  tenancy: TenancyCopy,
  { tenantId, period, watermark, invoiceVersion, tenancyVersion }: EndedPeriod,
  { lines, unpriced, plan, currency }: Derived,
  generatedAt: number,
): Promise<WrittenInvoice | undefined> {
  if (currency === undefined) return undefined;
  const tenant = tenancy.tenant(tenantId);
  if (tenant === undefined) throw new Error(`an invoice of an unknown tenant: ${tenantId}`);
  const previous = await lastInvoice(tx, tenantId);
  const ordinal = (previous?.ordinal ?? 0) + 1;
  const document = invoiceDocument({
    version: invoiceVersion,
    tenantId,
    ordinal,
    period,
    currency,
    plan: plan?.ref ?? null,
    watermark,
    previousSha256: previous?.sha256 ?? null,
    lines,
    unpriced,
    seller: sellerAt(tenancy.seller(), tenancyVersion),
    buyer: buyerAt(tenant, tenancyVersion),
    meterOf: tenancy.meter,
  });
  await insertInvoice(tx, { tenantId, ordinal, periodStart: period.start, currency, lines, document, generatedAt });
  return { id: document.id, ordinal, currency, total: formatMoney(totalOf(lines), currency), sha256: document.sha256 };
}

function events(closed: EndedPeriod, invoice: WrittenInvoice | undefined, nowMs: number): OutboxRow[] {
  const { tenantId, partition, period } = closed;
  const at = new Date(nowMs).toISOString();
  const span = { periodStart: new Date(period.start).toISOString(), periodEnd: new Date(period.end).toISOString() };
  const common = { tenantId, partition, atMs: nowMs };
  const periodClosed = eventRow(billingPeriodClosedV1, {
    ...common,
    id: `period-closed:${tenantId}:${span.periodStart.slice(0, 10)}`,
    data: { tenantId, ...span, watermark: closed.watermark, closedAt: at, invoiceId: invoice?.id ?? null },
  });
  if (invoice === undefined) return [periodClosed];
  const generated = eventRow(invoiceGeneratedV1, {
    ...common,
    id: `invoice-generated:${invoice.id}`,
    data: {
      tenantId,
      invoiceId: invoice.id,
      number: invoiceNumberOf(tenantId, invoice.ordinal, closed.invoiceVersion),
      ...span,
      currency: invoice.currency,
      total: invoice.total,
      sha256: invoice.sha256,
      generatedAt: at,
    },
  });
  return [periodClosed, generated];
}
