import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { type Period, periodAt } from "#kernel/period.js";
import { tenantAppears } from "#platform/tenancy-client/await-tenant.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { firstPeriodStart } from "#schema/tenancy-history.js";

/** The tenant in this process's copy of tenancy, which may lag slightly. Throws NOT_FOUND. */
export async function knownTenant(tenancy: TenancyCopy, id: string): Promise<TenantState> {
  const tenant = await tenantAppears(tenancy, id);
  if (tenant === undefined) throw new MetrlyError("NOT_FOUND", "It does not exist");
  return tenant;
}

/** A tenant's own time: a test tenant's clock stands still until it is advanced. */
export const tenantNow = (tenant: TenantState, clock: Clock): number => tenant.testClock ?? clock.now();

/** The current period; before the first one, the first. */
export const runningPeriod = (tenant: TenantState, clock: Clock): Period =>
  periodAt(Math.max(tenantNow(tenant, clock), firstPeriodStart(tenant)), tenant.billingAnchorDay);

/** The tenant's period that starts at this moment. Throws INVALID when none does. */
export function periodStartingAt(tenant: TenantState, start: number): Period {
  const period = periodAt(start, tenant.billingAnchorDay);
  if (period.start !== start || start < firstPeriodStart(tenant)) {
    throw new MetrlyError("INVALID", "periodStart: no billing period of the tenant starts then");
  }
  return period;
}
