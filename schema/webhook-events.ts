/** The event types that a webhook endpoint may ask for: the closed list. */
export const EVENT_TYPES = [
  "quota.warning",
  "quota.exceeded",
  "billing.period.closed",
  "invoice.generated",
  "webhook.endpoint.disabled",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** What `sendTestWebhook` sends; nobody subscribes to it. */
export const TEST_EVENT_TYPE = "webhook.test";
