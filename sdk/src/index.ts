import { askGraph } from "./graph.js";
import type { Connection } from "./http.js";
import { createQuota, type Quota, type QuotaOptions } from "./quota.js";
import { createTracker, type Tracker, type TrackerOptions } from "./tracker.js";

export { type Connection, MetrlyError } from "./http.js";
export type { Decision, LimitReading, Quota, QuotaOptions, QuotaRequest } from "./quota.js";
export type { TrackedEvent, Tracker, TrackerOptions, UsageEvent } from "./tracker.js";

export interface MetrlyOptions extends Connection {
  readonly tracking?: TrackerOptions;
  readonly quota: QuotaOptions;
}

/** Usage and quotas of one Metrly, and its control plane by `graph`. */
export interface Metrly extends Tracker, Quota {
  /** One GraphQL operation of the control plane. */
  graph<T>(query: string, variables?: Readonly<Record<string, unknown>>): Promise<T>;
}

export function createMetrly(options: MetrlyOptions): Metrly {
  const tracker = createTracker(options, options.tracking);
  return Object.assign(tracker, createQuota(options, options.quota), {
    graph: <T>(query: string, variables?: Readonly<Record<string, unknown>>) => askGraph<T>(options, query, variables),
  });
}
