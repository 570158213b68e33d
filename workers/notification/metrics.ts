import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export type NotificationMetrics = ReturnType<typeof createMetrics>;

/** Notification's metrics. `followers` and `pending` are computed at each scrape. */
export function createMetrics(registry: Registry, followers: () => number, pending: () => Promise<number>) {
  const registers = [registry];
  new Gauge({
    name: "metrly_notification_subscriptions",
    help: "Subscriptions that follow a tenant's notices on this process",
    registers,
    collect() {
      this.set(followers());
    },
  });
  new Gauge({
    name: "metrly_notification_deliveries_pending",
    help: "Webhook deliveries that are neither delivered nor dead",
    registers,
    async collect() {
      this.set(await pending());
    },
  });
  return {
    notices: new Counter({
      name: "metrly_notification_notices_total",
      help: "Notices stored, once per event",
      labelNames: ["type"] as const,
      registers,
    }),
    poison: new Counter({
      name: "metrly_notification_poison_records_total",
      help: "Poison records set aside",
      registers,
    }),
    attempts: new Counter({
      name: "metrly_notification_webhook_attempts_total",
      help: "Webhook attempts by outcome",
      labelNames: ["outcome"] as const,
      registers,
    }),
    attemptSeconds: new Histogram({
      name: "metrly_notification_webhook_attempt_seconds",
      help: "Duration of webhook attempts",
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 16],
      registers,
    }),
    endpointsDisabled: new Counter({
      name: "metrly_notification_endpoints_disabled_total",
      help: "Webhook endpoints disabled because of failures",
      registers,
    }),
    swept: new Counter({
      name: "metrly_notification_endpoints_swept_total",
      help: "Endpoints for which the sweeper found overdue deliveries",
      registers,
    }),
  };
}
