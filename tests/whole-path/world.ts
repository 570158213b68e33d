import { ask } from "../support/client.js";

/** The operations that the story needs, as a client of the public contract writes them. */
export const CREATE_METER = "mutation ($input: CreateMeterInput!) { createMeter(input: $input) { key } }";
export const CREATE_PLAN =
  "mutation ($input: CreatePlanInput!) { createPlan(input: $input) { id latest { version } } }";
export const CREATE_TENANT =
  "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { id status plan { version } } }";
export const ISSUE_KEY =
  "mutation ($input: IssueApiKeyInput!) { issueApiKey(input: $input) { secret apiKey { id prefix scopes } } }";
export const CLOSE_PERIOD = `mutation ($tenantId: ID!, $periodStart: DateTime!) {
  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { start end status } }`;
export const ACCOUNTING = `query ($tenantId: ID!) { tenant(id: $tenantId) {
  accounting { accepted counted duplicates unmetered quarantined inFlight } } }`;
export const USAGE = `query ($tenantId: ID!, $periodStart: DateTime) { tenant(id: $tenantId) {
  usageTotals(periodStart: $periodStart) { meter quantity eventCount } } }`;
export const INVOICES = `query ($tenantId: ID!) { tenant(id: $tenantId) { invoices { nodes {
  id number status currency sha256 document total { amount currency } period { start end status }
  lines { kind meter quantity amount { amount } arithmetic { quantity unitAmount flatAmount amount } plan { version plan { id } } }
} } } }`;
export const VERIFY = "query ($id: ID!) { verifyInvoice(id: $id) { matches checkedEvents differences } }";
export const UPCOMING = `query ($tenantId: ID!) { tenant(id: $tenantId) { upcomingInvoice { total { amount } lines {
  kind meter quantity amount { amount } adjusts { invoice { id } periodStart quantityBefore quantityAfter } } } } }`;
export const QUOTAS = `query ($tenantId: ID!) { tenant(id: $tenantId) { quotas {
  limit { meter window kind limit } used reserved remaining state } } }`;
export const CHANGE_PLAN = `mutation ($tenantId: ID!, $planId: ID!) {
  changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom plan { plan { id } } } }`;
export const TENANT_PLAN = `query ($tenantId: ID!) { tenant(id: $tenantId) {
  plan { plan { id } } assignments { effectiveFrom effectiveTo plan { plan { id } } } } }`;
export const CREATE_ENDPOINT = `mutation ($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) { secret endpoint { id status } } }`;
export const ALERTS = `subscription ($tenantId: ID!, $after: Cursor) { quotaAlerts(tenantId: $tenantId, after: $after) {
  id cursor tenantId kind meter window threshold limit used tenant { name } } }`;

export interface Accounting {
  readonly accepted: number;
  readonly counted: number;
  readonly duplicates: number;
  readonly unmetered: number;
  readonly quarantined: number;
  readonly inFlight: number;
}

export interface Invoice {
  readonly id: string;
  readonly number: string;
  readonly status: string;
  readonly currency: string;
  readonly sha256: string;
  readonly document: string;
  readonly total: { readonly amount: string; readonly currency: string };
  readonly period: { readonly start: string; readonly end: string; readonly status: string };
  readonly lines: readonly {
    readonly kind: string;
    readonly meter: string | null;
    readonly quantity: string;
    readonly amount: { readonly amount: string };
    readonly arithmetic: readonly unknown[];
    readonly plan: { readonly version: number; readonly plan: { readonly id: string } };
  }[];
}

export async function accountingOf(url: string, token: string, tenantId: string): Promise<Accounting> {
  return (await ask<{ tenant: { accounting: Accounting } }>(url, token, ACCOUNTING, { tenantId })).tenant.accounting;
}

/** accepted = counted + duplicates + unmetered + quarantined + inFlight. */
export function sumOf(accounting: Accounting): number {
  return (
    accounting.counted + accounting.duplicates + accounting.unmetered + accounting.quarantined + accounting.inFlight
  );
}

export async function invoicesOf(url: string, token: string, tenantId: string): Promise<readonly Invoice[]> {
  return (await ask<{ tenant: { invoices: { nodes: readonly Invoice[] } } }>(url, token, INVOICES, { tenantId })).tenant
    .invoices.nodes;
}

const DAY_MS = 86_400_000;

/** The month before this one, and the part of it that the edge still accepts events for. */
export function lastMonth(nowMs: number): { startMs: number; endMs: number; acceptedFromMs: number } {
  const now = new Date(nowMs);
  const startMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1);
  const endMs = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1);
  return { startMs, endMs, acceptedFromMs: Math.max(startMs, nowMs - 34 * DAY_MS) };
}
