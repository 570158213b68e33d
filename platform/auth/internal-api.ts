import type { IncomingHttpHeaders } from "node:http";
import { MetrlyError } from "#kernel/errors.js";
import type { Identity } from "#schema/policy.js";
import type { IdentityTokens } from "./identity.js";

/** Header of the signed internal identity on calls between services, and of operators' commands. */
export const IDENTITY_HEADER = "x-metrly-identity";

/** `POST`: compares quota's totals and counters with the ledger, and repairs them; for operators. */
export const QUOTA_RECONCILE_PATH = "/internal/quota/reconcile";

/** `POST`: rebuilds billing's tables from the ledger and compares; for operators. */
export const BILLING_REBUILD_PATH = "/internal/billing/rebuild";

/** `GET`: the job queue dashboard, for the gateway; and where the gateway shows it to platform admins. */
export const QUEUE_BOARD_INTERNAL_PATH = "/internal/queues";
export const QUEUE_BOARD_PATH = "/admin/queues";
export const QUEUE_BOARD_AUDIENCE = "queues";

/** The caller of a service's internal API. Throws UNAUTHENTICATED, or FORBIDDEN for a caller outside this installation. */
export async function serviceIdentity(
  tokens: IdentityTokens,
  headers: IncomingHttpHeaders,
  audience: string,
): Promise<Identity> {
  const token = headers[IDENTITY_HEADER];
  const identity = await tokens.verify(typeof token === "string" ? token : undefined, audience);
  if (identity.kind !== "SERVICE") throw new MetrlyError("FORBIDDEN", "Only services of this installation may do this");
  return identity;
}

/** The same for changes: throws FORBIDDEN without PLATFORM_ADMIN. */
export async function operatorIdentity(
  tokens: IdentityTokens,
  headers: IncomingHttpHeaders,
  audience: string,
): Promise<Identity> {
  const identity = await serviceIdentity(tokens, headers, audience);
  if (!identity.roles.includes("PLATFORM_ADMIN")) throw new MetrlyError("FORBIDDEN", "This needs PLATFORM_ADMIN");
  return identity;
}
