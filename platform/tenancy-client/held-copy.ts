import { UnknownHere } from "./caught-up.js";
import type { TenancyCopy } from "./copy.js";
import type { TenancyLease } from "./lease.js";

/**
 * The copy for those who serve: it tells whose a key is only while the lease is held, also to a request that began before the
 * process was frozen. Otherwise it throws UNAVAILABLE.
 */
export function heldCopy(tenancy: TenancyCopy, lease: Pick<TenancyLease, "isHeld">): TenancyCopy {
  return {
    ...tenancy,
    apiKeyByHash(hash) {
      if (lease.isHeld()) return tenancy.apiKeyByHash(hash);
      const detail = "This process has yet to catch up with the changes of tenancy";
      throw new UnknownHere("UNAVAILABLE", detail, { retryAfterSeconds: 1 });
    },
  };
}
