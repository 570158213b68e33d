import { ZERO } from "#kernel/decimal.js";
import type { Period } from "#kernel/period.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { type AssignedPlan, planVersionOf } from "#schema/tenancy-history.js";
import type { InvoiceVersion } from "#schema/vocabulary.js";
import { type ChargedDays, chargedDays } from "../rules/charged-days.js";
import { invoiceIdOf, invoiceNumberOf } from "../rules/invoice-document.js";
import {
  adjustmentLines,
  chargeLines,
  type Invoiced,
  type InvoiceLine,
  keyOf,
  type LineIdentity,
  type PlanTerms,
  type QuantityOfPrice,
} from "../rules/invoice-lines.js";
import type { UnpricedOfPeriod } from "../rules/unbilled.js";
import { type UnpricedUsage, unpricedUsage } from "../rules/unpriced.js";
import { cellsOf, quantityOf, type UsageCell } from "../rules/usage.js";
import { invoicedAmounts } from "../store/invoices.js";
import { type EndedPeriod, type LateQuery, latePeriods } from "../store/periods.js";
import { type Queryable, readCells, UNBOUNDED, type UsageQuery } from "../store/usage.js";

export interface DerivationInput {
  readonly tenantId: string;
  readonly period: Period;
  readonly plan: AssignedPlan | undefined;
  readonly watermark: number;
  readonly invoiceVersion: InvoiceVersion;
  /** The tenant is read as known at it. */
  readonly tenancyVersion: number;
  /** The position up to which earlier periods are invoiced: the previous period's watermark; undefined: no earlier period. */
  readonly previousWatermark: number | undefined;
}

export interface Derived {
  readonly lines: readonly InvoiceLine[];
  /** Of the input's own period under its plan. */
  readonly unpriced: readonly UnpricedUsage[];
  /** Of the earlier periods with late usage, each under its own plan. */
  readonly lateUnpriced: readonly UnpricedOfPeriod[];
  readonly plan: PlanTerms | undefined;
  /** Undefined: no plan and nothing to adjust, hence no invoice. */
  readonly currency: string | undefined;
}

/**
 * Derives each period's invoice from the entries up to its watermark: its own charges, then the adjustments of earlier periods.
 * Three statements for any number of inputs.
 */
export async function deriveInvoices(
  q: Queryable,
  tenancy: TenancyCopy,
  inputs: readonly DerivationInput[],
): Promise<Derived[]> {
  const late = await latePeriods(q, inputs.map(lateQuery));
  // Per input: its own period, then two queries per late one (as last invoiced, and as known now).
  const queries = inputs.map((input, index) => [
    usageOf(input.tenantId, input.period, input.watermark),
    ...(late[index] ?? []).flatMap((p) => [
      usageOf(p.tenantId, p.period, input.previousWatermark ?? 0),
      usageOf(p.tenantId, p.period, input.watermark),
    ]),
  ]);
  const cells = await readCells(q, queries.flat());
  const invoiced = await readInvoiced(q, late.flat());
  let next = 0;
  return inputs.map((input, index) => {
    const own = cells.slice(next, next + (queries[index]?.length ?? 0));
    next += own.length;
    return deriveOne(tenancy, input, late[index] ?? [], own, invoiced);
  });
}

type InvoicedOf = (tenantId: string, identity: LineIdentity) => Invoiced;
const NOTHING_INVOICED: Invoiced = { quantity: ZERO, amount: ZERO };

function deriveOne(
  tenancy: TenancyCopy,
  input: DerivationInput,
  late: readonly EndedPeriod[],
  cells: readonly (readonly UsageCell[])[],
  invoiced: InvoicedOf,
): Derived {
  const plan = input.plan && planTerms(tenancy, input.plan);
  const own = cells[0] ?? [];
  const charges =
    plan === undefined
      ? []
      : chargeLines(input.period, plan, quantities(tenancy, plan, own), daysOf(tenancy, plan, input));
  const unpricedIn = ({ terms }: PlanTerms, of: readonly UsageCell[]) => unpricedUsage(terms.prices, tenancy.meter, of);
  let lateCurrency: string | undefined;
  const adjustments = late.flatMap((p, index) => {
    const latePlan = planOf(tenancy, p);
    lateCurrency = latePlan.terms.currency;
    return adjustmentLines({
      period: p.period,
      plan: latePlan,
      invoiceId: invoiceIdOf(p.tenantId, p.invoiceOrdinal ?? 0),
      invoiceNumber: invoiceNumberOf(p.tenantId, p.invoiceOrdinal ?? 0, p.invoiceVersion),
      version: input.invoiceVersion,
      days: daysOf(tenancy, latePlan, p),
      quantityBefore: quantities(tenancy, latePlan, cells[1 + 2 * index] ?? []),
      quantityAfter: quantities(tenancy, latePlan, cells[2 + 2 * index] ?? []),
      invoiced: (identity) => invoiced(p.tenantId, identity),
    });
  });
  const lateUnpriced = late.map((p, index) => {
    const latePlan = planOf(tenancy, p);
    return { period: p.period, plan: latePlan.ref, unpriced: unpricedIn(latePlan, cells[2 + 2 * index] ?? []) };
  });
  return {
    lines: [...charges, ...adjustments],
    unpriced: plan === undefined ? [] : unpricedIn(plan, own),
    lateUnpriced,
    plan,
    currency: plan?.terms.currency ?? (adjustments.length > 0 ? lateCurrency : undefined),
  };
}

const lateQuery = ({ tenantId, period, watermark, previousWatermark }: DerivationInput): LateQuery => ({
  tenantId,
  start: period.start,
  afterSeq: previousWatermark ?? watermark,
  toSeq: watermark,
});

async function readInvoiced(q: Queryable, late: readonly EndedPeriod[]): Promise<InvoicedOf> {
  const amounts = await invoicedAmounts(
    q,
    late.map((p) => ({ tenantId: p.tenantId, start: p.period.start })),
  );
  const byLine = new Map(amounts.map((a) => [`${a.tenantId}/${a.periodStart}/${a.kind}/${a.priceIndex}`, a]));
  return (tenantId, identity) => byLine.get(`${tenantId}/${keyOf(identity)}`) ?? NOTHING_INVOICED;
}

const usageOf = (tenantId: string, period: Period, maxSeq: number): UsageQuery => ({
  tenantId,
  from: period.start,
  to: period.end,
  maxSeq,
  recordedBefore: UNBOUNDED,
  meter: null,
  bucketMs: 0,
});

/** The quantity that a price charges, from a period's cells. */
export function quantities(tenancy: TenancyCopy, plan: PlanTerms, cells: readonly UsageCell[]): QuantityOfPrice {
  return (price) => {
    const meter = tenancy.meter(price.meter);
    if (meter === undefined) throw new Error(`a published plan prices an unknown meter: ${price.meter}`);
    return quantityOf(meter.aggregation, cellsOf(price, plan.terms.prices, meter, cells));
  };
}

/** The days that a period's plan charges fee and commit for, as known when the period ended. */
export function daysOf(
  tenancy: TenancyCopy,
  { terms }: PlanTerms,
  { tenantId, period, tenancyVersion }: Pick<DerivationInput, "tenantId" | "period" | "tenancyVersion">,
): ChargedDays {
  const tenant = tenancy.tenant(tenantId);
  if (tenant === undefined) throw new Error(`a period of an unknown tenant: ${tenantId}`);
  return chargedDays(tenant, period, terms.recurringFeeProration ?? "NONE", tenancyVersion);
}

export function planTerms(tenancy: TenancyCopy, assigned: AssignedPlan): PlanTerms {
  const terms = planVersionOf(tenancy.plan(assigned.planId), assigned.planVersion);
  if (terms === undefined) {
    throw new Error(`an assigned plan version is unknown: ${assigned.planId}@${assigned.planVersion}`);
  }
  return { ref: { id: assigned.planId, version: assigned.planVersion }, terms };
}

function planOf(tenancy: TenancyCopy, period: EndedPeriod): PlanTerms {
  if (period.plan === undefined) throw new Error("an invoiced period to adjust has a plan");
  return planTerms(tenancy, period.plan);
}
