import { Decimal, ZERO } from "#kernel/decimal.js";
import { formatMoney } from "#kernel/money.js";
import type { Period } from "#kernel/period.js";
import type { PlanVersionState, PriceState } from "#schema/events/tenancy-changed.v1.js";
import { exact, roundLine } from "#schema/rating/exact.js";
import { dayStep, type LineStep, lumpStep, priceUsage } from "#schema/rating/pricing.js";
import { type InvoiceText, STEP_NOTES } from "#schema/rating/step-notes.js";
import type { ChargeKind, InvoicedKind, InvoiceLineKind, InvoiceVersion } from "#schema/vocabulary.js";
import type { ChargedDays } from "./charged-days.js";
import { adjustmentText, commitText, creditText, RECURRING_FEE, recurringText, usageText } from "./invoice-texts.js";

export interface PlanRef {
  readonly id: string;
  readonly version: number;
}

/** A plan version as published: `terms` never change. */
export interface PlanTerms {
  readonly ref: PlanRef;
  readonly terms: PlanVersionState;
}

/** What a line is about, the same in the original invoice and in every adjustment of it. */
export interface LineIdentity {
  readonly periodStart: number;
  readonly kind: InvoicedKind;
  /** Position of the price in its plan version; -1 for lines without one. */
  readonly priceIndex: number;
  /** The grant of a line of credits; otherwise "". */
  readonly grantId: string;
}

export interface InvoiceLine {
  readonly identity: LineIdentity;
  readonly kind: InvoiceLineKind;
  readonly description: InvoiceText;
  readonly meter: string | null;
  readonly dimensions: readonly { readonly dimension: string; readonly value: string }[];
  readonly quantity: Decimal;
  /** Rounded to the currency's minor unit. */
  readonly amount: Decimal;
  readonly plan: PlanRef;
  readonly arithmetic: readonly LineStep[];
  readonly adjusts: Adjusts | null;
}

export interface Adjusts {
  readonly invoiceId: string;
  readonly invoiceNumber: string;
  readonly periodStart: number;
  readonly quantityBefore: Decimal;
  readonly quantityAfter: Decimal;
}

export type QuantityOfPrice = (price: PriceState) => Decimal;

/** Every line of a period under its plan: the recurring fee, one line per price, and what is missing to the minimum commit. */
export function chargeLines(
  period: Period,
  plan: PlanTerms,
  quantityOf: QuantityOfPrice,
  days: ChargedDays,
): InvoiceLine[] {
  const usage = plan.terms.prices.map((price, index) => usageLine(period, plan, price, index, quantityOf(price)));
  return [...recurringLines(period, plan, days), ...usage, ...commitLines(period, plan, usage, days)];
}

function recurringLines(period: Period, plan: PlanTerms, { fee: charged, total }: ChargedDays): InvoiceLine[] {
  const fee = exact(plan.terms.recurringFee);
  if (fee.isZero() || charged === 0) return [];
  if (charged === total)
    return [planLine(period, plan, "RECURRING", RECURRING_FEE, fee, [lumpStep(fee, STEP_NOTES.recurringFee)])];
  const ofDays = dayStep(fee, charged, total, STEP_NOTES.recurringFeeOfDays(charged, total));
  return [planLine(period, plan, "RECURRING", recurringText(charged, total), ofDays.amount, [ofDays])];
}

function usageLine(
  period: Period,
  plan: PlanTerms,
  price: PriceState,
  priceIndex: number,
  quantity: Decimal,
): InvoiceLine {
  const { steps, amount } = priceUsage(price, quantity);
  return {
    identity: { periodStart: period.start, kind: "USAGE", priceIndex, grantId: "" },
    kind: "USAGE",
    description: usageText(price.meter, price.where),
    meter: price.meter,
    dimensions: price.where,
    quantity,
    amount: roundLine(amount, plan.terms.currency),
    plan: plan.ref,
    arithmetic: steps,
    adjusts: null,
  };
}

/** Usage lines are raised together to the minimum commit; the recurring fee comes on top. */
function commitLines(
  period: Period,
  plan: PlanTerms,
  usage: readonly InvoiceLine[],
  { commit: charged, total }: ChargedDays,
): InvoiceLine[] {
  const whole = exact(plan.terms.minimumCommit);
  const ofDays =
    charged === total
      ? lumpStep(whole, STEP_NOTES.minimumCommit)
      : dayStep(whole, charged, total, STEP_NOTES.minimumCommitOfDays(charged, total));
  const commit = ofDays.amount;
  const used = sum(usage.map((line) => line.amount));
  if (commit.lte(used)) return [];
  const { currency } = plan.terms;
  const steps = [ofDays, lumpStep(used.neg(), STEP_NOTES.lessUsage)];
  const description = commitText(formatMoney(roundLine(commit, currency), currency));
  return [planLine(period, plan, "MINIMUM_COMMIT", description, exact(commit).minus(used), steps)];
}

function planLine(
  period: Period,
  plan: PlanTerms,
  kind: Exclude<ChargeKind, "USAGE">,
  description: InvoiceText,
  amount: Decimal,
  arithmetic: readonly LineStep[],
): InvoiceLine {
  return {
    identity: { periodStart: period.start, kind, priceIndex: -1, grantId: "" },
    kind,
    description,
    meter: null,
    dimensions: [],
    quantity: new Decimal(1),
    amount: roundLine(amount, plan.terms.currency),
    plan: plan.ref,
    arithmetic,
    adjusts: null,
  };
}

/** What a period draws from one grant. */
export interface DrawnCredit {
  readonly grantId: string;
  readonly amount: Decimal;
}

/** A line for each grant: what it pays of the period's usage. One that pays nothing (any more) has the quantity 0. */
export function creditLines(period: Period, plan: PlanTerms, drawn: readonly DrawnCredit[]): InvoiceLine[] {
  return drawn.map(({ grantId, amount }) => ({
    ...planLine(period, plan, "RECURRING", creditText(grantId), amount.neg(), [
      lumpStep(amount.neg(), STEP_NOTES.credit),
    ]),
    identity: { periodStart: period.start, kind: "CREDIT", priceIndex: -1, grantId },
    kind: "CREDIT",
    quantity: new Decimal(amount.isZero() ? 0 : 1),
  }));
}

export interface LateInput {
  /** The closed period that got usage after its watermark. */
  readonly period: Period;
  readonly plan: PlanTerms;
  readonly invoiceId: string;
  readonly invoiceNumber: string;
  readonly days: ChargedDays;
  /** Of the document that gets the adjustments. */
  readonly version: InvoiceVersion;
  /** As known at the invoice before. */
  readonly quantityBefore: QuantityOfPrice;
  /** As known now. */
  readonly quantityAfter: QuantityOfPrice;
  /** As known now, also of grants that it draws nothing from any more. */
  readonly drawn: readonly DrawnCredit[];
  /** Everything invoiced for a line so far: the original and its adjustments. */
  readonly invoiced: (identity: LineIdentity) => Invoiced;
}

/** Sums over the lines of one identity. */
export interface Invoiced {
  readonly quantity: Decimal;
  readonly amount: Decimal;
}

/**
 * The adjustments of a closed period: per line what it costs with what is known now, less everything already invoiced for it,
 * so that the closed invoice and its adjustments together are the invoice with full knowledge, to the cent and to the unit. A
 * line that stays is left out (in version 1 also one of which only the quantity changes).
 */
export function adjustmentLines(late: LateInput): InvoiceLine[] {
  const before = new Map(
    chargeLines(late.period, late.plan, late.quantityBefore, late.days).map((line) => [keyOf(line.identity), line]),
  );
  const after = new Map(
    [
      ...chargeLines(late.period, late.plan, late.quantityAfter, late.days),
      ...creditLines(late.period, late.plan, late.drawn),
    ].map((line) => [keyOf(line.identity), line]),
  );
  const keys = [...after.keys(), ...[...before.keys()].filter((key) => !after.has(key))];
  return keys.flatMap((key) => {
    const line = after.get(key) ?? before.get(key);
    return line === undefined ? [] : adjustmentOf(late, line, before.get(key), after.get(key));
  });
}

function adjustmentOf(
  late: LateInput,
  about: InvoiceLine,
  before: InvoiceLine | undefined,
  after: InvoiceLine | undefined,
): InvoiceLine[] {
  const invoiced = late.invoiced(about.identity);
  const amount = (after?.amount ?? ZERO).minus(invoiced.amount);
  const quantityBefore = late.version === 1 ? (before?.quantity ?? ZERO) : invoiced.quantity;
  const quantityAfter = after?.quantity ?? ZERO;
  if (amount.isZero() && (late.version === 1 || quantityAfter.eq(quantityBefore))) return [];
  return [
    {
      ...about,
      kind: "ADJUSTMENT",
      description: adjustmentText(new Date(late.period.start).toISOString().slice(0, 10), about.description),
      quantity: quantityAfter.minus(quantityBefore),
      amount,
      arithmetic: [...(after?.arithmetic ?? []), lumpStep(invoiced.amount.neg(), STEP_NOTES.alreadyInvoiced)],
      adjusts: {
        ...{ invoiceId: late.invoiceId, invoiceNumber: late.invoiceNumber },
        ...{ periodStart: late.period.start, quantityBefore, quantityAfter },
      },
    },
  ];
}

export const keyOf = (identity: LineIdentity): string =>
  `${identity.periodStart}/${identity.kind}/${identity.priceIndex}/${identity.grantId}`;

const sum = (amounts: readonly Decimal[]): Decimal => amounts.reduce((total, amount) => total.plus(amount), ZERO);

export const totalOf = (lines: readonly InvoiceLine[]): Decimal => sum(lines.map((line) => line.amount));
