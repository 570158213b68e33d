import { MetrlyError } from "#kernel/errors.js";
import { after } from "#platform/lifecycle/time.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { TenancyCopy } from "./copy.js";

/** How long a copy of tenancy may lag before a tenant counts as unknown, ms. */
const APPEARS_WITHIN_MS = 2_000;

/**
 * The tenant in this process's copy of tenancy; waits for one created a moment ago, which its creation's own response may
 * request here. Undefined: it does not exist.
 */
export async function tenantAppears(
  tenancy: Pick<TenancyCopy, "tenant" | "onChange">,
  id: string,
  withinMs = APPEARS_WITHIN_MS,
): Promise<TenantState | undefined> {
  return tenancy.tenant(id) ?? (await appearance(tenancy, id, withinMs));
}

/** The same. Throws NOT_FOUND when there is none. */
export async function knownTenant(tenancy: Pick<TenancyCopy, "tenant" | "onChange">, id: string): Promise<TenantState> {
  const tenant = await tenantAppears(tenancy, id);
  if (tenant === undefined) throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
  return tenant;
}

function appearance(
  tenancy: Pick<TenancyCopy, "tenant" | "onChange">,
  id: string,
  withinMs: number,
): Promise<TenantState | undefined> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      unsubscribe();
      resolve(tenancy.tenant(id));
    };
    const timer = after(withinMs, done);
    const unsubscribe = tenancy.onChange((change) => {
      if (change.kind === "tenant" && change.id === id) done();
    });
  });
}
