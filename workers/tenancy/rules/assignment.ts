import { MINUTE_MS } from "#kernel/duration.js";
import { nextPeriod, periodAt } from "#kernel/period.js";
import type { PlanState, PlanVersionState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import {
  type AssignedPlan,
  assignedPlan,
  firstPeriodStart,
  graceEnd,
  runningPeriod,
  tenantNow,
} from "#schema/tenancy-history.js";

type Assignment = TenantState["assignments"][number];

/** An active assignment, with the start of the next one. */
export interface ActiveAssignment extends AssignedPlan {
  readonly effectiveFrom: number;
  /** Null: no end. */
  readonly effectiveTo: number | null;
}

/** The plan of the current period, as known today. */
export function runningPlan(tenant: TenantState, now: number): AssignedPlan | undefined {
  return assignedPlan(tenant, runningPeriod(tenant, now).start, tenant.version);
}

/** The assignments that are not cancelled, as intervals, in order. */
export function activeAssignments(tenant: TenantState): ActiveAssignment[] {
  const active = tenant.assignments.filter(isActive);
  return active.map((assignment, index) => ({
    planId: assignment.planId,
    planVersion: assignment.planVersion,
    effectiveFrom: assignment.effectiveFrom,
    effectiveTo: active[index + 1]?.effectiveFrom ?? null,
  }));
}

/**
 * When a change made now takes effect: the first assignment from the tenant's earliest period that is still open, a later one
 * from the next period. (Before the first period has begun, a change still applies to it.) `inVersion`: of the change.
 */
export function changeEffectiveFrom(tenant: TenantState, now: number, inVersion: number): number {
  const first = firstPeriodStart(tenant);
  if (tenantNow(tenant, now) < first || tenant.createdInVersion === inVersion) return first;
  if (!tenant.assignments.some(isActive)) return earliestOpenStart(tenant, now);
  return periodAt(tenantNow(tenant, now), tenant.billingAnchorDay).end;
}

/** The tick that ends a period may be read with a version from before the change: a period that ends sooner is not promised. */
const CLOSES_SOON_MS = 5 * MINUTE_MS;

/** Periods whose grace time has passed may be closed, without a plan: none can be given to them any more. */
function earliestOpenStart(tenant: TenantState, now: number): number {
  const moment = tenant.testClock ?? now + CLOSES_SOON_MS;
  let period = periodAt(firstPeriodStart(tenant), tenant.billingAnchorDay);
  while (graceEndOnItsClock(tenant, period.end) <= moment) period = nextPeriod(period, tenant.billingAnchorDay);
  return period.start;
}

/** A test tenant's creation is not on its clock. */
const graceEndOnItsClock = (tenant: TenantState, periodEnd: number): number =>
  graceEnd(tenant.testClock === null ? tenant : { ...tenant, createdAt: periodEnd }, periodEnd, tenant.version);

export type PlanChange =
  | { readonly kind: "unchanged" }
  | { readonly kind: "otherCurrency"; readonly currency: string }
  | { readonly kind: "changed"; readonly assignments: readonly Assignment[] };

/**
 * Assigns a plan version to a tenant in tenancy version `inVersion`. Assignments effective at the same moment or later are
 * cancelled, never removed: readers of older versions need them.
 */
export function planChange(
  tenant: TenantState,
  plan: PlanState,
  version: PlanVersionState,
  now: number,
  inVersion: number,
): PlanChange {
  if (tenant.currency !== null && tenant.currency !== version.currency)
    return { kind: "otherCurrency", currency: tenant.currency };
  const effectiveFrom = changeEffectiveFrom(tenant, now, inVersion);
  const there = assignedPlan(tenant, effectiveFrom, tenant.version);
  if (there?.planId === plan.id && there.planVersion === version.version) return { kind: "unchanged" };
  const kept = cancelFrom(tenant.assignments, effectiveFrom, inVersion);
  const added = { planId: plan.id, planVersion: version.version, effectiveFrom, inVersion, cancelledInVersion: null };
  return { kind: "changed", assignments: [...kept, added] };
}

/** Cancels pending assignments; undefined: none. */
export function cancelPending(tenant: TenantState, now: number, inVersion: number): readonly Assignment[] | undefined {
  const from = runningPeriod(tenant, now).start + 1;
  const isPending = (assignment: Assignment) => isActive(assignment) && assignment.effectiveFrom >= from;
  return tenant.assignments.some(isPending) ? cancelFrom(tenant.assignments, from, inVersion) : undefined;
}

function cancelFrom(assignments: readonly Assignment[], from: number, inVersion: number): Assignment[] {
  return assignments.map((assignment) =>
    isActive(assignment) && assignment.effectiveFrom >= from
      ? { ...assignment, cancelledInVersion: inVersion }
      : assignment,
  );
}

const isActive = (assignment: Assignment): boolean => assignment.cancelledInVersion === null;
