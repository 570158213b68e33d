import { DAY_MS } from "#kernel/duration.js";
import { ask, type Present } from "../../support/client.js";
import type { WorldAccountingQuery, WorldInvoicesQuery } from "../../support/graphql/graphql.js";
import { graphql } from "../../support/graphql/index.js";

/** The operations of the story, as a client of the public contract writes them. */
export const CREATE_METER = graphql(
  `mutation WorldCreateMeter($input: CreateMeterInput!) { createMeter(input: $input) { key } }`,
);
export const CREATE_PLAN = graphql(
  `mutation WorldCreatePlan($input: CreatePlanInput!) { createPlan(input: $input) { id latest { version } } }`,
);
export const CREATE_TENANT = graphql(
  `mutation WorldCreateTenant($input: CreateTenantInput!) { createTenant(input: $input) { id status plan { version } } }`,
);
export const ISSUE_KEY = graphql(
  `mutation WorldIssueKey($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret apiKey { id prefix scopes } } }`,
);
export const CLOSE_PERIOD = graphql(`mutation WorldClosePeriod($tenantId: ID!, $periodStart: DateTime!) {
  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { start end status } }`);
export const ACCOUNTING = graphql(`query WorldAccounting($tenantId: ID!) { tenant(id: $tenantId) {
  accounting { accepted counted duplicates unmetered quarantined inFlight } } }`);
export const USAGE = graphql(`query WorldUsage($tenantId: ID!, $periodStart: DateTime) { tenant(id: $tenantId) {
  usageTotals(periodStart: $periodStart) { meter quantity eventCount } } }`);
export const INVOICES = graphql(`query WorldInvoices($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes {
  id number status currency sha256 document total { amount currency } period { start end status }
  lines { kind meter quantity amount { amount } arithmetic { quantity unitAmount flatAmount amount } plan { version plan { id } } }
} } } }`);
export const VERIFY = graphql(
  `query WorldVerify($id: ID!) { verifyInvoice(id: $id) { matches checkedEvents differences } }`,
);
export const UPCOMING =
  graphql(`query WorldUpcoming($tenantId: ID!) { tenant(id: $tenantId) { upcomingInvoice { total { amount } lines {
  kind meter quantity amount { amount } adjusts { invoice { id } periodStart quantityBefore quantityAfter } } } } }`);
export const QUOTAS = graphql(`query WorldQuotas($tenantId: ID!) { tenant(id: $tenantId) { quotas {
  limit { meter window kind limit } used reserved remaining state } } }`);
export const CHANGE_PLAN = graphql(`mutation WorldChangePlan($tenantId: ID!, $planId: ID!) {
  changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom plan { plan { id } } } }`);
export const TENANT_PLAN = graphql(`query WorldTenantPlan($tenantId: ID!) { tenant(id: $tenantId) {
  plan { plan { id } } assignments { effectiveFrom effectiveTo plan { plan { id } } } } }`);
export const CREATE_ENDPOINT = graphql(`mutation WorldCreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id status } } }`);
export const LAST_ALERT = graphql(`query WorldLastAlert($tenantId: ID!) { tenant(id: $tenantId) {
  alerts(first: 200) { pageInfo { endCursor } } } }`);
export const ALERTS =
  graphql(`subscription WorldAlerts($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) {
  id cursor tenantId kind meter window threshold limit used tenant { name } } }`);

export type Accounting = Present<WorldAccountingQuery>["tenant"]["accounting"];
export type Invoice = Present<WorldInvoicesQuery>["tenant"]["invoices"]["nodes"][number];

export async function accountingOf(url: string, token: string, tenantId: string): Promise<Accounting> {
  return (await ask(url, token, ACCOUNTING, { tenantId })).tenant.accounting;
}

/** accepted = counted + duplicates + unmetered + quarantined + inFlight. */
export function sumOf(accounting: Accounting): number {
  return (
    accounting.counted + accounting.duplicates + accounting.unmetered + accounting.quarantined + accounting.inFlight
  );
}

export async function invoicesOf(url: string, token: string, tenantId: string): Promise<readonly Invoice[]> {
  return (await ask(url, token, INVOICES, { tenantId })).tenant.invoices.nodes;
}

/** The previous month, and the part of it that the edge still accepts events for. */
export function lastMonth(nowMs: number): { startMs: number; endMs: number; acceptedFromMs: number } {
  const now = new Date(nowMs);
  const startMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1);
  const endMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1);
  return { startMs, endMs, acceptedFromMs: Math.max(startMs, nowMs - 34 * DAY_MS) };
}
