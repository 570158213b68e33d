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
    "\n  query TenantIds($first: Int!, $after: Cursor) { tenants(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }\n": typeof types.TenantIdsDocument,
    "\n  query ApiKeys($tenantId: ID!) {\n    tenant(id: $tenantId) { apiKeys { id name prefix scopes createdAt expiresAt lastUsedAt revokedAt } }\n  }\n": typeof types.ApiKeysDocument,
    "\n  mutation IssueApiKey($input: IssueApiKeyInput!) {\n    issueApiKey(input: $input) { secret apiKey { id name scopes expiresAt } }\n  }\n": typeof types.IssueApiKeyDocument,
    "\n  mutation RotateApiKey($id: ID!, $graceSeconds: Int!) {\n    rotateApiKey(id: $id, graceSeconds: $graceSeconds) { secret apiKey { id name scopes expiresAt } }\n  }\n": typeof types.RotateApiKeyDocument,
    "\n  mutation RevokeApiKey($id: ID!) { revokeApiKey(id: $id) { id revokedAt } }\n": typeof types.RevokeApiKeyDocument,
    "mutation DemoCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }": typeof types.DemoCreateMeterDocument,
    "mutation DemoCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id } }": typeof types.DemoCreatePlanDocument,
    "mutation DemoCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }": typeof types.DemoCreateTenantDocument,
    "\n  mutation DemoIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret } }\n": typeof types.DemoIssueKeyDocument,
    "\n  mutation DemoClosePeriod($tenantId: ID!, $periodStart: DateTime!) {\n    closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { status }\n  }\n": typeof types.DemoClosePeriodDocument,
    "\n  mutation DemoGrantCredits($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }\n": typeof types.DemoGrantCreditsDocument,
    "\n  query DemoFirstPeriods($tenantId: ID!) { tenant(id: $tenantId) { billingPeriods(first: 200) { nodes { start end status } } } }\n": typeof types.DemoFirstPeriodsDocument,
    "query DemoCatalog { meters { key } plans(first: 200) { nodes { id } } }": typeof types.DemoCatalogDocument,
    "query DemoTenant($id: ID!) { tenant(id: $id) { id } }": typeof types.DemoTenantDocument,
    "\n  query DemoInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes { id number total { amount currency } } } } }\n": typeof types.DemoInvoicesDocument,
    "\n  query DemoEndpoints($tenantId: ID!) { tenant(id: $tenantId) { webhookEndpoints { id url } } }\n": typeof types.DemoEndpointsDocument,
    "\n  mutation DemoCreateEndpoint($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }\n": typeof types.DemoCreateEndpointDocument,
    "\n  mutation DemoUpdateEndpoint($id: ID!, $input: UpdateWebhookEndpointInput!) { updateWebhookEndpoint(id: $id, input: $input) { id } }\n": typeof types.DemoUpdateEndpointDocument,
    "\n  mutation DemoTestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }\n": typeof types.DemoTestEndpointDocument,
    "\n  query DemoQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas { limit { meter window } used reserved } } }\n": typeof types.DemoQuotasDocument,
    "query WhoAsks { viewer { id roles } }": typeof types.WhoAsksDocument,
    "\n  query UnbilledTenants($after: Cursor) {\n    tenants(first: 50, after: $after) {\n      nodes {\n        id\n        accounting { unmetered }\n        upcomingInvoice { unpricedUsage { meter dimensions { value } quantity } }\n      }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n": typeof types.UnbilledTenantsDocument,
    "query UnmeteredOf($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }": typeof types.UnmeteredOfDocument,
    "\n  query Denial($tenantId: ID!, $key: String!) {\n    tenant(id: $tenantId) {\n      quotaDenial(idempotencyKey: $key) {\n        at meter amount usage { meter amount } reason explanation retryAt\n        limits { meter unit currency window kind limit dimensions { dimension value } where { dimension value } used reserved remaining resetAt denies }\n      }\n    }\n  }\n": typeof types.DenialDocument,
    "\n  query Meters { meters { key name eventType aggregation valueProperty dimensions unit } }\n": typeof types.MetersDocument,
    "\n  query Plans($first: Int!, $after: Cursor) {\n    plans(first: $first, after: $after) {\n      nodes { id name archived latest { version currency recurringFee } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n": typeof types.PlansDocument,
    "\n  query Credits($tenantId: ID!, $asOf: DateTime, $after: Cursor) {\n    tenant(id: $tenantId) {\n      credits(asOf: $asOf) {\n        currency granted drawn expired voided available asOf\n        grants(first: 200, after: $after) {\n          nodes { id amount drawn remaining priority status grantedAt expiresAt reason }\n          pageInfo { hasNextPage endCursor }\n        }\n      }\n    }\n  }\n": typeof types.CreditsDocument,
    "\n  mutation GrantCredits($input: GrantCreditsInput!) {\n    grantCredits(input: $input) { id tenantId amount currency drawn remaining priority status grantedAt expiresAt reason }\n  }\n": typeof types.GrantCreditsDocument,
    "\n  mutation VoidCredits($tenantId: ID!, $grantId: ID!, $reason: String!) {\n    voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) { id tenantId amount currency drawn remaining status }\n  }\n": typeof types.VoidCreditsDocument,
    "\n  query Event($tenantId: ID!, $source: String!, $id: String!) {\n    event(tenantId: $tenantId, source: $source, id: $id) {\n      id source type time receivedAt recordedAt status seq duplicates quarantineReason voidReason data\n    }\n    tenant(id: $tenantId) { id }\n  }\n": typeof types.EventDocument,
    "\n  query Invoices($tenantId: ID!, $first: Int!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      invoices(first: $first, after: $after) {\n        nodes { id number status period { start end } total { amount currency } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n": typeof types.InvoicesDocument,
    "\n  query Quotas($tenantId: ID!, $dimensions: [DimensionMatchInput!]) {\n    tenant(id: $tenantId) {\n      quotas(dimensions: $dimensions) {\n        limit { meter unit currency window kind limit by where { dimension value } }\n        dimensions { dimension value }\n        used reserved remaining resetAt state\n      }\n    }\n  }\n": typeof types.QuotasDocument,
    "\n  query Tenants($first: Int!, $after: Cursor) {\n    tenants(first: $first, after: $after) {\n      nodes { id name status testClock plan { version plan { id } } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n": typeof types.TenantsDocument,
    "\n  query Tenant($id: ID!) {\n    tenant(id: $id) {\n      id name status currency billingAnchorDay graceDays startsAt createdAt timeZone testClock plan { version plan { id } }\n    }\n  }\n": typeof types.TenantDocument,
    "\n  mutation CreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }\n": typeof types.CreateTenantDocument,
    "\n  query Usage($tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime) {\n    tenant(id: $tenantId) {\n      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart) {\n        meter from to quantity eventCount lastEventAt dimensions { dimension value }\n      }\n      days: usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: DAY) {\n        meter from quantity dimensions { dimension value }\n      }\n    }\n  }\n": typeof types.UsageDocument,
    "\n  query Buckets(\n    $tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime, $granularity: Granularity!\n  ) {\n    tenant(id: $tenantId) {\n      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: $granularity) {\n        meter from to quantity eventCount lastEventAt dimensions { dimension value }\n      }\n    }\n  }\n": typeof types.BucketsDocument,
    "\n  query Periods($tenantId: ID!, $first: Int!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      billingPeriods(first: $first, after: $after) { nodes { start end } pageInfo { hasNextPage endCursor } }\n    }\n  }\n": typeof types.PeriodsDocument,
    "\n  query InvoicePart($id: ID!, $part: Int!) {\n    invoice(id: $id) { status sha256 generatedAt documentPart(part: $part) }\n  }\n": typeof types.InvoicePartDocument,
    "\n  query Verify($id: ID!) { verifyInvoice(id: $id) { matches expectedSha256 checkedEvents differences } }\n": typeof types.VerifyDocument,
    "\n  subscription Alerts($tenantId: ID!, $after: Cursor) {\n    quotaAlerts(tenantId: $tenantId, after: $after) {\n      cursor tenantId kind meter unit currency window dimensions { dimension value } windowStart threshold thresholdKind limit used at\n    }\n  }\n": typeof types.AlertsDocument,
    "\n  query WatchedTenants($first: Int!) {\n    tenants(first: $first) { nodes { ...Watched } pageInfo { hasNextPage } }\n  }\n  fragment Watched on Tenant {\n    id status\n    accounting { accepted inFlight quarantined }\n    quotas { state used reserved limit { meter unit currency window kind limit } }\n  }\n": typeof types.WatchedTenantsDocument,
    "\n  query WatchedTenant($tenantId: ID!) { tenant(id: $tenantId) { ...Watched } }\n": typeof types.WatchedTenantDocument,
    "\n  query DeadLetters($tenantId: ID!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      webhookEndpoints {\n        id\n        deliveries(first: 200, after: $after, status: DEAD) {\n          nodes { id eventId eventType deadReason attempts { at responseStatus error } }\n          pageInfo { hasNextPage endCursor }\n        }\n      }\n    }\n  }\n": typeof types.DeadLettersDocument,
    "\n  query PlatformDeadLetters($after: Cursor) {\n    platformWebhookEndpoints {\n      id\n      deliveries(first: 200, after: $after, status: DEAD) {\n        nodes { id eventId eventType deadReason attempts { at responseStatus error } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n": typeof types.PlatformDeadLettersDocument,
    "\n  mutation Replay($id: ID!) { replayWebhookDelivery(id: $id) { id status } }\n": typeof types.ReplayDocument,
    "\n  mutation ReplayAll($endpointId: ID!) { replayDeadLetters(endpointId: $endpointId) }\n": typeof types.ReplayAllDocument,
    "\n  mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {\n    createWebhookEndpoint(input: $input) { endpoint { id } secret }\n  }\n": typeof types.CreateEndpointDocument,
    "\n  mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) }\n": typeof types.DeleteEndpointDocument,
    "\n  mutation TestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }\n": typeof types.TestEndpointDocument,
    "\n  mutation Listen($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } secret } }\n": typeof types.ListenDocument,
    "\n  mutation StopListening($id: ID!) { deleteWebhookEndpoint(id: $id) }\n": typeof types.StopListeningDocument,
    "\n  query EndpointList($tenantId: ID!) {\n    tenant(id: $tenantId) { webhookEndpoints { id url eventTypes status disabledReason } }\n  }\n": typeof types.EndpointListDocument,
    "\n  query PlatformEndpointList { platformWebhookEndpoints { id url eventTypes status disabledReason } }\n": typeof types.PlatformEndpointListDocument,
};
const documents: Documents = {
    "\n  query TenantIds($first: Int!, $after: Cursor) { tenants(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }\n": types.TenantIdsDocument,
    "\n  query ApiKeys($tenantId: ID!) {\n    tenant(id: $tenantId) { apiKeys { id name prefix scopes createdAt expiresAt lastUsedAt revokedAt } }\n  }\n": types.ApiKeysDocument,
    "\n  mutation IssueApiKey($input: IssueApiKeyInput!) {\n    issueApiKey(input: $input) { secret apiKey { id name scopes expiresAt } }\n  }\n": types.IssueApiKeyDocument,
    "\n  mutation RotateApiKey($id: ID!, $graceSeconds: Int!) {\n    rotateApiKey(id: $id, graceSeconds: $graceSeconds) { secret apiKey { id name scopes expiresAt } }\n  }\n": types.RotateApiKeyDocument,
    "\n  mutation RevokeApiKey($id: ID!) { revokeApiKey(id: $id) { id revokedAt } }\n": types.RevokeApiKeyDocument,
    "mutation DemoCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }": types.DemoCreateMeterDocument,
    "mutation DemoCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id } }": types.DemoCreatePlanDocument,
    "mutation DemoCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }": types.DemoCreateTenantDocument,
    "\n  mutation DemoIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret } }\n": types.DemoIssueKeyDocument,
    "\n  mutation DemoClosePeriod($tenantId: ID!, $periodStart: DateTime!) {\n    closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { status }\n  }\n": types.DemoClosePeriodDocument,
    "\n  mutation DemoGrantCredits($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }\n": types.DemoGrantCreditsDocument,
    "\n  query DemoFirstPeriods($tenantId: ID!) { tenant(id: $tenantId) { billingPeriods(first: 200) { nodes { start end status } } } }\n": types.DemoFirstPeriodsDocument,
    "query DemoCatalog { meters { key } plans(first: 200) { nodes { id } } }": types.DemoCatalogDocument,
    "query DemoTenant($id: ID!) { tenant(id: $id) { id } }": types.DemoTenantDocument,
    "\n  query DemoInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes { id number total { amount currency } } } } }\n": types.DemoInvoicesDocument,
    "\n  query DemoEndpoints($tenantId: ID!) { tenant(id: $tenantId) { webhookEndpoints { id url } } }\n": types.DemoEndpointsDocument,
    "\n  mutation DemoCreateEndpoint($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }\n": types.DemoCreateEndpointDocument,
    "\n  mutation DemoUpdateEndpoint($id: ID!, $input: UpdateWebhookEndpointInput!) { updateWebhookEndpoint(id: $id, input: $input) { id } }\n": types.DemoUpdateEndpointDocument,
    "\n  mutation DemoTestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }\n": types.DemoTestEndpointDocument,
    "\n  query DemoQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas { limit { meter window } used reserved } } }\n": types.DemoQuotasDocument,
    "query WhoAsks { viewer { id roles } }": types.WhoAsksDocument,
    "\n  query UnbilledTenants($after: Cursor) {\n    tenants(first: 50, after: $after) {\n      nodes {\n        id\n        accounting { unmetered }\n        upcomingInvoice { unpricedUsage { meter dimensions { value } quantity } }\n      }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n": types.UnbilledTenantsDocument,
    "query UnmeteredOf($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }": types.UnmeteredOfDocument,
    "\n  query Denial($tenantId: ID!, $key: String!) {\n    tenant(id: $tenantId) {\n      quotaDenial(idempotencyKey: $key) {\n        at meter amount usage { meter amount } reason explanation retryAt\n        limits { meter unit currency window kind limit dimensions { dimension value } where { dimension value } used reserved remaining resetAt denies }\n      }\n    }\n  }\n": types.DenialDocument,
    "\n  query Meters { meters { key name eventType aggregation valueProperty dimensions unit } }\n": types.MetersDocument,
    "\n  query Plans($first: Int!, $after: Cursor) {\n    plans(first: $first, after: $after) {\n      nodes { id name archived latest { version currency recurringFee } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n": types.PlansDocument,
    "\n  query Credits($tenantId: ID!, $asOf: DateTime, $after: Cursor) {\n    tenant(id: $tenantId) {\n      credits(asOf: $asOf) {\n        currency granted drawn expired voided available asOf\n        grants(first: 200, after: $after) {\n          nodes { id amount drawn remaining priority status grantedAt expiresAt reason }\n          pageInfo { hasNextPage endCursor }\n        }\n      }\n    }\n  }\n": types.CreditsDocument,
    "\n  mutation GrantCredits($input: GrantCreditsInput!) {\n    grantCredits(input: $input) { id tenantId amount currency drawn remaining priority status grantedAt expiresAt reason }\n  }\n": types.GrantCreditsDocument,
    "\n  mutation VoidCredits($tenantId: ID!, $grantId: ID!, $reason: String!) {\n    voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) { id tenantId amount currency drawn remaining status }\n  }\n": types.VoidCreditsDocument,
    "\n  query Event($tenantId: ID!, $source: String!, $id: String!) {\n    event(tenantId: $tenantId, source: $source, id: $id) {\n      id source type time receivedAt recordedAt status seq duplicates quarantineReason voidReason data\n    }\n    tenant(id: $tenantId) { id }\n  }\n": types.EventDocument,
    "\n  query Invoices($tenantId: ID!, $first: Int!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      invoices(first: $first, after: $after) {\n        nodes { id number status period { start end } total { amount currency } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n": types.InvoicesDocument,
    "\n  query Quotas($tenantId: ID!, $dimensions: [DimensionMatchInput!]) {\n    tenant(id: $tenantId) {\n      quotas(dimensions: $dimensions) {\n        limit { meter unit currency window kind limit by where { dimension value } }\n        dimensions { dimension value }\n        used reserved remaining resetAt state\n      }\n    }\n  }\n": types.QuotasDocument,
    "\n  query Tenants($first: Int!, $after: Cursor) {\n    tenants(first: $first, after: $after) {\n      nodes { id name status testClock plan { version plan { id } } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n": types.TenantsDocument,
    "\n  query Tenant($id: ID!) {\n    tenant(id: $id) {\n      id name status currency billingAnchorDay graceDays startsAt createdAt timeZone testClock plan { version plan { id } }\n    }\n  }\n": types.TenantDocument,
    "\n  mutation CreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }\n": types.CreateTenantDocument,
    "\n  query Usage($tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime) {\n    tenant(id: $tenantId) {\n      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart) {\n        meter from to quantity eventCount lastEventAt dimensions { dimension value }\n      }\n      days: usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: DAY) {\n        meter from quantity dimensions { dimension value }\n      }\n    }\n  }\n": types.UsageDocument,
    "\n  query Buckets(\n    $tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime, $granularity: Granularity!\n  ) {\n    tenant(id: $tenantId) {\n      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: $granularity) {\n        meter from to quantity eventCount lastEventAt dimensions { dimension value }\n      }\n    }\n  }\n": types.BucketsDocument,
    "\n  query Periods($tenantId: ID!, $first: Int!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      billingPeriods(first: $first, after: $after) { nodes { start end } pageInfo { hasNextPage endCursor } }\n    }\n  }\n": types.PeriodsDocument,
    "\n  query InvoicePart($id: ID!, $part: Int!) {\n    invoice(id: $id) { status sha256 generatedAt documentPart(part: $part) }\n  }\n": types.InvoicePartDocument,
    "\n  query Verify($id: ID!) { verifyInvoice(id: $id) { matches expectedSha256 checkedEvents differences } }\n": types.VerifyDocument,
    "\n  subscription Alerts($tenantId: ID!, $after: Cursor) {\n    quotaAlerts(tenantId: $tenantId, after: $after) {\n      cursor tenantId kind meter unit currency window dimensions { dimension value } windowStart threshold thresholdKind limit used at\n    }\n  }\n": types.AlertsDocument,
    "\n  query WatchedTenants($first: Int!) {\n    tenants(first: $first) { nodes { ...Watched } pageInfo { hasNextPage } }\n  }\n  fragment Watched on Tenant {\n    id status\n    accounting { accepted inFlight quarantined }\n    quotas { state used reserved limit { meter unit currency window kind limit } }\n  }\n": types.WatchedTenantsDocument,
    "\n  query WatchedTenant($tenantId: ID!) { tenant(id: $tenantId) { ...Watched } }\n": types.WatchedTenantDocument,
    "\n  query DeadLetters($tenantId: ID!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      webhookEndpoints {\n        id\n        deliveries(first: 200, after: $after, status: DEAD) {\n          nodes { id eventId eventType deadReason attempts { at responseStatus error } }\n          pageInfo { hasNextPage endCursor }\n        }\n      }\n    }\n  }\n": types.DeadLettersDocument,
    "\n  query PlatformDeadLetters($after: Cursor) {\n    platformWebhookEndpoints {\n      id\n      deliveries(first: 200, after: $after, status: DEAD) {\n        nodes { id eventId eventType deadReason attempts { at responseStatus error } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n": types.PlatformDeadLettersDocument,
    "\n  mutation Replay($id: ID!) { replayWebhookDelivery(id: $id) { id status } }\n": types.ReplayDocument,
    "\n  mutation ReplayAll($endpointId: ID!) { replayDeadLetters(endpointId: $endpointId) }\n": types.ReplayAllDocument,
    "\n  mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {\n    createWebhookEndpoint(input: $input) { endpoint { id } secret }\n  }\n": types.CreateEndpointDocument,
    "\n  mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) }\n": types.DeleteEndpointDocument,
    "\n  mutation TestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }\n": types.TestEndpointDocument,
    "\n  mutation Listen($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } secret } }\n": types.ListenDocument,
    "\n  mutation StopListening($id: ID!) { deleteWebhookEndpoint(id: $id) }\n": types.StopListeningDocument,
    "\n  query EndpointList($tenantId: ID!) {\n    tenant(id: $tenantId) { webhookEndpoints { id url eventTypes status disabledReason } }\n  }\n": types.EndpointListDocument,
    "\n  query PlatformEndpointList { platformWebhookEndpoints { id url eventTypes status disabledReason } }\n": types.PlatformEndpointListDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query TenantIds($first: Int!, $after: Cursor) { tenants(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }\n"): typeof import('./graphql.js').TenantIdsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ApiKeys($tenantId: ID!) {\n    tenant(id: $tenantId) { apiKeys { id name prefix scopes createdAt expiresAt lastUsedAt revokedAt } }\n  }\n"): typeof import('./graphql.js').ApiKeysDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation IssueApiKey($input: IssueApiKeyInput!) {\n    issueApiKey(input: $input) { secret apiKey { id name scopes expiresAt } }\n  }\n"): typeof import('./graphql.js').IssueApiKeyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RotateApiKey($id: ID!, $graceSeconds: Int!) {\n    rotateApiKey(id: $id, graceSeconds: $graceSeconds) { secret apiKey { id name scopes expiresAt } }\n  }\n"): typeof import('./graphql.js').RotateApiKeyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation RevokeApiKey($id: ID!) { revokeApiKey(id: $id) { id revokedAt } }\n"): typeof import('./graphql.js').RevokeApiKeyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation DemoCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }"): typeof import('./graphql.js').DemoCreateMeterDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation DemoCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id } }"): typeof import('./graphql.js').DemoCreatePlanDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "mutation DemoCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }"): typeof import('./graphql.js').DemoCreateTenantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DemoIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret } }\n"): typeof import('./graphql.js').DemoIssueKeyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DemoClosePeriod($tenantId: ID!, $periodStart: DateTime!) {\n    closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { status }\n  }\n"): typeof import('./graphql.js').DemoClosePeriodDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DemoGrantCredits($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }\n"): typeof import('./graphql.js').DemoGrantCreditsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query DemoFirstPeriods($tenantId: ID!) { tenant(id: $tenantId) { billingPeriods(first: 200) { nodes { start end status } } } }\n"): typeof import('./graphql.js').DemoFirstPeriodsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query DemoCatalog { meters { key } plans(first: 200) { nodes { id } } }"): typeof import('./graphql.js').DemoCatalogDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query DemoTenant($id: ID!) { tenant(id: $id) { id } }"): typeof import('./graphql.js').DemoTenantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query DemoInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes { id number total { amount currency } } } } }\n"): typeof import('./graphql.js').DemoInvoicesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query DemoEndpoints($tenantId: ID!) { tenant(id: $tenantId) { webhookEndpoints { id url } } }\n"): typeof import('./graphql.js').DemoEndpointsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DemoCreateEndpoint($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }\n"): typeof import('./graphql.js').DemoCreateEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DemoUpdateEndpoint($id: ID!, $input: UpdateWebhookEndpointInput!) { updateWebhookEndpoint(id: $id, input: $input) { id } }\n"): typeof import('./graphql.js').DemoUpdateEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DemoTestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }\n"): typeof import('./graphql.js').DemoTestEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query DemoQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas { limit { meter window } used reserved } } }\n"): typeof import('./graphql.js').DemoQuotasDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query WhoAsks { viewer { id roles } }"): typeof import('./graphql.js').WhoAsksDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query UnbilledTenants($after: Cursor) {\n    tenants(first: 50, after: $after) {\n      nodes {\n        id\n        accounting { unmetered }\n        upcomingInvoice { unpricedUsage { meter dimensions { value } quantity } }\n      }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n"): typeof import('./graphql.js').UnbilledTenantsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "query UnmeteredOf($tenantId: ID!) { unmeteredTypes(tenantId: $tenantId) { eventType count } }"): typeof import('./graphql.js').UnmeteredOfDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Denial($tenantId: ID!, $key: String!) {\n    tenant(id: $tenantId) {\n      quotaDenial(idempotencyKey: $key) {\n        at meter amount usage { meter amount } reason explanation retryAt\n        limits { meter unit currency window kind limit dimensions { dimension value } where { dimension value } used reserved remaining resetAt denies }\n      }\n    }\n  }\n"): typeof import('./graphql.js').DenialDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Meters { meters { key name eventType aggregation valueProperty dimensions unit } }\n"): typeof import('./graphql.js').MetersDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Plans($first: Int!, $after: Cursor) {\n    plans(first: $first, after: $after) {\n      nodes { id name archived latest { version currency recurringFee } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n"): typeof import('./graphql.js').PlansDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Credits($tenantId: ID!, $asOf: DateTime, $after: Cursor) {\n    tenant(id: $tenantId) {\n      credits(asOf: $asOf) {\n        currency granted drawn expired voided available asOf\n        grants(first: 200, after: $after) {\n          nodes { id amount drawn remaining priority status grantedAt expiresAt reason }\n          pageInfo { hasNextPage endCursor }\n        }\n      }\n    }\n  }\n"): typeof import('./graphql.js').CreditsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation GrantCredits($input: GrantCreditsInput!) {\n    grantCredits(input: $input) { id tenantId amount currency drawn remaining priority status grantedAt expiresAt reason }\n  }\n"): typeof import('./graphql.js').GrantCreditsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation VoidCredits($tenantId: ID!, $grantId: ID!, $reason: String!) {\n    voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) { id tenantId amount currency drawn remaining status }\n  }\n"): typeof import('./graphql.js').VoidCreditsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Event($tenantId: ID!, $source: String!, $id: String!) {\n    event(tenantId: $tenantId, source: $source, id: $id) {\n      id source type time receivedAt recordedAt status seq duplicates quarantineReason voidReason data\n    }\n    tenant(id: $tenantId) { id }\n  }\n"): typeof import('./graphql.js').EventDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Invoices($tenantId: ID!, $first: Int!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      invoices(first: $first, after: $after) {\n        nodes { id number status period { start end } total { amount currency } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n"): typeof import('./graphql.js').InvoicesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Quotas($tenantId: ID!, $dimensions: [DimensionMatchInput!]) {\n    tenant(id: $tenantId) {\n      quotas(dimensions: $dimensions) {\n        limit { meter unit currency window kind limit by where { dimension value } }\n        dimensions { dimension value }\n        used reserved remaining resetAt state\n      }\n    }\n  }\n"): typeof import('./graphql.js').QuotasDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Tenants($first: Int!, $after: Cursor) {\n    tenants(first: $first, after: $after) {\n      nodes { id name status testClock plan { version plan { id } } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n"): typeof import('./graphql.js').TenantsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Tenant($id: ID!) {\n    tenant(id: $id) {\n      id name status currency billingAnchorDay graceDays startsAt createdAt timeZone testClock plan { version plan { id } }\n    }\n  }\n"): typeof import('./graphql.js').TenantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id } }\n"): typeof import('./graphql.js').CreateTenantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Usage($tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime) {\n    tenant(id: $tenantId) {\n      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart) {\n        meter from to quantity eventCount lastEventAt dimensions { dimension value }\n      }\n      days: usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: DAY) {\n        meter from quantity dimensions { dimension value }\n      }\n    }\n  }\n"): typeof import('./graphql.js').UsageDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Buckets(\n    $tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime, $granularity: Granularity!\n  ) {\n    tenant(id: $tenantId) {\n      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: $granularity) {\n        meter from to quantity eventCount lastEventAt dimensions { dimension value }\n      }\n    }\n  }\n"): typeof import('./graphql.js').BucketsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Periods($tenantId: ID!, $first: Int!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      billingPeriods(first: $first, after: $after) { nodes { start end } pageInfo { hasNextPage endCursor } }\n    }\n  }\n"): typeof import('./graphql.js').PeriodsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query InvoicePart($id: ID!, $part: Int!) {\n    invoice(id: $id) { status sha256 generatedAt documentPart(part: $part) }\n  }\n"): typeof import('./graphql.js').InvoicePartDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Verify($id: ID!) { verifyInvoice(id: $id) { matches expectedSha256 checkedEvents differences } }\n"): typeof import('./graphql.js').VerifyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Alerts($tenantId: ID!, $after: Cursor) {\n    quotaAlerts(tenantId: $tenantId, after: $after) {\n      cursor tenantId kind meter unit currency window dimensions { dimension value } windowStart threshold thresholdKind limit used at\n    }\n  }\n"): typeof import('./graphql.js').AlertsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query WatchedTenants($first: Int!) {\n    tenants(first: $first) { nodes { ...Watched } pageInfo { hasNextPage } }\n  }\n  fragment Watched on Tenant {\n    id status\n    accounting { accepted inFlight quarantined }\n    quotas { state used reserved limit { meter unit currency window kind limit } }\n  }\n"): typeof import('./graphql.js').WatchedTenantsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query WatchedTenant($tenantId: ID!) { tenant(id: $tenantId) { ...Watched } }\n"): typeof import('./graphql.js').WatchedTenantDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query DeadLetters($tenantId: ID!, $after: Cursor) {\n    tenant(id: $tenantId) {\n      webhookEndpoints {\n        id\n        deliveries(first: 200, after: $after, status: DEAD) {\n          nodes { id eventId eventType deadReason attempts { at responseStatus error } }\n          pageInfo { hasNextPage endCursor }\n        }\n      }\n    }\n  }\n"): typeof import('./graphql.js').DeadLettersDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query PlatformDeadLetters($after: Cursor) {\n    platformWebhookEndpoints {\n      id\n      deliveries(first: 200, after: $after, status: DEAD) {\n        nodes { id eventId eventType deadReason attempts { at responseStatus error } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n"): typeof import('./graphql.js').PlatformDeadLettersDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Replay($id: ID!) { replayWebhookDelivery(id: $id) { id status } }\n"): typeof import('./graphql.js').ReplayDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation ReplayAll($endpointId: ID!) { replayDeadLetters(endpointId: $endpointId) }\n"): typeof import('./graphql.js').ReplayAllDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {\n    createWebhookEndpoint(input: $input) { endpoint { id } secret }\n  }\n"): typeof import('./graphql.js').CreateEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation DeleteEndpoint($id: ID!) { deleteWebhookEndpoint(id: $id) }\n"): typeof import('./graphql.js').DeleteEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation TestEndpoint($id: ID!) { sendTestWebhook(endpointId: $id) { id } }\n"): typeof import('./graphql.js').TestEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Listen($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } secret } }\n"): typeof import('./graphql.js').ListenDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation StopListening($id: ID!) { deleteWebhookEndpoint(id: $id) }\n"): typeof import('./graphql.js').StopListeningDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query EndpointList($tenantId: ID!) {\n    tenant(id: $tenantId) { webhookEndpoints { id url eventTypes status disabledReason } }\n  }\n"): typeof import('./graphql.js').EndpointListDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query PlatformEndpointList { platformWebhookEndpoints { id url eventTypes status disabledReason } }\n"): typeof import('./graphql.js').PlatformEndpointListDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
