import { HOUR_MS } from "#kernel/duration.js";
import type { Operation } from "#schema/policy.js";
import { type Maker, periodStart, SOURCE, type Things } from "./world.js";

export interface PolicyOperation {
  readonly document: string;
  readonly variables: (things: Things) => Record<string, unknown>;
  /** Whether it concerns one tenant, named by the variables; otherwise all permitted callers get the same result. */
  readonly ofTenant: boolean;
  /** The operation that one must be let through first. */
  readonly through?: Operation;
  /** Creates what a permitted call consumes. */
  readonly fresh?: (make: Maker, tenantId: string) => Promise<Partial<Things>>;
  /** Error codes that only a permitted caller can get here. */
  readonly admittedCodes?: readonly string[];
}

const byId = (document: string, variables: PolicyOperation["variables"], more: Partial<PolicyOperation> = {}) => ({
  document,
  variables,
  ofTenant: true,
  ...more,
});
const common = (document: string, variables: PolicyOperation["variables"] = () => ({}), more = {}) => ({
  document,
  variables,
  ofTenant: false,
  ...more,
});
const tenant = ({ tenantId }: Things) => ({ tenantId });
const endpoint = ({ endpointId }: Things) => ({ endpointId });
const event = (id: (things: Things) => string) => (things: Things) => ({
  tenantId: things.tenantId,
  source: SOURCE,
  id: id(things),
});
const freshTenant = async (make: Maker) => ({ tenantId: await make.tenant(make.newId()) });
const freshKey = async (make: Maker, tenantId: string) => ({
  keyId: (await make.key({ tenantId, scopes: ["ADMIN"] })).id,
});
const EVENT_VARIABLES = "$tenantId: ID!, $source: String!, $id: String!";
const EVENT_ARGUMENTS = "tenantId: $tenantId, source: $source, id: $id";
/** Not a cursor: a permitted caller gets an error, and nothing needs to happen. */
const NO_CURSOR = "!";

/** Every operation of the policy with minimal input. The type ensures completeness. */
export const OPERATIONS: Readonly<Record<Operation, PolicyOperation>> = {
  "Query.viewer": common("{ viewer { id roles } }"),
  "Query.tenant": byId("query ($tenantId: ID!) { tenant(id: $tenantId) { id name } }", tenant),
  "Query.tenants": common("{ tenants(first: 1) { nodes { id } } }"),
  "Query.meters": common("{ meters { key } }"),
  "Query.plan": common("query ($planId: ID!) { plan(id: $planId) { id } }", ({ planId }) => ({ planId })),
  "Query.plans": common("{ plans(first: 1) { nodes { id } } }"),
  "Query.invoice": byId("query ($id: ID!) { invoice(id: $id) { id total { amount } } }", ({ invoiceId }) => ({
    id: invoiceId,
  })),
  "Query.event": byId(
    `query (${EVENT_VARIABLES}) { event(${EVENT_ARGUMENTS}) { id status } }`,
    event(({ eventId }) => eventId),
  ),
  "Query.verifyInvoice": byId("query ($id: ID!) { verifyInvoice(id: $id) { matches } }", ({ invoiceId }) => ({
    id: invoiceId,
  })),
  "Query.quarantinedEvents": byId(
    "query ($tenantId: ID!) { quarantinedEvents(tenantId: $tenantId) { nodes { id } } }",
    tenant,
  ),
  "Query.unmeteredTypes": byId("query ($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType } }", tenant),
  "Query.platformWebhookEndpoints": common("{ platformWebhookEndpoints { id } }"),
  "Query.auditLog": byId("query ($tenantId: ID!) { auditLog(tenantId: $tenantId) { nodes { action } } }", tenant),
  "Query.previewPlan": byId(
    "query ($tenantId: ID!, $planId: ID!, $periodStart: DateTime!) { previewPlan(tenantId: $tenantId, planId: $planId, periodStart: $periodStart) { currency } }",
    ({ tenantId, planId }) => ({ tenantId, planId, periodStart: periodStart() }),
  ),
  "Mutation.createTenant": common(
    'mutation ($id: ID!) { createTenant(input: { id: $id, name: "Policy" }) { id } }',
    ({ newId }) => ({ id: newId }),
    { fresh: async (make: Maker) => ({ newId: make.newId() }) },
  ),
  "Mutation.updateTenant": byId(
    'mutation ($tenantId: ID!) { updateTenant(id: $tenantId, input: { name: "Renamed" }) { id } }',
    tenant,
    { fresh: freshTenant },
  ),
  "Mutation.suspendTenant": byId(
    'mutation ($tenantId: ID!) { suspendTenant(id: $tenantId, reason: "policy") { id } }',
    tenant,
    { fresh: freshTenant },
  ),
  "Mutation.resumeTenant": byId("mutation ($tenantId: ID!) { resumeTenant(id: $tenantId) { id } }", tenant, {
    fresh: freshTenant,
    admittedCodes: ["CONFLICT"],
  }),
  "Mutation.closeTenant": byId("mutation ($tenantId: ID!) { closeTenant(id: $tenantId) { id } }", tenant, {
    fresh: freshTenant,
  }),
  "Mutation.issueApiKey": byId(
    'mutation ($tenantId: ID!) { issueApiKey(input: { tenantId: $tenantId, name: "policy", scopes: [ADMIN] }) { secret } }',
    tenant,
  ),
  "Mutation.rotateApiKey": byId(
    "mutation ($id: ID!) { rotateApiKey(id: $id) { secret } }",
    ({ keyId }) => ({ id: keyId }),
    { fresh: freshKey },
  ),
  "Mutation.revokeApiKey": byId(
    "mutation ($id: ID!) { revokeApiKey(id: $id) { id } }",
    ({ keyId }) => ({ id: keyId }),
    { fresh: freshKey },
  ),
  "Mutation.createMeter": common(
    'mutation ($key: String!) { createMeter(input: { key: $key, name: "Policy", eventType: $key, aggregation: COUNT }) { key } }',
    ({ newId }) => ({ key: newId }),
    { fresh: async (make: Maker) => ({ newId: make.newId() }) },
  ),
  "Mutation.createPlan": common(
    'mutation ($id: ID!) { createPlan(input: { id: $id, name: "Policy", version: { currency: "EUR", prices: [] } }) { id } }',
    ({ newId }) => ({ id: newId }),
    { fresh: async (make: Maker) => ({ newId: make.newId() }) },
  ),
  "Mutation.publishPlanVersion": common(
    'mutation ($planId: ID!) { publishPlanVersion(planId: $planId, input: { currency: "EUR", prices: [] }) { version } }',
    ({ planId }) => ({ planId }),
  ),
  "Mutation.changePlan": byId(
    "mutation ($tenantId: ID!, $planId: ID!) { changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom } }",
    ({ tenantId, planId }) => ({ tenantId, planId }),
    { fresh: freshTenant },
  ),
  "Mutation.cancelPlanChange": byId(
    "mutation ($tenantId: ID!) { cancelPlanChange(tenantId: $tenantId) { id } }",
    tenant,
    { fresh: freshTenant, admittedCodes: ["CONFLICT"] },
  ),
  "Mutation.setQuotaOverride": byId(
    'mutation ($tenantId: ID!, $until: DateTime!) { setQuotaOverride(tenantId: $tenantId, window: HOUR, limit: "1", until: $until, reason: "policy") { state } }',
    ({ tenantId }) => ({ tenantId, until: new Date(Date.now() + HOUR_MS).toISOString() }),
    { admittedCodes: ["CONFLICT", "INVALID"] },
  ),
  "Mutation.closeBillingPeriod": byId(
    "mutation ($tenantId: ID!, $periodStart: DateTime!) { closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { status } }",
    ({ tenantId }) => ({ tenantId, periodStart: periodStart() }),
    { admittedCodes: ["CONFLICT"] },
  ),
  "Mutation.grantCredits": byId(
    "mutation ($input: GrantCreditsInput!) { grantCredits(input: $input) { id amount } }",
    ({ tenantId, newId }) => ({ input: { tenantId, id: newId, amount: "1", reason: "policy" } }),
  ),
  "Mutation.voidCredits": byId(
    'mutation ($tenantId: ID!, $grantId: ID!) { voidCredits(tenantId: $tenantId, grantId: $grantId, reason: "policy") { id } }',
    ({ tenantId, grantId }) => ({ tenantId, grantId }),
    { fresh: async (make, tenantId) => ({ grantId: await make.grant(tenantId) }) },
  ),
  "Mutation.voidEvent": byId(
    `mutation (${EVENT_VARIABLES}) { voidEvent(${EVENT_ARGUMENTS}, reason: "policy") { id } }`,
    event(({ eventId }) => eventId),
    { fresh: async (make, tenantId) => ({ eventId: await make.event(tenantId) }) },
  ),
  "Mutation.resolveQuarantined": byId(
    `mutation (${EVENT_VARIABLES}) { resolveQuarantined(${EVENT_ARGUMENTS}, accept: false, reason: "policy") { id } }`,
    event(({ quarantinedId }) => quarantinedId),
    { fresh: async (make, tenantId) => ({ quarantinedId: await make.quarantined(tenantId) }) },
  ),
  "Mutation.archivePlan": common(
    "mutation ($planId: ID!) { archivePlan(id: $planId) { id } }",
    ({ planId }) => ({ planId }),
    { fresh: async (make: Maker) => ({ planId: await make.plan(make.newId(), await make.meter(make.newId())) }) },
  ),
  "Mutation.archiveMeter": common(
    "mutation ($key: String!) { archiveMeter(key: $key) { key } }",
    ({ meterKey }) => ({ key: meterKey }),
    { fresh: async (make: Maker) => ({ meterKey: await make.meter(make.newId()) }) },
  ),
  "Mutation.unarchiveMeter": common(
    "mutation ($key: String!) { unarchiveMeter(key: $key) { key } }",
    ({ meterKey }) => ({ key: meterKey }),
    { fresh: async (make: Maker) => ({ meterKey: await make.archivedMeter(make.newId()) }) },
  ),
  "Mutation.advanceTestClock": byId(
    "mutation ($tenantId: ID!, $to: DateTime!) { advanceTestClock(tenantId: $tenantId, to: $to) { id } }",
    ({ tenantId }) => ({ tenantId, to: new Date(Date.now() + HOUR_MS).toISOString() }),
    { admittedCodes: ["CONFLICT", "INVALID"] },
  ),
  "Mutation.createWebhookEndpoint": byId(
    'mutation ($tenantId: ID!) { createWebhookEndpoint(input: { tenantId: $tenantId, url: "https://metrly.invalid/", eventTypes: ["invoice.generated"] }) { secret } }',
    tenant,
  ),
  "Mutation.updateWebhookEndpoint": byId(
    "mutation ($endpointId: ID!) { updateWebhookEndpoint(id: $endpointId, input: { status: ENABLED }) { id } }",
    endpoint,
  ),
  "Mutation.deleteWebhookEndpoint": byId(
    "mutation ($endpointId: ID!) { deleteWebhookEndpoint(id: $endpointId) }",
    endpoint,
    { fresh: async (make, tenantId) => ({ endpointId: await make.endpoint(tenantId) }) },
  ),
  "Mutation.rotateWebhookSecret": byId(
    "mutation ($endpointId: ID!) { rotateWebhookSecret(id: $endpointId) { secret } }",
    endpoint,
  ),
  "Mutation.sendTestWebhook": byId(
    "mutation ($endpointId: ID!) { sendTestWebhook(endpointId: $endpointId) { id } }",
    endpoint,
  ),
  "Mutation.replayWebhookDelivery": byId(
    "mutation ($id: ID!) { replayWebhookDelivery(id: $id) { id } }",
    ({ deliveryId }) => ({ id: deliveryId }),
    { admittedCodes: ["CONFLICT"] },
  ),
  "Mutation.replayDeadLetters": byId(
    "mutation ($endpointId: ID!) { replayDeadLetters(endpointId: $endpointId) }",
    endpoint,
  ),
  "Subscription.quotaAlerts": byId(
    "subscription ($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) { id } }",
    ({ tenantId }) => ({ tenantId, after: NO_CURSOR }),
    { admittedCodes: ["INVALID"] },
  ),
  "Subscription.invoiceGenerated": byId(
    "subscription ($tenantId: ID!, $after: Cursor) { invoiceGenerated(tenantId: $tenantId, after: $after) { invoice { id } } }",
    ({ tenantId }) => ({ tenantId, after: NO_CURSOR }),
    { admittedCodes: ["INVALID"] },
  ),
  "Tenant.apiKeys": byId("query ($tenantId: ID!) { tenant(id: $tenantId) { apiKeys { id } } }", tenant, {
    through: "Query.tenant",
  }),
  "Tenant.webhookEndpoints": byId(
    "query ($tenantId: ID!) { tenant(id: $tenantId) { webhookEndpoints { id } } }",
    tenant,
    { through: "Query.tenant" },
  ),
};
