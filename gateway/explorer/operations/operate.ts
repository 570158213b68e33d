import { CHOSEN_TENANT, type SavedOperation, saved } from "./operation.js";

/** What an operator does now and then; another operation takes it back, or it ends by itself. */
export const OPERATE: readonly SavedOperation[] = [
  saved(
    "Change a plan",
    "Change a tenant's plan from the next period on: cancelPlanChange takes it back until then",
    `
    mutation ChangePlan($tenantId: ID!, $planId: ID!) {
      changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom plan { version plan { name } } }
    }`,
    { tenantId: CHOSEN_TENANT, planId: "studio" },
  ),
  saved(
    "Grant credits",
    "Grant prepaid credits, which pay for usage from now on: voidCredits takes back what is left",
    `
    mutation GrantCredits($input: GrantCreditsInput!) {
      grantCredits(input: $input) { id status amount currency remaining expiresAt }
    }`,
    { input: { tenantId: CHOSEN_TENANT, id: "order-1042", amount: "25", reason: "Paid by card" } },
  ),
  saved(
    "Override a limit",
    "Override a tenant's limit for a limited time",
    `
    mutation SetQuotaOverride($tenantId: ID!, $meter: String, $window: QuotaWindow!, $limit: Decimal!, $until: DateTime!, $reason: String!) {
      setQuotaOverride(tenantId: $tenantId, meter: $meter, window: $window, limit: $limit, until: $until, reason: $reason) {
        limit { meter window kind limit } used reserved remaining resetAt state
      }
    }`,
    {
      tenantId: CHOSEN_TENANT,
      meter: "api_calls",
      window: "HOUR",
      limit: "5000",
      until: "2030-01-01T00:00:00Z",
      reason: "A launch",
    },
  ),
  saved(
    "Replay dead letters",
    "Deliver an endpoint's dead letters again",
    `
    mutation ReplayDeadLetters($endpointId: ID!) {
      replayDeadLetters(endpointId: $endpointId)
    }`,
    { endpointId: "an id from the webhook deliveries" },
  ),
];
