import { MetrlyError } from "#kernel/errors.js";
import { tenantAppears } from "#platform/tenancy-client/await-tenant.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";

/** The tenant; waits briefly for one just created that has not reached this copy of tenancy. Throws NOT_FOUND. */
export async function requireTenant(tenancy: TenancyCopy, id: string, graceMs?: number): Promise<TenantState> {
  const known = await tenantAppears(tenancy, id, graceMs);
  if (known === undefined) throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
  return known;
}
