import { Counter, Gauge, type Registry } from "prom-client";

export function createBillingMetrics(registry: Registry) {
  const registers = [registry];
  return {
    lagSeconds: new Gauge({
      name: "metrly_billing_lag_seconds",
      help: "Age of the last applied ledger entry when it was applied",
      labelNames: ["partition"] as const,
      registers,
    }),
    closes: new Counter({ name: "metrly_billing_closes_total", help: "Billing periods closed", registers }),
    invoices: new Counter({ name: "metrly_billing_invoices_total", help: "Invoices written", registers }),
    closeFailures: new Counter({
      name: "metrly_billing_close_failures_total",
      help: "Failed attempts to close or sweep, which are retried",
      registers,
    }),
  };
}
