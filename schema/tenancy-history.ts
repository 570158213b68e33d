import { periodAt } from "#kernel/period.js";
import type { MeterState, PlanState, PlanVersionState, TenantState } from "./events/tenancy-changed.v1.js";

/**
 * Reading tenancy as it was at a version. Whoever reads the ledger reads each entry under the version it is stamped with,
 * so that today's answer and every rebuild's are the same.
 */

/** Whether a meter counts an entry stamped with `version`. */
export function isMeterActive(meter: MeterState, version: number): boolean {
  return meter.createdInVersion <= version && (meter.archivedInVersion === null || meter.archivedInVersion > version);
}

/** The grace time of a tenant as known at `version`, in days. */
export function graceDaysAt(tenant: TenantState, version: number): number {
  return tenant.graceDays.findLast((entry) => entry.inVersion <= version)?.days ?? tenant.graceDays[0]?.days ?? 0;
}

export interface AssignedPlan {
  readonly planId: string;
  readonly planVersion: number;
}

/** The plan of the billing period that starts at `periodStart`, as known at `version`; undefined: none assigned. */
export function assignedPlan(tenant: TenantState, periodStart: number, version: number): AssignedPlan | undefined {
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

/** Start of the tenant's first billing period. */
export function firstPeriodStart(tenant: TenantState): number {
  return periodAt(tenant.startsAt, tenant.billingAnchorDay).start;
}
