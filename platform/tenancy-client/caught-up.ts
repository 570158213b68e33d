import { MetrlyError } from "#kernel/errors.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { TenancyCopy } from "./copy.js";

/** A refusal of what this process's copy of tenancy does not know: final only if the copy has caught up since the request came. */
export class UnknownHere extends MetrlyError {}

/**
 * What `look` returns. If that rests on something unknown to the copy (`look` throws `UnknownHere`), the copy catches up and
 * `look` runs once more, whose result is final. Rejects with a 503 when the copy cannot catch up.
 */
export async function onceCaughtUp<T>(tenancy: Pick<TenancyCopy, "caughtUp">, look: () => T | Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof UnknownHere)) throw error;
  }
  await tenancy.caughtUp();
  return look();
}

/** The tenant; undefined: it does not exist. Rejects with a 503 when that cannot be told. */
export async function tenantOrNone(
  tenancy: Pick<TenancyCopy, "tenant" | "caughtUp">,
  id: string,
): Promise<TenantState | undefined> {
  const known = tenancy.tenant(id);
  if (known !== undefined) return known;
  await tenancy.caughtUp();
  return tenancy.tenant(id);
}

/** The same. Throws NOT_FOUND when there is none. */
export async function knownTenant(tenancy: Pick<TenancyCopy, "tenant" | "caughtUp">, id: string): Promise<TenantState> {
  const tenant = await tenantOrNone(tenancy, id);
  if (tenant === undefined) throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
  return tenant;
}
