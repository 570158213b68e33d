import type { IncomingHttpHeaders } from "node:http";
import { MetrlyError } from "#kernel/errors.js";
import type { Identity } from "#schema/policy.js";
import type { IdentityTokens } from "./identity.js";

/** Header of the signed internal identity on calls between rooms, and of operators' commands to a room. */
export const IDENTITY_HEADER = "x-metrly-identity";

/** `POST`: compares quota's totals and counters with the ledger, and repairs them; for operators. */
export const QUOTA_RECONCILE_PATH = "/internal/quota/reconcile";

/** `POST`: derives billing's tables again from the ledger and compares; for operators. */
export const BILLING_REBUILD_PATH = "/internal/billing/rebuild";

/** `GET`: the page of the job queues, for the gateway; and where the gateway shows it to platform admins. */
export const QUEUE_BOARD_INTERNAL_PATH = "/internal/queues";
export const QUEUE_BOARD_PATH = "/admin/queues";
export const QUEUE_BOARD_AUDIENCE = "queues";

/** Who calls a room's internal API. Throws UNAUTHENTICATED, or FORBIDDEN for whoever is not of this installation. */
export async function serviceIdentity(
  tokens: IdentityTokens,
  headers: IncomingHttpHeaders,
  audience: string,
): Promise<Identity> {
  const token = headers[IDENTITY_HEADER];
  const identity = await tokens.verify(typeof token === "string" ? token : undefined, audience);
  if (identity.kind !== "SERVICE") throw new MetrlyError("FORBIDDEN", "This is for rooms of this installation");
  return identity;
}

/** The same for what changes something: throws FORBIDDEN without PLATFORM_ADMIN. */
export async function operatorIdentity(
  tokens: IdentityTokens,
  headers: IncomingHttpHeaders,
  audience: string,
): Promise<Identity> {
  const identity = await serviceIdentity(tokens, headers, audience);
  if (!identity.roles.includes("PLATFORM_ADMIN")) throw new MetrlyError("FORBIDDEN", "This needs PLATFORM_ADMIN");
  return identity;
}
