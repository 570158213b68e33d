import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { Period } from "#kernel/period.js";
import type { Transaction } from "#platform/database/database.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { MeterState, PriceState } from "#schema/events/tenancy-changed.v1.js";
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
import { collectUnpriced, type UnpricedUsage } from "../rules/unpriced.js";
import { cellsOf, quantityOf, type UsageCell } from "../rules/usage.js";
import { invoicedAmounts } from "../store/invoices.js";
import { type EndedPeriod, type LateQuery, latePeriods } from "../store/periods.js";
import { readCells, UNBOUNDED, type UsageQuery } from "../store/usage.js";

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
 * Three statements for any number of inputs; of their usage, one meter's is in memory at a time.
 */
export async function deriveInvoices(
  tx: Transaction,
  tenancy: TenancyCopy,
  inputs: readonly DerivationInput[],
): Promise<Derived[]> {
  const late = await latePeriods(tx, inputs.map(lateQuery));
  const derivations = inputs.map((input, index) => ({
    input,
    own: usageUnder(tenancy, usageOf(input.tenantId, input.period, input.watermark), termsOf(tenancy, input.plan)),
    late: (late[index] ?? []).map((ended): Late => {
      const plan = planOf(tenancy, ended);
      const known = (maxSeq: number) => usageUnder(tenancy, usageOf(ended.tenantId, ended.period, maxSeq), plan);
      return { ended, plan, before: known(input.previousWatermark ?? 0), after: known(input.watermark) };
    }),
  }));
  await readUsages(
    tx,
    tenancy,
    derivations.flatMap((each) => [each.own, ...each.late.flatMap(({ before, after }) => [before, after])]),
  );
  const invoiced = await readInvoiced(tx, late.flat());
  const derived: Derived[] = [];
  for (const each of derivations) derived.push(await deriveOne(tenancy, each, invoiced));
  return derived;
}

/** An earlier period with late usage: as last invoiced, and as known now. */
interface Late {
  readonly ended: EndedPeriod;
  readonly plan: PlanTerms;
  readonly before: UsageUnder;
  readonly after: UsageUnder;
}

/** What a plan makes of a period's usage. */
interface UsageUnder {
  readonly query: UsageQuery;
  readonly plan: PlanTerms | undefined;
  readonly quantity: QuantityOfPrice;
  readonly unpriced: readonly UnpricedUsage[];
  take(meter: MeterState, cells: readonly UsageCell[]): void;
}

function usageUnder(tenancy: TenancyCopy, query: UsageQuery, plan: PlanTerms | undefined): UsageUnder {
  const prices = plan?.terms.prices ?? [];
  const known = new Map<PriceState, Decimal>();
  const unpriced = collectUnpriced(prices);
  return {
    query,
    plan,
    quantity: (price) => known.get(price) ?? quantityOf(meterOf(tenancy, price).aggregation, []),
    unpriced: unpriced.found,
    take(meter, cells) {
      for (const price of prices)
        if (price.meter === meter.id)
          known.set(price, quantityOf(meter.aggregation, cellsOf(price, prices, meter, cells)));
      if (plan !== undefined) unpriced.take(meter, cells);
    },
  };
}

async function readUsages(tx: Transaction, tenancy: TenancyCopy, usages: readonly UsageUnder[]): Promise<void> {
  for await (const { query, meter: key, cells } of readCells(
    tx,
    usages.map((usage) => usage.query),
  )) {
    const meter = tenancy.meter(key);
    if (meter === undefined) throw new Error(`usage of an unknown meter: ${key}`);
    usages[query]?.take(meter, cells);
  }
}

function meterOf(tenancy: TenancyCopy, price: PriceState): MeterState {
  const meter = tenancy.meter(price.meter);
  if (meter === undefined) throw new Error(`a published plan prices an unknown meter: ${price.meter}`);
  return meter;
}

type InvoicedOf = (tenantId: string, identity: LineIdentity) => Invoiced;
const NOTHING_INVOICED: Invoiced = { quantity: ZERO, amount: ZERO };

async function deriveOne(
  tenancy: TenancyCopy,
  { input, own, late }: { input: DerivationInput; own: UsageUnder; late: readonly Late[] },
  invoiced: InvoicedOf,
): Promise<Derived> {
  const { plan } = own;
  const lines = plan === undefined ? [] : chargeLines(input.period, plan, own.quantity, daysOf(tenancy, plan, input));
  for (const { ended, plan: latePlan, before, after } of late) {
    // Each prices a whole period twice: others' requests go between them.
    await new Promise<void>(nextTurn);
    lines.push(
      ...adjustmentLines({
        period: ended.period,
        plan: latePlan,
        invoiceId: invoiceIdOf(ended.tenantId, ended.invoiceOrdinal ?? 0),
        invoiceNumber: invoiceNumberOf(ended.tenantId, ended.invoiceOrdinal ?? 0, ended.invoiceVersion),
        version: input.invoiceVersion,
        days: daysOf(tenancy, latePlan, ended),
        quantityBefore: before.quantity,
        quantityAfter: after.quantity,
        invoiced: (identity) => invoiced(ended.tenantId, identity),
      }),
    );
  }
  const isAdjusted = lines.some(({ kind }) => kind === "ADJUSTMENT");
  return {
    lines,
    unpriced: own.unpriced,
    lateUnpriced: late.map(({ ended, plan: latePlan, after }) => ({
      ...{ period: ended.period, plan: latePlan.ref, unpriced: after.unpriced },
    })),
    plan,
    currency: plan?.terms.currency ?? (isAdjusted ? late.at(-1)?.plan.terms.currency : undefined),
  };
}

const lateQuery = ({ tenantId, period, watermark, previousWatermark }: DerivationInput): LateQuery => ({
  tenantId,
  start: period.start,
  afterSeq: previousWatermark ?? watermark,
  toSeq: watermark,
});

async function readInvoiced(tx: Transaction, late: readonly EndedPeriod[]): Promise<InvoicedOf> {
  const amounts = await invoicedAmounts(
    tx,
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

const termsOf = (tenancy: TenancyCopy, assigned: AssignedPlan | undefined): PlanTerms | undefined =>
  assigned && planTerms(tenancy, assigned);

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
