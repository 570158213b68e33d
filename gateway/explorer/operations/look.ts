import { CHOSEN_TENANT, type SavedOperation, saved } from "./operation.js";

/** They read, and change nothing. */
export const LOOK: readonly SavedOperation[] = [
  saved(
    "Tenants and plans",
    "Tenants and their plans",
    `
    query Tenants {
      tenants(first: 20) {
        nodes { id name status currency plan { version plan { name } } }
        pageInfo { hasNextPage endCursor }
      }
    }`,
  ),
  saved(
    "Usage",
    "Usage in the current period, by meter, and day by day",
    `
    query UsageByDay($tenantId: ID!, $meter: String) {
      tenant(id: $tenantId) {
        period: usageTotals(granularity: PERIOD) { meter from to quantity eventCount lastEventAt }
        days: usageTotals(granularity: DAY, meter: $meter) { meter from quantity eventCount }
      }
    }`,
    { tenantId: CHOSEN_TENANT, meter: "api_calls" },
  ),
  saved(
    "Limits",
    "Quotas: used, reserved, remaining",
    `
    query Quotas($tenantId: ID!) {
      tenant(id: $tenantId) {
        quotas { state used reserved remaining resetAt dimensions { dimension value } limit { meter unit window kind limit by where { dimension value } } }
      }
    }`,
    { tenantId: CHOSEN_TENANT },
  ),
  saved(
    "Accounting",
    "Accounting: the outcome of every accepted event",
    `
    query Accounting($tenantId: ID!) {
      tenant(id: $tenantId) {
        accounting { accepted counted duplicates unmetered quarantined inFlight asOf }
      }
    }`,
    { tenantId: CHOSEN_TENANT },
  ),
  saved(
    "What no meter counts",
    "Event types that no meter counts, and what became of one event",
    `
    query Unmetered($tenantId: ID!, $source: String!, $id: String!) {
      unmeteredTypes(tenantId: $tenantId) { eventType count lastAt }
      event(tenantId: $tenantId, source: $source, id: $id) { type status recordedAt data }
    }`,
    { tenantId: CHOSEN_TENANT, source: "the event's source", id: "the event's id" },
  ),
  saved(
    "Alerts so far",
    "A tenant's alerts, oldest first: page on with $after",
    `
    query Alerts($tenantId: ID!, $after: Cursor) {
      tenant(id: $tenantId) {
        alerts(first: 50, after: $after) {
          nodes { at kind meter unit window dimensions { dimension value } threshold thresholdKind limit used }
          pageInfo { hasNextPage endCursor }
        }
      }
    }`,
    { tenantId: CHOSEN_TENANT, after: null },
  ),
  saved(
    "Alerts from now on",
    "A tenant's alerts as they happen (keep it running)",
    `
    subscription QuotaAlerts($tenantId: ID!, $after: Cursor) {
      quotaAlerts(tenantId: $tenantId, after: $after) { cursor kind meter unit window dimensions { dimension value } threshold thresholdKind limit used at tenant { name } }
    }`,
    { tenantId: CHOSEN_TENANT, after: null },
  ),
  saved(
    "Invoices, line by line",
    "Invoices with lines and arithmetic",
    `
    query Invoices($tenantId: ID!) {
      tenant(id: $tenantId) {
        invoices(first: 5) {
          nodes {
            id number sha256
            total { amount currency }
            lines {
              kind description quantity
              amount { amount }
              arithmetic { quantity unitAmount flatAmount amount note }
              adjusts { periodStart quantityBefore quantityAfter invoice { number } }
            }
            unpricedUsage { meter quantity reason }
          }
        }
      }
    }`,
    { tenantId: CHOSEN_TENANT },
  ),
  saved(
    "Periods, next invoice",
    "Billing periods, and a preview of the current one's invoice",
    `
    query UpcomingInvoice($tenantId: ID!) {
      tenant(id: $tenantId) {
        billingPeriods(first: 12) { nodes { start end status watermark invoice { number total { amount currency } } } }
        upcomingInvoice {
          asOf currency total { amount }
          lines { kind description quantity amount { amount } }
          unpricedUsage { meter dimensions { dimension value } quantity eventCount reason }
        }
      }
    }`,
    { tenantId: CHOSEN_TENANT },
  ),
  saved(
    "Prepaid credits",
    "A tenant's prepaid credits: what was granted, and what became of it",
    `
    query Credits($tenantId: ID!) {
      tenant(id: $tenantId) {
        credits {
          currency granted drawn expired voided available reserved asOf
          grants { nodes { id status amount drawn remaining priority grantedAt expiresAt reason } }
        }
      }
    }`,
    { tenantId: CHOSEN_TENANT },
  ),
  saved(
    "Verify an invoice",
    "Verify an invoice: recompute it with independent code",
    `
    query VerifyInvoice($invoiceId: ID!) {
      verifyInvoice(id: $invoiceId) { matches expectedSha256 checkedEvents differences }
    }`,
    { invoiceId: "an id from the invoices" },
  ),
  saved(
    "Webhook deliveries",
    "Webhook deliveries and their attempts",
    `
    query WebhookDeliveries($tenantId: ID!) {
      tenant(id: $tenantId) {
        webhookEndpoints {
          id url status
          deliveries(first: 10) { nodes { id eventType status nextAttemptAt attempts { at durationMs responseStatus error } } }
        }
      }
    }`,
    { tenantId: CHOSEN_TENANT },
  ),
  saved(
    "Operators' dead letters",
    "Operators' endpoints and their dead letters",
    `
    query PlatformWebhookEndpoints {
      platformWebhookEndpoints {
        id url status eventTypes
        deliveries(first: 10, status: DEAD) { nodes { id eventType attempts { at error } payload } }
      }
    }`,
  ),
];
