/** The operations that set the demo up; everything goes through the public interface, as any client would. */

export const CREATE_METER = /* GraphQL */ `mutation ($input: CreateMeterInput!) { createMeter(input: $input) { key } }`;
export const CREATE_PLAN = /* GraphQL */ `mutation ($input: CreatePlanInput!) { createPlan(input: $input) { id } }`;
export const CREATE_TENANT = /* GraphQL */ `mutation ($input: CreateTenantInput!) { createTenant(input: $input) { id } }`;
export const ISSUE_KEY = /* GraphQL */ `
  mutation ($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret } }
`;
export const CLOSE_PERIOD = /* GraphQL */ `
  mutation ($tenantId: ID!, $periodStart: DateTime!) {
    closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { status }
  }
`;
export const FIRST_PERIODS = /* GraphQL */ `
  query ($tenantId: ID!) { tenant(id: $tenantId) { billingPeriods(first: 200) { nodes { start end status } } } }
`;
export const INVOICES = /* GraphQL */ `
  query ($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes { id number total { amount currency } } } } }
`;
export const ENDPOINTS = /* GraphQL */ `
  query ($tenantId: ID!) { tenant(id: $tenantId) { webhookEndpoints { id url } } }
`;
export const CREATE_ENDPOINT = /* GraphQL */ `
  mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }
`;
export const UPDATE_ENDPOINT = /* GraphQL */ `
  mutation ($id: ID!, $input: UpdateWebhookEndpointInput!) { updateWebhookEndpoint(id: $id, input: $input) { id } }
`;
