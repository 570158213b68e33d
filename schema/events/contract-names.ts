/** Every contract that this build has. A record with one of these names in the wrong place is malformed, not of newer code. */
export const CONTRACT_NAMES: ReadonlySet<string> = new Set([
  "metrly.api.keys.used.v1",
  "metrly.audit.recorded.v1",
  "metrly.billing.period.closed.v1",
  "metrly.invoice.generated.v1",
  "metrly.invoice.v1",
  "metrly.invoice.v2",
  "metrly.ledger.block.v1",
  "metrly.quota.exceeded.v1",
  "metrly.quota.warning.v1",
  "metrly.tenancy.changed.v1",
  "metrly.usage.received.v1",
  "metrly.usage.received.v2",
  "metrly.usage.recorded.v1",
  "metrly.usage.recorded.v2",
  "metrly.usage.unmetered.v1",
  "metrly.usage.unpriced.v1",
]);
