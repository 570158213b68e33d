import { CHOSEN_TENANT, type SavedOperation, saved } from "./operation.js";

/** A first tour: in this order, from a meter to a webhook. */
export const SET_UP: readonly SavedOperation[] = [
  saved(
    "Create a meter",
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
    "Create a plan",
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
    "Create a tenant",
    "Create a tenant on that plan",
    `
    mutation CreateTenant($input: CreateTenantInput!) {
      createTenant(input: $input) { id name status currency plan { version plan { name } } }
    }`,
    { input: { id: "my-tenant", name: "My tenant", planId: "studio" } },
  ),
  saved(
    "Issue an API key",
    "Issue an API key: the secret is shown only once",
    `
    mutation IssueApiKey($input: IssueApiKeyInput!) {
      issueApiKey(input: $input) { secret apiKey { id prefix scopes } }
    }`,
    { input: { tenantId: "my-tenant", name: "my backend", scopes: ["INGEST", "QUOTA", "READ"] } },
  ),
  saved(
    "Create a webhook",
    "Create a webhook endpoint, or with platform: true instead of a tenant an operators' one: the secret is shown only once",
    `
    mutation CreateWebhookEndpoint($input: CreateWebhookEndpointInput!) {
      createWebhookEndpoint(input: $input) { secret endpoint { id url eventTypes status } }
    }`,
    {
      input: {
        tenantId: CHOSEN_TENANT,
        url: "http://127.0.0.1:8080/webhooks",
        eventTypes: ["quota.warning", "quota.exceeded", "invoice.generated"],
      },
    },
  ),
];
