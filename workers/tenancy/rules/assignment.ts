import { periodAt } from "#kernel/period.js";
import type { PlanState, PlanVersionState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import {
  type AssignedPlan,
  assignedPlan,
  firstPeriodStart,
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
 * When a change made now takes effect: the first assignment from the tenant's first period, a later one from the next period.
 * (Before the first period has begun, a change still applies to it.)
 */
export function changeEffectiveFrom(tenant: TenantState, now: number): number {
  const first = firstPeriodStart(tenant);
  if (!tenant.assignments.some(isActive) || tenantNow(tenant, now) < first) return first;
  return periodAt(tenantNow(tenant, now), tenant.billingAnchorDay).end;
}

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
  const effectiveFrom = changeEffectiveFrom(tenant, now);
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
