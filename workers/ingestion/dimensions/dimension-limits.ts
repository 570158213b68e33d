import type { Config } from "#platform/process/config.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { planVersionOf } from "#schema/tenancy-history.js";
import type { LimitOf } from "./dimension-limit.js";

/** Of each combination that a limit counts by, as many of the meter's other dimensions, on average. */
const OTHERS_EACH = 10;

/**
 * How many combinations of all its dimensions a tenant's meter may have in a billing period. Of a meter that a limit of an assigned plan
 * counts by, at least as many as quota admits: a hard limit denies what would be one too many, before it is recorded.
 */
export function createLimits(
  tenancy: Pick<TenancyCopy, "tenant" | "plan" | "meter">,
  { maxDimensionValues, quotaMaxCombinations }: Pick<Config, "maxDimensionValues" | "quotaMaxCombinations">,
): LimitOf {
  const known = new WeakMap<TenantState, ReadonlyMap<string, number>>();

  /** By the meter's key. A published plan version never changes. */
  function limitsOf(tenant: TenantState): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const { planId, planVersion } of tenant.assignments)
      for (const { meter, by = [] } of planVersionOf(tenancy.plan(planId), planVersion)?.limits ?? []) {
        if (meter === null || by.length === 0) continue;
        const isAll = by.length === tenancy.meter(meter)?.dimensions.length;
        // Beside what was recorded before the assignment, which quota does not count.
        const most = maxDimensionValues + quotaMaxCombinations * (isAll ? 1 : OTHERS_EACH);
        found.set(meter, Math.max(found.get(meter) ?? maxDimensionValues, most));
      }
    return found;
  }

  return ({ tenantId, meter }) => {
    const tenant = tenancy.tenant(tenantId);
    if (tenant === undefined) return maxDimensionValues;
    const limits = known.get(tenant) ?? limitsOf(tenant);
    known.set(tenant, limits);
    return limits.get(meter.id) ?? maxDimensionValues;
  };
}
