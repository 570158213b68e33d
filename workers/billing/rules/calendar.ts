import { MetrlyError } from "#kernel/errors.js";
import { nextPeriod, type Period, periodAt } from "#kernel/period.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { type AssignedPlan, assignedPlan, firstPeriodStart, graceEnd } from "#schema/tenancy-history.js";
import type { BillingPeriodStatus, InvoiceVersion } from "#schema/vocabulary.js";

/** A period ended at an entry of the log: entries up to its `seq` belong to the invoice. */
export interface Closing {
  readonly tenantId: string;
  readonly period: Period;
  readonly watermark: number;
  /** Tenancy's version at the watermark. */
  readonly tenancyVersion: number;
  readonly plan: AssignedPlan | undefined;
  readonly invoiceVersion: InvoiceVersion;
}

type Tick = Extract<LedgerEntry, { kind: "tick" }>;
type Close = Extract<LedgerEntry, { kind: "close" }>;

/** The earliest period of a tenant without a watermark. `closedThrough`: end of the last one with a watermark. */
export function earliestOpenPeriod(tenant: TenantState, closedThrough: number | undefined): Period {
  return periodAt(closedThrough ?? firstPeriodStart(tenant), tenant.billingAnchorDay);
}

/** The tenant's period that starts at this moment. Throws INVALID when none does. */
export function periodStartingAt(tenant: TenantState, start: number): Period {
  const period = periodAt(start, tenant.billingAnchorDay);
  if (period.start !== start || start < firstPeriodStart(tenant)) {
    throw new MetrlyError("INVALID", "periodStart: no billing period of the tenant starts then");
  }
  return period;
}

/**
 * The periods that a tick ends: all whose grace time has passed, in order (several after a downtime). Ignores tenants with a
 * test clock: their periods end by close records only.
 */
export function closingsOfTick(tick: Tick, tenant: TenantState, closedThrough: number | undefined): Closing[] {
  if (tenant.testClock !== null || tenant.createdInVersion > tick.tenancyVersion) return [];
  const closings: Closing[] = [];
  let period = earliestOpenPeriod(tenant, closedThrough);
  while (graceEnd(tenant, period.end, tick.tenancyVersion) <= tick.at) {
    closings.push(closing(tick, tenant, period));
    period = nextPeriod(period, tenant.billingAnchorDay);
  }
  return closings;
}

/** The period that a close record ends: the earliest without a watermark, if it has ended. */
export function closingOfClose(
  close: Close,
  tenant: TenantState,
  closedThrough: number | undefined,
): Closing | undefined {
  if (tenant.createdInVersion > close.tenancyVersion) return undefined;
  const period = earliestOpenPeriod(tenant, closedThrough);
  if (close.periodStart !== period.start) return undefined;
  if (tenant.testClock === null && period.end > close.recordedAt) return undefined;
  return closing(close, tenant, period);
}

function closing(entry: Tick | Close, tenant: TenantState, period: Period): Closing {
  return {
    tenantId: tenant.id,
    period,
    watermark: entry.seq,
    tenancyVersion: entry.tenancyVersion,
    plan: assignedPlan(tenant, period.start, entry.tenancyVersion),
    invoiceVersion: entry.invoiceVersion ?? 1,
  };
}

/** The periods of a test tenant whose grace time its clock has passed, oldest first; each still needs its close record. */
export function periodsDueByTestClock(tenant: TenantState, closedThrough: number | undefined): Period[] {
  const due: Period[] = [];
  if (tenant.testClock === null) return due;
  let period = earliestOpenPeriod(tenant, closedThrough);
  while (testGraceEnd(tenant, period.end) <= tenant.testClock) {
    due.push(period);
    period = nextPeriod(period, tenant.billingAnchorDay);
  }
  return due;
}

/** On the tenant's own clock, which `createdAt` is not on. */
const testGraceEnd = (tenant: TenantState, periodEnd: number): number =>
  graceEnd({ ...tenant, createdAt: periodEnd }, periodEnd, tenant.version);

/** Of a period without a watermark. `nowMs` is the tenant's own clock. */
export function openStatus(period: Period, nowMs: number): Extract<BillingPeriodStatus, "OPEN" | "GRACE"> {
  return nowMs < period.end ? "OPEN" : "GRACE";
}
