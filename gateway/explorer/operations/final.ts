import { type SavedOperation, saved } from "./operation.js";

/** No other operation takes them back: their variables name no tenant, so that none is hit by accident. */
export const FINAL: readonly SavedOperation[] = [
  saved(
    "Close a period",
    "Close the earliest period that has ended: its invoice never changes again",
    `
    mutation CloseBillingPeriod($tenantId: ID!, $periodStart: DateTime!) {
      closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { start end status }
    }`,
    { tenantId: "a tenant's id", periodStart: "2026-01-01T00:00:00Z" },
  ),
  saved(
    "Void an event",
    "Void a recorded event: it counts no more, and issued invoices get an adjustment",
    `
    mutation VoidEvent($tenantId: ID!, $source: String!, $id: String!, $reason: String!) {
      voidEvent(tenantId: $tenantId, source: $source, id: $id, reason: $reason) { id status voidReason }
    }`,
    { tenantId: "a tenant's id", source: "the event's source", id: "the event's id", reason: "Sent by mistake" },
  ),
  saved(
    "Void credits",
    "Take back what a grant of prepaid credits has left; what usage has drawn stays drawn",
    `
    mutation VoidCredits($tenantId: ID!, $grantId: ID!, $reason: String!) {
      voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) { id status amount drawn remaining }
    }`,
    { tenantId: "a tenant's id", grantId: "the grant's id", reason: "Paid back" },
  ),
  saved(
    "Revoke an API key",
    "Revoke an API key: it is refused everywhere at once",
    `
    mutation RevokeApiKey($id: ID!) {
      revokeApiKey(id: $id) { id name revokedAt }
    }`,
    { id: "a key's id" },
  ),
  saved(
    "Close a tenant",
    "Close a tenant: its keys are refused, and no period begins any more",
    `
    mutation CloseTenant($id: ID!) {
      closeTenant(id: $id) { id name status }
    }`,
    { id: "a tenant's id" },
  ),
];
