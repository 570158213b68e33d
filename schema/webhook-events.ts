/** The closed list of event types for webhook endpoints. */
export const EVENT_TYPES = [
  "quota.warning",
  "quota.exceeded",
  "billing.period.closed",
  "invoice.generated",
  "webhook.endpoint.disabled",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Sent by `sendTestWebhook`; endpoints cannot subscribe to it. */
export const TEST_EVENT_TYPE = "webhook.test";
