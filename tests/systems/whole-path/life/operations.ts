/** The operations of a random life, with everything that the judge reads of their answers. */
export const CREATE_METER = "mutation ($input: CreateMeterInput!) { createMeter(input: $input) { key } }";
export const CREATE_PLAN = "mutation ($input: CreatePlanInput!) { createPlan(input: $input) { id } }";
export const CREATE_TENANT = "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { id } }";
export const CREATE_ENDPOINT =
  "mutation ($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { endpoint { id } } }";
export const ISSUE_KEY = "mutation ($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret } }";
export const PUBLISH =
  "mutation ($planId: ID!, $input: PlanVersionInput!) { publishPlanVersion(planId: $planId, input: $input) { version } }";
export const CHANGE_PLAN = `mutation ($tenantId: ID!, $planId: ID!, $version: Int) {
  changePlan(tenantId: $tenantId, planId: $planId, version: $version) { effectiveFrom plan { id } } }`;
export const CANCEL = "mutation ($tenantId: ID!) { cancelPlanChange(tenantId: $tenantId) { id } }";
export const SUSPEND = `mutation ($id: ID!, $reason: String!, $billing: SuspensionBilling) {
  suspendTenant(id: $id, reason: $reason, billing: $billing) { status } }`;
export const RESUME = "mutation ($id: ID!) { resumeTenant(id: $id) { status } }";
export const OVERRIDE = `mutation ($tenantId: ID!, $meter: String, $window: QuotaWindow!, $limit: Decimal!, $until: DateTime!, $reason: String!) {
  setQuotaOverride(tenantId: $tenantId, meter: $meter, window: $window, limit: $limit, until: $until, reason: $reason) { used } }`;
export const ADVANCE = `mutation ($tenantId: ID!, $to: DateTime!) {
  advanceTestClock(tenantId: $tenantId, to: $to) { testClock testClockStatus } }`;
export const CLOSE = `mutation ($tenantId: ID!, $periodStart: DateTime!) {
  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { status } }`;
export const VOID = `mutation ($tenantId: ID!, $source: String!, $id: String!, $reason: String!) {
  voidEvent(tenantId: $tenantId, source: $source, id: $id, reason: $reason) { status } }`;

export const GRANT = "mutation ($input: GrantCreditsInput!) { grantCredits(input: $input) { id } }";
export const VOID_CREDITS = `mutation ($tenantId: ID!, $grantId: ID!, $reason: String!) {
  voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) { status } }`;

export const CREDITS =
  "query ($tenantId: ID!) { tenant(id: $tenantId) { credits { granted drawn expired voided available reserved } } }";
export const CLOCK = "query ($tenantId: ID!) { tenant(id: $tenantId) { testClock testClockStatus } }";
export const ACCOUNTING = `query ($tenantId: ID!) { tenant(id: $tenantId) {
  accounting { accepted counted duplicates unmetered quarantined inFlight } } }`;
export const TOTALS = `query ($tenantId: ID!, $periodStart: DateTime, $granularity: Granularity, $groupBy: [String!]) {
  tenant(id: $tenantId) { usageTotals(periodStart: $periodStart, granularity: $granularity, groupBy: $groupBy) {
    meter quantity from to dimensions { dimension value } } } }`;
export const PERIODS =
  "query ($tenantId: ID!) { tenant(id: $tenantId) { billingPeriods { nodes { start end status watermark } } } }";
export const INVOICES = `query ($tenantId: ID!) { tenant(id: $tenantId) { invoices(first: 20) { nodes {
  id number document sha256 total { amount currency } period { start end status }
  lines { kind meter quantity amount { amount } dimensions { dimension value } plan { id }
    grantId
    arithmetic { quantity unitAmount flatAmount amount } adjusts { periodStart quantityBefore quantityAfter } }
  unpricedUsage { meter quantity reason eventCount dimensions { dimension value } } } } } }`;
export const QUOTAS = `query ($tenantId: ID!) { tenant(id: $tenantId) { quotas {
  limit { meter unit window kind limit by where { dimension value } } dimensions { dimension value } used reserved remaining state } } }`;
export const ALERTS = `query ($tenantId: ID!) { tenant(id: $tenantId) { alerts(first: 200) { nodes {
  id kind meter unit window windowStart threshold limit used sequence where { dimension value } dimensions { dimension value } } } } }`;
export const DELIVERIES = `query ($tenantId: ID!) { tenant(id: $tenantId) { webhookEndpoints {
  deliveries(first: 200) { nodes { eventType status deadReason payload } } } } }`;
