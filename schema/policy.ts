import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { MetrlyError, noSuch } from "#kernel/errors.js";
import { oneOf } from "./events/contract.js";
import { API_KEY_SCOPES, type ApiKeyScope, IDENTITY_KINDS, ROLES, type Role } from "./vocabulary.js";

/** The authenticated caller. `tenantId` null: not bound to one tenant (platform). */
const IdentitySchema = Type.Object({
  kind: oneOf(IDENTITY_KINDS),
  id: Type.String(),
  tenantId: Type.Union([Type.String(), Type.Null()]),
  roles: Type.Array(oneOf(ROLES)),
  scopes: Type.Array(oneOf(API_KEY_SCOPES)),
});
export type Identity = Static<typeof IdentitySchema>;

export function parseIdentity(value: unknown): Identity {
  return Value.Parse(IdentitySchema, value);
}

/** The role that an operation requires. A tenant-bound identity only reaches its own tenant. */
type Need = "AUTHENTICATED" | Role;

/** The authorization table. Fields of the returned types need no further authorization. */
export const POLICY = {
  "Query.viewer": "AUTHENTICATED",
  "Query.tenant": "TENANT_VIEWER",
  "Query.tenants": "PLATFORM_ADMIN",
  "Query.meters": "TENANT_VIEWER",
  "Query.plan": "TENANT_VIEWER",
  "Query.plans": "TENANT_VIEWER",
  "Query.invoice": "TENANT_VIEWER",
  "Query.event": "TENANT_VIEWER",
  "Query.verifyInvoice": "TENANT_VIEWER",
  "Query.quarantinedEvents": "TENANT_VIEWER",
  "Query.unmeteredTypes": "TENANT_VIEWER",
  "Query.platformWebhookEndpoints": "PLATFORM_ADMIN",
  "Query.auditLog": "TENANT_ADMIN",
  "Query.previewPlan": "TENANT_VIEWER",
  "Mutation.createTenant": "PLATFORM_ADMIN",
  "Mutation.updateTenant": "PLATFORM_ADMIN",
  "Mutation.suspendTenant": "PLATFORM_ADMIN",
  "Mutation.resumeTenant": "PLATFORM_ADMIN",
  "Mutation.closeTenant": "PLATFORM_ADMIN",
  "Mutation.issueApiKey": "TENANT_ADMIN",
  "Mutation.rotateApiKey": "TENANT_ADMIN",
  "Mutation.revokeApiKey": "TENANT_ADMIN",
  "Mutation.createMeter": "PLATFORM_ADMIN",
  "Mutation.createPlan": "PLATFORM_ADMIN",
  "Mutation.publishPlanVersion": "PLATFORM_ADMIN",
  "Mutation.changePlan": "PLATFORM_ADMIN",
  "Mutation.cancelPlanChange": "PLATFORM_ADMIN",
  "Mutation.setQuotaOverride": "PLATFORM_ADMIN",
  "Mutation.closeBillingPeriod": "PLATFORM_ADMIN",
  "Mutation.grantCredits": "PLATFORM_ADMIN",
  "Mutation.voidCredits": "PLATFORM_ADMIN",
  "Mutation.voidEvent": "PLATFORM_ADMIN",
  "Mutation.resolveQuarantined": "PLATFORM_ADMIN",
  "Mutation.archivePlan": "PLATFORM_ADMIN",
  "Mutation.archiveMeter": "PLATFORM_ADMIN",
  "Mutation.unarchiveMeter": "PLATFORM_ADMIN",
  "Mutation.advanceTestClock": "PLATFORM_ADMIN",
  "Mutation.createWebhookEndpoint": "TENANT_ADMIN",
  "Mutation.updateWebhookEndpoint": "TENANT_ADMIN",
  "Mutation.deleteWebhookEndpoint": "TENANT_ADMIN",
  "Mutation.rotateWebhookSecret": "TENANT_ADMIN",
  "Mutation.sendTestWebhook": "TENANT_ADMIN",
  "Mutation.replayWebhookDelivery": "TENANT_ADMIN",
  "Mutation.replayDeadLetters": "TENANT_ADMIN",
  "Subscription.quotaAlerts": "TENANT_VIEWER",
  "Subscription.invoiceGenerated": "TENANT_VIEWER",
  "Tenant.apiKeys": "TENANT_ADMIN",
  "Tenant.webhookEndpoints": "TENANT_ADMIN",
} as const satisfies Readonly<Record<string, Need>>;
export type Operation = keyof typeof POLICY;

const RANK: Readonly<Record<Need, number>> = { AUTHENTICATED: 0, TENANT_VIEWER: 1, TENANT_ADMIN: 2, PLATFORM_ADMIN: 3 };

/**
 * Authorizes or throws: FORBIDDEN when the role is insufficient, for any target; NOT_FOUND when the target belongs to another
 * tenant, exactly as if it did not exist: `hidden` is the error of a missing target that is not the tenant itself.
 */
export function authorize(identity: Identity, operation: Operation, tenantId?: string, hidden?: MetrlyError): void {
  assertRole(identity, operation);
  if (tenantId !== undefined && !reaches(identity, tenantId)) throw hidden ?? noSuch("tenant", tenantId);
}

/** For nullable fields: whether this tenant is visible to the caller. Throws FORBIDDEN like `authorize`. */
export function maySee(identity: Identity, operation: Operation, tenantId: string): boolean {
  assertRole(identity, operation);
  return reaches(identity, tenantId);
}

const NEEDS: ReadonlyMap<string, Need> = new Map(Object.entries<Need>(POLICY));

/** Whether the caller's role suffices for a field, for some target. True for a field that needs no role. */
export function mayCall(identity: Identity, field: string): boolean {
  const need = NEEDS.get(field);
  return need === undefined || rankOf(identity) >= RANK[need];
}

function assertRole(identity: Identity, operation: Operation): void {
  const need: Need = POLICY[operation];
  if (rankOf(identity) < RANK[need]) throw new MetrlyError("FORBIDDEN", `${operation} needs ${need}`);
}

const rankOf = ({ roles }: Identity): number => Math.max(0, ...roles.map((role) => RANK[role]));

function reaches(identity: Identity, tenantId: string): boolean {
  return identity.tenantId === null || identity.tenantId === tenantId;
}

/** The roles of an API key's scopes. A key with only INGEST or QUOTA has no role in the graph. */
export function rolesOfKey(tenantId: string | null, scopes: readonly ApiKeyScope[]): Role[] {
  if (scopes.includes("ADMIN")) return [tenantId === null ? "PLATFORM_ADMIN" : "TENANT_ADMIN"];
  return scopes.includes("READ") ? ["TENANT_VIEWER"] : [];
}
