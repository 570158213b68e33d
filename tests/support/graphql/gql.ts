/* eslint-disable */
import * as types from './graphql.js';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  query EndToEndTotal($tenantId: ID!) { tenant(id: $tenantId) { usageTotals(meter: \"probes\") { quantity } } }\n": typeof types.EndToEndTotalDocument,
    "query KillsGraph { meters { key } tenant(id: \"tenant-0\") { alerts(first: 1) { nodes { id } } } }": typeof types.KillsGraphDocument,
    "query SoakGraph { tenant(id: \"tenant-0\") { usageTotals { meter quantity } quotas { used remaining } } }": typeof types.SoakGraphDocument,
    "query SdkLastUse($id: ID!) { tenant(id: $id) { apiKeys { lastUsedAt } } }": typeof types.SdkLastUseDocument,
    "mutation WebhooksCreate($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }": typeof types.WebhooksCreateDocument,
    "mutation WebhooksTest($id: ID!) { sendTestWebhook(endpointId: $id) { id } }": typeof types.WebhooksTestDocument,
    "\n  mutation WebhooksEnable($id: ID!) { updateWebhookEndpoint(id: $id, input: { status: ENABLED }) { id } }\n": typeof types.WebhooksEnableDocument,
    "query WebhooksEndpoints($id: ID!) { tenant(id: $id) { webhookEndpoints { id url } } }": typeof types.WebhooksEndpointsDocument,
    "query ReceiverDeliveries($tenantId: ID!, $after: Cursor) { tenant(id: $tenantId) {\n  alerts(first: 200) { nodes { id } }\n  invoices(first: 200) { nodes { id } }\n  webhookEndpoints { deliveries(first: 200, after: $after) { nodes { eventId eventType status } pageInfo { hasNextPage } } } } }": typeof types.ReceiverDeliveriesDocument,
    "\n  query DemoShows {\n    acme: tenant(id: \"acme\") { ...Shown }\n    globex: tenant(id: \"globex\") { ...Shown }\n    initech: tenant(id: \"initech\") { ...Shown }\n  }\n  fragment Shown on Tenant {\n    quotas { limit { kind limit } used reserved state }\n    alerts(first: 5) { nodes { id } }\n    webhookEndpoints { deliveries(first: 20) { nodes { status attempts { at } } } }\n  }\n": typeof types.DemoShowsDocument,
    "\n  query PolicyAudit($after: Cursor) {\n    auditLog(first: 200, after: $after) { nodes { action actor target } pageInfo { hasNextPage endCursor } }\n  }\n": typeof types.PolicyAuditDocument,
    "\n  query PolicyEvent($t: ID!, $s: String!, $i: String!) {\n    event(tenantId: $t, source: $s, id: $i) { status }\n    quarantinedEvents(tenantId: $t, first: 200) { nodes { id status } }\n  }\n": typeof types.PolicyEventDocument,
    "mutation ArchivePolicyMeter($key: String!) { archiveMeter(key: $key) { key } }": typeof types.ArchivePolicyMeterDocument,
    "\n  mutation PolicyTestDelivery($endpointId: ID!) { sendTestWebhook(endpointId: $endpointId) { id } }\n": typeof types.PolicyTestDeliveryDocument,
    "mutation PolicyGrant($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }": typeof types.PolicyGrantDocument,
    "query BackfillUnmetered($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }": typeof types.BackfillUnmeteredDocument,
    "mutation TestClockAdvance($tenantId: ID!, $to: DateTime!) {\n  advanceTestClock(tenantId: $tenantId, to: $to) { testClock testClockStatus } }": typeof types.TestClockAdvanceDocument,
    "query TestClockClock($tenantId: ID!) { tenant(id: $tenantId) { testClock testClockStatus } }": typeof types.TestClockClockDocument,
    "query TestClockInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices(first: 50) { nodes {\n  id total { amount } period { start } lines { kind quantity amount { amount } } } } } }": typeof types.TestClockInvoicesDocument,
    "query TestClockQuota($tenantId: ID!) { tenant(id: $tenantId) { quotas { used windowStart resetAt } } }": typeof types.TestClockQuotaDocument,
    "mutation WorldCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }": typeof types.WorldCreateMeterDocument,
    "mutation WorldCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id latest { version } } }": typeof types.WorldCreatePlanDocument,
    "mutation WorldCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id status plan { version } } }": typeof types.WorldCreateTenantDocument,
    "mutation WorldIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret apiKey { id prefix scopes } } }": typeof types.WorldIssueKeyDocument,
    "mutation WorldClosePeriod($tenantId: ID!, $periodStart: DateTime!) {\n  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { start end status } }": typeof types.WorldClosePeriodDocument,
    "query WorldAccounting($tenantId: ID!) { tenant(id: $tenantId) {\n  accounting { accepted counted duplicates unmetered quarantined inFlight } } }": typeof types.WorldAccountingDocument,
    "query WorldUsage($tenantId: ID!, $periodStart: DateTime) { tenant(id: $tenantId) {\n  usageTotals(periodStart: $periodStart) { meter quantity eventCount } } }": typeof types.WorldUsageDocument,
    "query WorldInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes {\n  id number status currency sha256 document total { amount currency } period { start end status }\n  lines { kind meter quantity amount { amount } arithmetic { quantity unitAmount flatAmount amount } plan { version plan { id } } }\n} } } }": typeof types.WorldInvoicesDocument,
    "query WorldVerify($id: ID!) { verifyInvoice(id: $id) { matches checkedEvents differences } }": typeof types.WorldVerifyDocument,
    "query WorldUpcoming($tenantId: ID!) { tenant(id: $tenantId) { upcomingInvoice { total { amount } lines {\n  kind meter quantity amount { amount } adjusts { invoice { id } periodStart quantityBefore quantityAfter } } } } }": typeof types.WorldUpcomingDocument,
    "query WorldQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas {\n  limit { meter window kind limit } used reserved remaining state } } }": typeof types.WorldQuotasDocument,
    "mutation WorldChangePlan($tenantId: ID!, $planId: ID!) {\n  changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom plan { plan { id } } } }": typeof types.WorldChangePlanDocument,
    "query WorldTenantPlan($tenantId: ID!) { tenant(id: $tenantId) {\n  plan { plan { id } } assignments { effectiveFrom effectiveTo plan { plan { id } } } } }": typeof types.WorldTenantPlanDocument,
    "mutation WorldCreateEndpoint($input: CreateWebhookEndpointInput!) {\n  createWebhookEndpoint(input: $input) { secret endpoint { id status } } }": typeof types.WorldCreateEndpointDocument,
    "query WorldLastAlert($tenantId: ID!) { tenant(id: $tenantId) {\n  alerts(first: 200) { pageInfo { endCursor } } } }": typeof types.WorldLastAlertDocument,
    "subscription WorldAlerts($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) {\n  id cursor tenantId kind meter window threshold limit used tenant { name } } }": typeof types.WorldAlertsDocument,
};
const documents: Documents = {
    "\n  query EndToEndTotal($tenantId: ID!) { tenant(id: $tenantId) { usageTotals(meter: \"probes\") { quantity } } }\n": types.EndToEndTotalDocument,
    "query KillsGraph { meters { key } tenant(id: \"tenant-0\") { alerts(first: 1) { nodes { id } } } }": types.KillsGraphDocument,
    "query SoakGraph { tenant(id: \"tenant-0\") { usageTotals { meter quantity } quotas { used remaining } } }": types.SoakGraphDocument,
    "query SdkLastUse($id: ID!) { tenant(id: $id) { apiKeys { lastUsedAt } } }": types.SdkLastUseDocument,
    "mutation WebhooksCreate($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }": types.WebhooksCreateDocument,
    "mutation WebhooksTest($id: ID!) { sendTestWebhook(endpointId: $id) { id } }": types.WebhooksTestDocument,
    "\n  mutation WebhooksEnable($id: ID!) { updateWebhookEndpoint(id: $id, input: { status: ENABLED }) { id } }\n": types.WebhooksEnableDocument,
    "query WebhooksEndpoints($id: ID!) { tenant(id: $id) { webhookEndpoints { id url } } }": types.WebhooksEndpointsDocument,
    "query ReceiverDeliveries($tenantId: ID!, $after: Cursor) { tenant(id: $tenantId) {\n  alerts(first: 200) { nodes { id } }\n  invoices(first: 200) { nodes { id } }\n  webhookEndpoints { deliveries(first: 200, after: $after) { nodes { eventId eventType status } pageInfo { hasNextPage } } } } }": types.ReceiverDeliveriesDocument,
    "\n  query DemoShows {\n    acme: tenant(id: \"acme\") { ...Shown }\n    globex: tenant(id: \"globex\") { ...Shown }\n    initech: tenant(id: \"initech\") { ...Shown }\n  }\n  fragment Shown on Tenant {\n    quotas { limit { kind limit } used reserved state }\n    alerts(first: 5) { nodes { id } }\n    webhookEndpoints { deliveries(first: 20) { nodes { status attempts { at } } } }\n  }\n": types.DemoShowsDocument,
    "\n  query PolicyAudit($after: Cursor) {\n    auditLog(first: 200, after: $after) { nodes { action actor target } pageInfo { hasNextPage endCursor } }\n  }\n": types.PolicyAuditDocument,
    "\n  query PolicyEvent($t: ID!, $s: String!, $i: String!) {\n    event(tenantId: $t, source: $s, id: $i) { status }\n    quarantinedEvents(tenantId: $t, first: 200) { nodes { id status } }\n  }\n": types.PolicyEventDocument,
    "mutation ArchivePolicyMeter($key: String!) { archiveMeter(key: $key) { key } }": types.ArchivePolicyMeterDocument,
    "\n  mutation PolicyTestDelivery($endpointId: ID!) { sendTestWebhook(endpointId: $endpointId) { id } }\n": types.PolicyTestDeliveryDocument,
    "mutation PolicyGrant($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }": types.PolicyGrantDocument,
    "query BackfillUnmetered($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }": types.BackfillUnmeteredDocument,
    "mutation TestClockAdvance($tenantId: ID!, $to: DateTime!) {\n  advanceTestClock(tenantId: $tenantId, to: $to) { testClock testClockStatus } }": types.TestClockAdvanceDocument,
    "query TestClockClock($tenantId: ID!) { tenant(id: $tenantId) { testClock testClockStatus } }": types.TestClockClockDocument,
    "query TestClockInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices(first: 50) { nodes {\n  id total { amount } period { start } lines { kind quantity amount { amount } } } } } }": types.TestClockInvoicesDocument,
    "query TestClockQuota($tenantId: ID!) { tenant(id: $tenantId) { quotas { used windowStart resetAt } } }": types.TestClockQuotaDocument,
    "mutation WorldCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }": types.WorldCreateMeterDocument,
    "mutation WorldCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id latest { version } } }": types.WorldCreatePlanDocument,
    "mutation WorldCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id status plan { version } } }": types.WorldCreateTenantDocument,
    "mutation WorldIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret apiKey { id prefix scopes } } }": types.WorldIssueKeyDocument,
    "mutation WorldClosePeriod($tenantId: ID!, $periodStart: DateTime!) {\n  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { start end status } }": types.WorldClosePeriodDocument,
    "query WorldAccounting($tenantId: ID!) { tenant(id: $tenantId) {\n  accounting { accepted counted duplicates unmetered quarantined inFlight } } }": types.WorldAccountingDocument,
    "query WorldUsage($tenantId: ID!, $periodStart: DateTime) { tenant(id: $tenantId) {\n  usageTotals(periodStart: $periodStart) { meter quantity eventCount } } }": types.WorldUsageDocument,
    "query WorldInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes {\n  id number status currency sha256 document total { amount currency } period { start end status }\n  lines { kind meter quantity amount { amount } arithmetic { quantity unitAmount flatAmount amount } plan { version plan { id } } }\n} } } }": types.WorldInvoicesDocument,
    "query WorldVerify($id: ID!) { verifyInvoice(id: $id) { matches checkedEvents differences } }": types.WorldVerifyDocument,
    "query WorldUpcoming($tenantId: ID!) { tenant(id: $tenantId) { upcomingInvoice { total { amount } lines {\n  kind meter quantity amount { amount } adjusts { invoice { id } periodStart quantityBefore quantityAfter } } } } }": types.WorldUpcomingDocument,
    "query WorldQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas {\n  limit { meter window kind limit } used reserved remaining state } } }": types.WorldQuotasDocument,
    "mutation WorldChangePlan($tenantId: ID!, $planId: ID!) {\n  changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom plan { plan { id } } } }": types.WorldChangePlanDocument,
    "query WorldTenantPlan($tenantId: ID!) { tenant(id: $tenantId) {\n  plan { plan { id } } assignments { effectiveFrom effectiveTo plan { plan { id } } } } }": types.WorldTenantPlanDocument,
    "mutation WorldCreateEndpoint($input: CreateWebhookEndpointInput!) {\n  createWebhookEndpoint(input: $input) { secret endpoint { id status } } }": types.WorldCreateEndpointDocument,
    "query WorldLastAlert($tenantId: ID!) { tenant(id: $tenantId) {\n  alerts(first: 200) { pageInfo { endCursor } } } }": types.WorldLastAlertDocument,
    "subscription WorldAlerts($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) {\n  id cursor tenantId kind meter window threshold limit used tenant { name } } }": types.WorldAlertsDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query EndToEndTotal($tenantId: ID!) { tenant(id: $tenantId) { usageTotals(meter: \"probes\") { quantity } } }\n"): typeof import('./graphql.js').EndToEndTotalDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query KillsGraph { meters { key } tenant(id: \"tenant-0\") { alerts(first: 1) { nodes { id } } } }"): typeof import('./graphql.js').KillsGraphDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query SoakGraph { tenant(id: \"tenant-0\") { usageTotals { meter quantity } quotas { used remaining } } }"): typeof import('./graphql.js').SoakGraphDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query SdkLastUse($id: ID!) { tenant(id: $id) { apiKeys { lastUsedAt } } }"): typeof import('./graphql.js').SdkLastUseDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WebhooksCreate($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }"): typeof import('./graphql.js').WebhooksCreateDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WebhooksTest($id: ID!) { sendTestWebhook(endpointId: $id) { id } }"): typeof import('./graphql.js').WebhooksTestDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation WebhooksEnable($id: ID!) { updateWebhookEndpoint(id: $id, input: { status: ENABLED }) { id } }\n"): typeof import('./graphql.js').WebhooksEnableDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WebhooksEndpoints($id: ID!) { tenant(id: $id) { webhookEndpoints { id url } } }"): typeof import('./graphql.js').WebhooksEndpointsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query ReceiverDeliveries($tenantId: ID!, $after: Cursor) { tenant(id: $tenantId) {\n  alerts(first: 200) { nodes { id } }\n  invoices(first: 200) { nodes { id } }\n  webhookEndpoints { deliveries(first: 200, after: $after) { nodes { eventId eventType status } pageInfo { hasNextPage } } } } }"): typeof import('./graphql.js').ReceiverDeliveriesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query DemoShows {\n    acme: tenant(id: \"acme\") { ...Shown }\n    globex: tenant(id: \"globex\") { ...Shown }\n    initech: tenant(id: \"initech\") { ...Shown }\n  }\n  fragment Shown on Tenant {\n    quotas { limit { kind limit } used reserved state }\n    alerts(first: 5) { nodes { id } }\n    webhookEndpoints { deliveries(first: 20) { nodes { status attempts { at } } } }\n  }\n"): typeof import('./graphql.js').DemoShowsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query PolicyAudit($after: Cursor) {\n    auditLog(first: 200, after: $after) { nodes { action actor target } pageInfo { hasNextPage endCursor } }\n  }\n"): typeof import('./graphql.js').PolicyAuditDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query PolicyEvent($t: ID!, $s: String!, $i: String!) {\n    event(tenantId: $t, source: $s, id: $i) { status }\n    quarantinedEvents(tenantId: $t, first: 200) { nodes { id status } }\n  }\n"): typeof import('./graphql.js').PolicyEventDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation ArchivePolicyMeter($key: String!) { archiveMeter(key: $key) { key } }"): typeof import('./graphql.js').ArchivePolicyMeterDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation PolicyTestDelivery($endpointId: ID!) { sendTestWebhook(endpointId: $endpointId) { id } }\n"): typeof import('./graphql.js').PolicyTestDeliveryDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation PolicyGrant($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }"): typeof import('./graphql.js').PolicyGrantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query BackfillUnmetered($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }"): typeof import('./graphql.js').BackfillUnmeteredDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation TestClockAdvance($tenantId: ID!, $to: DateTime!) {\n  advanceTestClock(tenantId: $tenantId, to: $to) { testClock testClockStatus } }"): typeof import('./graphql.js').TestClockAdvanceDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TestClockClock($tenantId: ID!) { tenant(id: $tenantId) { testClock testClockStatus } }"): typeof import('./graphql.js').TestClockClockDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TestClockInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices(first: 50) { nodes {\n  id total { amount } period { start } lines { kind quantity amount { amount } } } } } }"): typeof import('./graphql.js').TestClockInvoicesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query TestClockQuota($tenantId: ID!) { tenant(id: $tenantId) { quotas { used windowStart resetAt } } }"): typeof import('./graphql.js').TestClockQuotaDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WorldCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }"): typeof import('./graphql.js').WorldCreateMeterDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WorldCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id latest { version } } }"): typeof import('./graphql.js').WorldCreatePlanDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WorldCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id status plan { version } } }"): typeof import('./graphql.js').WorldCreateTenantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WorldIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret apiKey { id prefix scopes } } }"): typeof import('./graphql.js').WorldIssueKeyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WorldClosePeriod($tenantId: ID!, $periodStart: DateTime!) {\n  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { start end status } }"): typeof import('./graphql.js').WorldClosePeriodDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldAccounting($tenantId: ID!) { tenant(id: $tenantId) {\n  accounting { accepted counted duplicates unmetered quarantined inFlight } } }"): typeof import('./graphql.js').WorldAccountingDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldUsage($tenantId: ID!, $periodStart: DateTime) { tenant(id: $tenantId) {\n  usageTotals(periodStart: $periodStart) { meter quantity eventCount } } }"): typeof import('./graphql.js').WorldUsageDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes {\n  id number status currency sha256 document total { amount currency } period { start end status }\n  lines { kind meter quantity amount { amount } arithmetic { quantity unitAmount flatAmount amount } plan { version plan { id } } }\n} } } }"): typeof import('./graphql.js').WorldInvoicesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldVerify($id: ID!) { verifyInvoice(id: $id) { matches checkedEvents differences } }"): typeof import('./graphql.js').WorldVerifyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldUpcoming($tenantId: ID!) { tenant(id: $tenantId) { upcomingInvoice { total { amount } lines {\n  kind meter quantity amount { amount } adjusts { invoice { id } periodStart quantityBefore quantityAfter } } } } }"): typeof import('./graphql.js').WorldUpcomingDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas {\n  limit { meter window kind limit } used reserved remaining state } } }"): typeof import('./graphql.js').WorldQuotasDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WorldChangePlan($tenantId: ID!, $planId: ID!) {\n  changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom plan { plan { id } } } }"): typeof import('./graphql.js').WorldChangePlanDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldTenantPlan($tenantId: ID!) { tenant(id: $tenantId) {\n  plan { plan { id } } assignments { effectiveFrom effectiveTo plan { plan { id } } } } }"): typeof import('./graphql.js').WorldTenantPlanDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation WorldCreateEndpoint($input: CreateWebhookEndpointInput!) {\n  createWebhookEndpoint(input: $input) { secret endpoint { id status } } }"): typeof import('./graphql.js').WorldCreateEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WorldLastAlert($tenantId: ID!) { tenant(id: $tenantId) {\n  alerts(first: 200) { pageInfo { endCursor } } } }"): typeof import('./graphql.js').WorldLastAlertDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "subscription WorldAlerts($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) {\n  id cursor tenantId kind meter window threshold limit used tenant { name } } }"): typeof import('./graphql.js').WorldAlertsDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
