import type { PlanState, PlanVersionState, TenantState } from "./events/tenancy-changed.v1.js";

/** The plans that a tenant has, had, or is going to have; a change that was cancelled before it took effect is none. */
export function assignedPlanIds(tenant: TenantState | undefined): readonly string[] {
  return [...new Set(keptAssignments(tenant).map(({ planId }) => planId))];
}

/**
 * The versions of a plan that a tenant may see, in order: its own as in `assignedPlanIds`, and the public ones. Prices of other
 * tenants are confidential.
 */
export function visibleVersions(plan: PlanState, tenant: TenantState | undefined): readonly PlanVersionState[] {
  const own = new Set(
    keptAssignments(tenant).flatMap(({ planId, planVersion }) => (planId === plan.id ? [planVersion] : [])),
  );
  return plan.versions.filter((version) => version.public === true || own.has(version.version));
}

const keptAssignments = (tenant: TenantState | undefined) =>
  (tenant?.assignments ?? []).filter(({ cancelledInVersion }) => cancelledInVersion === null);
