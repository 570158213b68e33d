import { DAY_MS } from "#kernel/duration.js";
import { type Period, periodAt } from "#kernel/period.js";
import type {
  MeterState,
  Party,
  PlanState,
  PlanVersionState,
  QuotaOverrideState,
  SellerState,
  TenantState,
} from "./events/tenancy-changed.v1.js";
import { limitKey } from "./limit-scope.js";

/**
 * Tenancy as of a version. Readers of the ledger read each entry under the version it is stamped with, so that every rebuild
 * gives the same result.
 */

/** Whether a meter counts an entry stamped with `version`. */
export function isMeterActive(meter: MeterState, version: number): boolean {
  if (meter.createdInVersion > version) return false;
  if (meter.archivedInVersion !== null && meter.archivedInVersion <= version) return false;
  return !meter.archivals?.some(({ fromVersion, toVersion }) => fromVersion <= version && version < toVersion);
}

/**
 * The end of a period's grace time, as known at `version`. Grace starts with the period's end, but not before the tenant's
 * creation: a tenant that imports last month has the full grace time.
 */
export function graceEnd(tenant: TenantState, periodEnd: number, version: number): number {
  const known = tenant.graceDays.findLast((entry) => entry.inVersion <= version) ?? tenant.graceDays[0];
  return Math.max(periodEnd, tenant.createdAt) + (known?.days ?? 0) * DAY_MS;
}

/** The buyer on a tenant's invoices, as known at `version`. */
export function buyerAt(tenant: TenantState, version: number): Party {
  const buyer = tenant.buyers?.findLast((entry) => entry.inVersion <= version) ?? tenant.buyers?.[0];
  return { name: buyer?.name ?? tenant.name, addressLines: buyer?.addressLines ?? [] };
}

/** The seller on invoices, as known at `version`; null: none. */
export const sellerAt = (seller: SellerState | undefined, version: number): Party | null =>
  seller?.history.findLast((entry) => entry.inVersion <= version)?.party ?? null;

export interface AssignedPlan {
  readonly planId: string;
  readonly planVersion: number;
}

/** Whether a tenant, as known at `version`, was closed before the period that starts at `periodStart` began. */
function isClosedBefore(tenant: TenantState, periodStart: number, version: number): boolean {
  const { closedInVersion, closedAt } = tenant;
  if (closedInVersion === null || closedInVersion > version) return false;
  return closedAt !== undefined && closedAt !== null && closedAt < periodStart;
}

/**
 * The plan of the billing period that starts at `periodStart`, as known at `version`; undefined: none assigned, or the tenant
 * was closed in an earlier period.
 */
export function assignedPlan(tenant: TenantState, periodStart: number, version: number): AssignedPlan | undefined {
  if (isClosedBefore(tenant, periodStart, version)) return undefined;
  return tenant.assignments.findLast(
    (a) =>
      a.inVersion <= version &&
      a.effectiveFrom <= periodStart &&
      (a.cancelledInVersion === null || a.cancelledInVersion > version),
  );
}

export function planVersionOf(plan: PlanState | undefined, version: number): PlanVersionState | undefined {
  return plan?.versions.find((candidate) => candidate.version === version);
}

/** The overrides active at a moment of the tenant's clock, as known at `version`: the latest of each limit. */
export function activeOverrides(tenant: TenantState, atMs: number, version: number): readonly QuotaOverrideState[] {
  const known = tenant.quotaOverrides?.filter((override) => override.inVersion <= version) ?? [];
  const latest = new Map(known.map((override) => [limitKey(override), override]));
  return [...latest.values()].filter((override) => atMs < override.until);
}

/** The tenant's own time at a moment of the system's: a test tenant's clock stands still until it is advanced. */
export const tenantNow = (tenant: Pick<TenantState, "testClock">, nowMs: number): number => tenant.testClock ?? nowMs;

/** The time zone of the tenant's calendar windows. */
export const timeZoneOf = ({ timeZone }: Pick<TenantState, "timeZone">): string => timeZone ?? "UTC";

/** The tenant's billing period that runs now; before the first one, the first. */
export const runningPeriod = (tenant: TenantState, nowMs: number): Period =>
  periodAt(Math.max(tenantNow(tenant, nowMs), tenant.startsAt), tenant.billingAnchorDay);

/** Start of the tenant's first billing period. */
export function firstPeriodStart(tenant: TenantState): number {
  return periodAt(tenant.startsAt, tenant.billingAnchorDay).start;
}
