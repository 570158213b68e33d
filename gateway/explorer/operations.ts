/** A saved operation; the explorer opens each in a tab. */
export interface SavedOperation {
  /** The task, in a few words. */
  readonly task: string;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** A demo tenant; users of other installations change the variable. */
const DEMO_TENANT = "acme";

const saved = (task: string, query: string, variables: SavedOperation["variables"] = {}): SavedOperation => ({
  task,
  query: `# ${task}\n${query.replace(/^\n|\s+$/g, "").replace(/^ {4}/gm, "")}\n`,
  variables,
});

const SET_UP: readonly SavedOperation[] = [
  saved(
    "Create a meter: which events count, and how",
    `
    mutation CreateMeter($input: CreateMeterInput!) {
      createMeter(input: $input) { key name eventType aggregation valueProperty dimensions }
    }`,
    {
      input: {
        key: "images_rendered",
        name: "Rendered images",
        eventType: "image.rendered",
        aggregation: "COUNT",
        dimensions: ["model"],
      },
    },
  ),
  saved(
    "Create a plan: a price and a hard limit",
    `
    mutation CreatePlan($input: CreatePlanInput!) {
      createPlan(input: $input) { id name latest { version currency prices { meter model unitAmount } } }
    }`,
    {
      input: {
        id: "studio",
        name: "Studio",
        version: {
          currency: "EUR",
          recurringFee: "20",
          prices: [{ meter: "images_rendered", model: "PER_UNIT", unitAmount: "0.04", included: "100" }],
          limits: [{ meter: "images_rendered", window: "DAY", kind: "HARD", limit: "1000" }],
        },
      },
    },
  ),
  saved(
    "Create a tenant on that plan",
    `
    mutation CreateTenant($input: CreateTenantInput!) {
      createTenant(input: $input) { id name status currency plan { version plan { name } } }
    }`,
    { input: { id: "my-tenant", name: "My tenant", planId: "studio" } },
  ),
  saved(
    "Issue an API key: the secret is shown only once",
    `
    mutation IssueApiKey($input: IssueApiKeyInput!) {
      issueApiKey(input: $input) { secret apiKey { id prefix scopes } }
    }`,
    { input: { tenantId: "my-tenant", name: "my backend", scopes: ["INGEST", "QUOTA", "READ"] } },
  ),
  saved(
    "Change a tenant's plan from the next period on",
    `
    mutation ChangePlan($tenantId: ID!, $planId: ID!) {
      changePlan(tenantId: $tenantId, planId: $planId) { effectiveFrom plan { version plan { name } } }
    }`,
    { tenantId: DEMO_TENANT, planId: "studio" },
  ),
  saved(
    "Override a tenant's limit for a limited time",
    `
    mutation SetQuotaOverride($tenantId: ID!, $meter: String, $window: QuotaWindow!, $limit: Decimal!, $until: DateTime!, $reason: String!) {
      setQuotaOverride(tenantId: $tenantId, meter: $meter, window: $window, limit: $limit, until: $until, reason: $reason) {
        limit { meter window kind limit } used reserved remaining resetAt state
      }
    }`,
    {
      tenantId: DEMO_TENANT,
      meter: "api_calls",
      window: "HOUR",
      limit: "5000",
      until: "2030-01-01T00:00:00Z",
      reason: "A launch",
    },
  ),
];

const WATCH: readonly SavedOperation[] = [
  saved(
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
    "Usage in the current period",
    `
    query UsageTotals($tenantId: ID!) {
      tenant(id: $tenantId) {
        usageTotals(granularity: PERIOD) { meter from to quantity eventCount lastEventAt }
      }
    }`,
    { tenantId: DEMO_TENANT },
  ),
  saved(
    "Quotas: used, reserved, remaining",
    `
    query Quotas($tenantId: ID!) {
      tenant(id: $tenantId) {
        quotas { state used reserved remaining resetAt limit { meter window kind limit } }
      }
    }`,
    { tenantId: DEMO_TENANT },
  ),
  saved(
    "Accounting: the outcome of every accepted event",
    `
    query Accounting($tenantId: ID!) {
      tenant(id: $tenantId) {
        accounting { accepted counted duplicates unmetered quarantined inFlight asOf }
      }
    }`,
    { tenantId: DEMO_TENANT },
  ),
  saved(
    "Event types that no meter counts, and what became of one event",
    `
    query Unmetered($tenantId: ID!, $source: String!, $id: String!) {
      unmeteredTypes(tenantId: $tenantId) { eventType count lastAt }
      event(tenantId: $tenantId, source: $source, id: $id) { type status recordedAt data }
    }`,
    { tenantId: DEMO_TENANT, source: "the event's source", id: "the event's id" },
  ),
  saved(
    "A tenant's alerts, live (keep it running)",
    `
    subscription QuotaAlerts($tenantId: ID!) {
      quotaAlerts(tenantId: $tenantId) { cursor kind meter window threshold limit used at tenant { name } }
    }`,
    { tenantId: DEMO_TENANT },
  ),
];

const BILL: readonly SavedOperation[] = [
  saved(
    "Billing periods",
    `
    query BillingPeriods($tenantId: ID!) {
      tenant(id: $tenantId) {
        billingPeriods(first: 12) { nodes { start end status watermark invoice { number total { amount currency } } } }
      }
    }`,
    { tenantId: DEMO_TENANT },
  ),
  saved(
    "Close the earliest period that has ended",
    `
    mutation CloseBillingPeriod($tenantId: ID!, $periodStart: DateTime!) {
      closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) { start end status }
    }`,
    { tenantId: DEMO_TENANT, periodStart: "2026-01-01T00:00:00Z" },
  ),
  saved(
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
    { tenantId: DEMO_TENANT },
  ),
  saved(
    "Verify an invoice: recompute it with independent code",
    `
    query VerifyInvoice($invoiceId: ID!) {
      verifyInvoice(id: $invoiceId) { matches expectedSha256 checkedEvents differences }
    }`,
    { invoiceId: "an id from the invoices" },
  ),
  saved(
    "Preview of the current period's invoice",
    `
    query UpcomingInvoice($tenantId: ID!) {
      tenant(id: $tenantId) {
        upcomingInvoice {
          asOf currency total { amount }
          lines { kind description quantity amount { amount } }
          unpricedUsage { meter dimensions { dimension value } quantity eventCount reason }
        }
      }
    }`,
    { tenantId: DEMO_TENANT },
  ),
];

const NOTIFY: readonly SavedOperation[] = [
  saved(
    "Create a webhook endpoint: the secret is shown only once",
    `
    mutation CreateWebhookEndpoint($input: CreateWebhookEndpointInput!) {
      createWebhookEndpoint(input: $input) { secret endpoint { id url eventTypes status } }
    }`,
    {
      input: {
        tenantId: DEMO_TENANT,
        url: "http://127.0.0.1:8080/webhooks",
        eventTypes: ["quota.warning", "quota.exceeded", "invoice.generated"],
      },
    },
  ),
  saved(
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
    { tenantId: DEMO_TENANT },
  ),
  saved(
    "Create an operators' endpoint: unbilled usage, and what is asked for, of all tenants",
    `
    mutation CreatePlatformEndpoint($input: CreateWebhookEndpointInput!) {
      createWebhookEndpoint(input: $input) { secret endpoint { id url eventTypes status } }
    }`,
    { input: { platform: true, url: "http://127.0.0.1:8080/operators", eventTypes: ["quota.exceeded"] } },
  ),
  saved(
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

/** One per task, in the order of a first tour. */
export const SAVED_OPERATIONS: readonly SavedOperation[] = [...WATCH, ...BILL, ...SET_UP, ...NOTIFY];
