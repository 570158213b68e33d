/** What happens to a tenant: its endpoints may ask for it, and operators' for that of all tenants. */
export const TENANT_EVENT_TYPES = [
  "quota.warning",
  "quota.exceeded",
  "billing.period.closed",
  "invoice.generated",
  "credits.granted",
  "credits.voided",
  "webhook.endpoint.disabled",
] as const;

/** Usage that nobody will pay for: every endpoint of the operators gets it, and no tenant's. */
export const OPERATOR_EVENT_TYPES = ["usage.unmetered", "usage.unpriced"] as const;

/** The closed list of event types. */
export type EventType = (typeof TENANT_EVENT_TYPES)[number] | (typeof OPERATOR_EVENT_TYPES)[number];

/** Sent by `sendTestWebhook`; endpoints cannot subscribe to it. */
export const TEST_EVENT_TYPE = "webhook.test";
