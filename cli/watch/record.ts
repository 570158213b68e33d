import { ATTEMPTS, DECISIONS, ITEMS, type WatchState } from "./state.js";

/** A look as one object for programs. Rates are per second; null: not known. */
export function recordOf({ latest, failure, rates, url }: WatchState): object {
  if (failure !== undefined || latest === undefined) return { url, failure: failure ?? null };
  const { counters } = latest;
  return {
    at: new Date(latest.at).toISOString(),
    url,
    ready: latest.isReady,
    eventsPerSecond: rates?.events ?? null,
    tenants: latest.tenants.map(({ id, status, accounting, quotas }) => ({
      ...{ id, status, ...accounting },
      eventsPerSecond: rates?.ofTenant.get(id) ?? null,
      quotas,
    })),
    ...(counters !== undefined && {
      events: Object.fromEntries(counters.by(ITEMS, "status")),
      lagSeconds: {
        recorded: counters.largest("metrly_ingestion_lag_seconds") ?? null,
        billed: counters.largest("metrly_billing_lag_seconds") ?? null,
        quota: counters.largest("metrly_quota_consumer_lag_seconds") ?? null,
      },
      decisionsPerSecond: rates?.decisions ?? null,
      decisions: Object.fromEntries(counters.by(DECISIONS, "reason")),
      deliveryAttemptsPerSecond: rates?.attempts ?? null,
      deliveryAttempts: Object.fromEntries(counters.by(ATTEMPTS, "outcome")),
      deliveriesPending: counters.sum("metrly_notification_deliveries_pending"),
    }),
  };
}
