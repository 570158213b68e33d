import { askGraph } from "./graph.js";
import type { Connection } from "./http.js";
import type { Operation } from "./operation.js";
import { createQuota, type Quota, type QuotaOptions } from "./quota.js";
import { type SubscribeOptions, subscribeGraph, type WebSocketClass } from "./subscription.js";
import { createTracker, type Tracker, type TrackerOptions } from "./tracker.js";

export type { DecisionReason, ErrorCode } from "./codes.js";
export type { Numbers } from "./exact.js";
export { type Connection, MetrlyError } from "./http.js";
export type { Operation } from "./operation.js";
/** Typed operations of the control plane: `metrly.graph(operations.quotas, { tenantId })`. */
export * as operations from "./operations.js";
export type { Decision, LimitReading, MeterUsage, Quota, QuotaOptions, QuotaRequest } from "./quota.js";
export type { SubscribeOptions, WebSocketClass } from "./subscription.js";
export type { TrackedEvent, Tracker, TrackerOptions, UsageEvent } from "./tracker.js";

export interface MetrlyOptions extends Connection {
  readonly tracking?: TrackerOptions;
  readonly quota: QuotaOptions;
  /** The `WebSocket` class for `subscribe` on Node before 22: from the package `ws`. */
  readonly webSocket?: WebSocketClass;
}

/** A client: usage and quotas, and the control plane by `graph` and `subscribe`. */
export interface Metrly extends Tracker, Quota {
  /**
   * Runs an operation of the control plane: one of `operations`, or any text. Throws `MetrlyError` with the first error's code.
   */
  graph<Result = unknown, Variables = Readonly<Record<string, unknown>>>(
    query: Operation<Result, Variables>,
    variables?: NoInfer<Variables>,
  ): Promise<Result>;
  /** The results of a subscription, across reconnects: see `SubscribeOptions`. */
  subscribe<Result, Variables>(
    query: Operation<Result, Variables>,
    variables: NoInfer<Variables>,
    options?: SubscribeOptions,
  ): AsyncGenerator<Result, void, undefined>;
}

const MODES: ReadonlySet<unknown> = new Set(["allow", "deny"]);

/**
 * Throws TypeError for an address that is no `http` or `https` URL, which would look like an outage, for an empty key, and where
 * `quota` does not say how an outage decides.
 */
export function createMetrly(options: MetrlyOptions): Metrly {
  if (!/^https?:\/\//i.test(options.url) || !isUrl(options.url))
    throw new TypeError(
      `url is ${JSON.stringify(options.url)}: it begins with http:// or https://, e.g. http://127.0.0.1:4000`,
    );
  if (!MODES.has(options.quota?.whenUnreachable))
    throw new TypeError(
      'quota is missing or incomplete: say how an outage decides, as quota: { whenUnreachable: "deny" }, or "allow"',
    );
  if (options.apiKey === "") throw new TypeError("apiKey is empty: metrly api-keys issue makes one");
  const tracker = createTracker(options, options.tracking);
  return Object.assign(tracker, createQuota(options, options.quota), {
    graph: <Result, Variables>(query: Operation<Result, Variables>, variables?: Variables) =>
      askGraph(options, query, variables),
    subscribe: <Result, Variables>(
      query: Operation<Result, Variables>,
      variables: Variables,
      subscribing?: SubscribeOptions,
    ) => subscribeGraph(options, query, variables, subscribing),
  });
}

/** `URL.canParse` is missing in older runtimes. */
function isUrl(text: string): boolean {
  try {
    return new URL(text).host !== "";
  } catch {
    return false;
  }
}
