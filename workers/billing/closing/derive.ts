import { type Decimal, ZERO } from "#kernel/decimal.js";
import type { Period } from "#kernel/period.js";
import type { Transaction } from "#platform/database/database.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { MeterState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import { type AssignedPlan, planVersionOf } from "#schema/tenancy-history.js";
import type { InvoiceVersion } from "#schema/vocabulary.js";
import { drawsAtBeginning } from "../credits/preview.js";
import { type ChargedDays, chargedDays } from "../rules/charged-days.js";
import { invoiceIdOf, invoiceNumberOf } from "../rules/invoice-document.js";
import {
  adjustmentLines,
  chargeLines,
  creditLines,
  type DrawnCredit,
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
import { readDrawn } from "../store/credits.js";
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
  /** Draws are taken up to the watermark of the period that starts then, `UNBOUNDED`: as if it ended now; undefined: credits pay nothing. */
  readonly creditsThrough: number | undefined;
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

/** What is read to derive an invoice. */
export interface Derivation {
  readonly input: DerivationInput;
  /** Undefined: no plan, hence nothing to charge. */
  readonly own: UsageUnder | undefined;
  readonly late: readonly Late[];
  readonly invoiced: InvoicedOf;
  /** Of the input's own period. */
  readonly drawn: readonly DrawnCredit[];
}

/**
 * Reads each period's usage up to its watermark, and that of earlier periods with late usage. One meter's usage is in memory at a
 * time; there is one more statement per thousand rows of it, and otherwise as many for any number of inputs.
 */
export async function readDerivations(
  tx: Transaction,
  tenancy: TenancyCopy,
  inputs: readonly DerivationInput[],
): Promise<Derivation[]> {
  const late = await latePeriods(tx, inputs.map(lateQuery));
  const read = inputs.map((input, index) => ({
    input,
    own:
      input.plan &&
      usageUnder(tenancy, usageOf(input.tenantId, input.period, input.watermark), planTerms(tenancy, input.plan)),
    late: (late[index] ?? []).map((ended): Omit<Late, "drawn"> => {
      const plan = planOf(tenancy, ended);
      const known = (maxSeq: number) => usageOf(ended.tenantId, ended.period, maxSeq);
      return {
        ended,
        before: pricedUnder(tenancy, known(input.previousWatermark ?? 0), plan),
        after: usageUnder(tenancy, known(input.watermark), plan),
      };
    }),
  }));
  await readUsages(
    tx,
    read.flatMap(({ own, late }) => [...(own ? [own] : []), ...late.flatMap(({ before, after }) => [before, after])]),
  );
  const invoiced = await readInvoiced(tx, late.flat());
  const drawn = await readDraws(tx, inputs, late);
  const running = inputs.filter(({ creditsThrough }) => creditsThrough === UNBOUNDED);
  const beginning = running.length === 0 ? [] : await drawsAtBeginning(tx, tenancy, running);
  const atBeginning = new Map(running.map((input, index) => [input, beginning[index] ?? []]));
  return read.map(({ input, own, late }, index) => {
    const drawnOf = drawn[index] ?? new Map<number, readonly DrawnCredit[]>();
    return {
      ...{ input, own, invoiced },
      late: late.map((each) => ({ ...each, drawn: drawnOf.get(each.ended.period.start) ?? [] })),
      drawn: [...(drawnOf.get(input.period.start) ?? []), ...(atBeginning.get(input) ?? [])].filter(
        ({ amount }) => !amount.isZero(),
      ),
    };
  });
}

/** By input: what its own period and its late ones draw. */
async function readDraws(
  tx: Transaction,
  inputs: readonly DerivationInput[],
  late: readonly (readonly EndedPeriod[])[],
): Promise<Map<number, readonly DrawnCredit[]>[]> {
  const queries = inputs.flatMap(({ tenantId, period, creditsThrough: openThrough }, index) =>
    openThrough === undefined
      ? []
      : [period.start, ...(late[index] ?? []).map((ended) => ended.period.start)].map((start) => ({
          ...{ index, tenantId, start, openThrough },
        })),
  );
  const read = await readDrawn(tx, queries);
  const drawn = inputs.map(() => new Map<number, readonly DrawnCredit[]>());
  for (const [n, { index, start }] of queries.entries()) drawn[index]?.set(start, read[n] ?? []);
  return drawn;
}

/**
 * Derives each period's invoice: its own charges, then the adjustments of earlier periods. A plan of the largest size takes a good
 * part of a second of processor time; `pause` comes before each pricing of a period.
 */
export async function priceInvoices(
  tenancy: TenancyCopy,
  derivations: readonly Derivation[],
  pause: () => Promise<unknown>,
): Promise<Derived[]> {
  const derived: Derived[] = [];
  for (const each of derivations) derived.push(await priceOne(tenancy, each, pause));
  return derived;
}

/** An earlier period with late usage: as last invoiced, and as known now. */
interface Late {
  readonly ended: EndedPeriod;
  readonly before: PricedUnder;
  readonly after: UsageUnder;
  readonly drawn: readonly DrawnCredit[];
}

/** What a plan's prices make of a period's usage. */
interface PricedUnder {
  readonly query: UsageQuery;
  readonly quantity: QuantityOfPrice;
  /** Takes the cells of the next meter. */
  take(meter: string, cells: readonly UsageCell[]): void;
}

/** The same, with what no price claims. */
interface UsageUnder extends PricedUnder {
  readonly plan: PlanTerms;
  readonly unpriced: readonly UnpricedUsage[];
}

function pricedUnder(tenancy: TenancyCopy, query: UsageQuery, { terms: { prices } }: PlanTerms): PricedUnder {
  const known = new Map<PriceState, Decimal>();
  return {
    query,
    quantity: (price) => known.get(price) ?? quantityOf(meterOf(tenancy, price).aggregation, []),
    take(key, cells) {
      for (const price of prices) {
        if (price.meter !== key) continue;
        const meter = meterOf(tenancy, price);
        known.set(price, quantityOf(meter.aggregation, cellsOf(price, prices, meter, cells)));
      }
    },
  };
}

function usageUnder(tenancy: TenancyCopy, query: UsageQuery, plan: PlanTerms): UsageUnder {
  const priced = pricedUnder(tenancy, query, plan);
  const unpriced = collectUnpriced(plan.terms.prices);
  return {
    ...priced,
    plan,
    unpriced: unpriced.found,
    take(key, cells) {
      priced.take(key, cells);
      const meter = tenancy.meter(key);
      if (meter === undefined) throw new Error(`usage of an unknown meter: ${key}`);
      unpriced.take(meter, cells);
    },
  };
}

async function readUsages(tx: Transaction, usages: readonly PricedUnder[]): Promise<void> {
  const queries = usages.map((usage) => usage.query);
  for await (const { query, meter, cells } of readCells(tx, queries)) usages[query]?.take(meter, cells);
}

function meterOf(tenancy: TenancyCopy, price: PriceState): MeterState {
  const meter = tenancy.meter(price.meter);
  if (meter === undefined) throw new Error(`a published plan prices an unknown meter: ${price.meter}`);
  return meter;
}

type InvoicedOf = (tenantId: string, identity: LineIdentity) => Invoiced;
const NOTHING_INVOICED: Invoiced = { quantity: ZERO, amount: ZERO };

async function priceOne(
  tenancy: TenancyCopy,
  { input, own, late, invoiced, drawn: ownDrawn }: Derivation,
  pause: () => Promise<unknown>,
): Promise<Derived> {
  await pause();
  const plan = own?.plan;
  const lines = own
    ? [
        ...chargeLines(input.period, own.plan, own.quantity, daysOf(tenancy, own.plan, input)),
        ...creditLines(input.period, own.plan, ownDrawn),
      ]
    : [];
  for (const { ended, before, after, drawn } of late) {
    await pause();
    lines.push(
      ...adjustmentLines({
        period: ended.period,
        plan: after.plan,
        invoiceId: invoiceIdOf(ended.tenantId, ended.invoiceOrdinal ?? 0),
        invoiceNumber: invoiceNumberOf(ended.tenantId, ended.invoiceOrdinal ?? 0, ended.invoiceVersion),
        version: input.invoiceVersion,
        days: daysOf(tenancy, after.plan, ended),
        quantityBefore: before.quantity,
        quantityAfter: after.quantity,
        drawn,
        invoiced: (identity) => invoiced(ended.tenantId, identity),
      }),
    );
  }
  const isAdjusted = lines.some(({ kind }) => kind === "ADJUSTMENT");
  return {
    lines,
    unpriced: own?.unpriced ?? [],
    lateUnpriced: late.map(({ ended, after }) => ({
      ...{ period: ended.period, plan: after.plan.ref, unpriced: after.unpriced },
    })),
    plan,
    currency: plan?.terms.currency ?? (isAdjusted ? late.at(-1)?.after.plan.terms.currency : undefined),
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
  const byLine = new Map(
    amounts.map((a) => [`${a.tenantId}/${a.periodStart}/${a.kind}/${a.priceIndex}/${a.grantId}`, a]),
  );
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
