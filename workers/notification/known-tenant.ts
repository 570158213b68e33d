import { MetrlyError } from "#kernel/errors.js";
import type { TenancyCopy } from "#platform/tenancy-copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";

/** How far behind a copy of tenancy may be before a tenant counts as unknown, ms. */
const GRACE_MS = 2_000;

/**
 * The tenant, waiting a moment for one that was only just created and has not reached this copy of tenancy. Throws
 * NOT_FOUND.
 */
export async function requireTenant(tenancy: TenancyCopy, id: string, graceMs = GRACE_MS): Promise<TenantState> {
  const known = tenancy.tenant(id) ?? (await appearance(tenancy, id, graceMs));
  if (known === undefined) throw new MetrlyError("NOT_FOUND", "There is no such tenant");
  return known;
}

function appearance(tenancy: TenancyCopy, id: string, graceMs: number): Promise<TenantState | undefined> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      unlisten();
      resolve(tenancy.tenant(id));
    };
    const timer = setTimeout(finish, graceMs);
    const unlisten = tenancy.onChange((change) => {
      if (change.kind === "tenant" && change.id === id) finish();
    });
  });
}
