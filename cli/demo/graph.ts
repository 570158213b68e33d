import { graphql } from "../graphql/index.js";
/** The operations that set up the demo, through the public interface only. */

export const CREATE_METER = graphql(
  `mutation DemoCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }`,
);
export const CREATE_PLAN = graphql(
  `mutation DemoCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id } }`,
);
export const CREATE_TENANT = graphql(
  `mutation DemoCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }`,
);
export const ISSUE_KEY = graphql(`
  mutation DemoIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret } }
`);
export const CLOSE_PERIOD = graphql(`
  mutation DemoClosePeriod($tenantId: ID!, $periodStart: DateTime!) {
    closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { status }
  }
`);
export const GRANT_CREDITS = graphql(`
  mutation DemoGrantCredits($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }
`);
export const FIRST_PERIODS = graphql(`
  query DemoFirstPeriods($tenantId: ID!) { tenant(id: $tenantId) { billingPeriods(first: 200) { nodes { start end status } } } }
`);
export const CATALOG = graphql(`query DemoCatalog { meters { key } plans(first: 200) { nodes { id } } }`);
export const TENANT = graphql(`query DemoTenant($id: ID!) { tenant(id: $id) { id } }`);
export const INVOICES = graphql(`
  query DemoInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes { id number total { amount currency } } } } }
`);
export const ENDPOINTS = graphql(`
  query DemoEndpoints($tenantId: ID!) { tenant(id: $tenantId) { webhookEndpoints { id url } } }
`);
export const CREATE_ENDPOINT = graphql(`
  mutation DemoCreateEndpoint($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }
`);
export const UPDATE_ENDPOINT = graphql(`
  mutation DemoUpdateEndpoint($id: ID!, $input: UpdateWebhookEndpointInput!) { updateWebhookEndpoint(id: $id, input: $input) { id } }
`);
export const TEST_ENDPOINT = graphql(`
  mutation DemoTestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }
`);
export const QUOTAS = graphql(`
  query DemoQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas { limit { meter window } used reserved } } }
`);
