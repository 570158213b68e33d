import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Decision } from "./rules/decision.js";

export type QuotaMetrics = ReturnType<typeof createMetrics>;

/** From 50 µs, a decision in memory, to 2 s, the counters' timeout. */
const LATENCY_BUCKETS_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 2];

export function createMetrics(registry: Registry) {
  const registers = [registry];
  const decisions = new Counter({
    name: "metrly_quota_decisions_total",
    help: "Decisions by operation, whether allowed, and reason",
    labelNames: ["operation", "allowed", "reason"],
    registers,
  });
  const latency = new Histogram({
    name: "metrly_quota_decision_seconds",
    help: "Time from a parsed request to its decision",
    labelNames: ["operation"],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers,
  });
  const lag = new Gauge({
    name: "metrly_quota_consumer_lag_seconds",
    help: "Age of the last applied ledger entry when it was applied",
    labelNames: ["partition"],
    registers,
  });
  const repairs = new Counter({
    name: "metrly_quota_counter_repairs_total",
    help: "Tenants whose counters missed recorded usage and were brought up to it",
    registers,
  });
  // Looking up a child by its labels costs more than counting.
  const counted = new Map<string, ReturnType<typeof decisions.labels>>();
  const timed = new Map<string, ReturnType<typeof latency.labels>>();
  return {
    decided(operation: string, { allowed, reason }: Decision, tookMs: number): void {
      const name = operation + reason;
      const counter = counted.get(name) ?? decisions.labels({ operation, allowed: String(allowed), reason });
      counted.set(name, counter);
      counter.inc();
      const timer = timed.get(operation) ?? latency.labels({ operation });
      timed.set(operation, timer);
      timer.observe(tookMs / 1000);
    },
    /** Seconds between the recording of the last applied entry of a partition and now. */
    applied: (partition: number, lagSeconds: number) => lag.set({ partition: String(partition) }, lagSeconds),
    repaired: () => repairs.inc(),
  };
}
