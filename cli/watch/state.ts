import type { Alert } from "./alerts.js";
import type { Look } from "./look.js";

/** What is remembered from look to look. */
export interface WatchState {
  readonly url: string;
  readonly latest: Look | undefined;
  /** Why the last look failed; undefined: it did not. */
  readonly failure: string | undefined;
  /** Per second, over the last two looks; undefined until there are two. */
  readonly rates: Rates | undefined;
  /** Events per second of the last looks, oldest first. */
  readonly history: readonly number[];
  /** Newest first. */
  readonly alerts: readonly Alert[];
}

export interface Rates {
  readonly events: number;
  readonly decisions: number;
  readonly attempts: number;
  readonly ofTenant: ReadonlyMap<string, number>;
}

const MOST_HISTORY = 200;
const MOST_ALERTS = 50;

export const begun = (url: string): WatchState => ({
  ...{ url, latest: undefined, failure: undefined, rates: undefined },
  ...{ history: [], alerts: [] },
});

/** The state after a look that succeeded. */
export function looked(state: WatchState, look: Look): WatchState {
  const rates = state.latest === undefined ? undefined : ratesOf(state.latest, look);
  const history = rates === undefined ? state.history : [...state.history, rates.events].slice(-MOST_HISTORY);
  return { ...state, latest: look, failure: undefined, rates: rates ?? state.rates, history };
}

/** After one that failed: what was seen before stays. */
export const failed = (state: WatchState, failure: string): WatchState => ({ ...state, failure });

export const alerted = (state: WatchState, alert: Alert): WatchState => ({
  ...state,
  alerts: [alert, ...state.alerts].slice(0, MOST_ALERTS),
});

/** Undefined without time between the two. Counters of a process that was started anew begin at 0: a fall is no rate. */
function ratesOf(before: Look, now: Look): Rates | undefined {
  const seconds = (now.monotonicMs - before.monotonicMs) / 1000;
  if (seconds <= 0) return undefined;
  const perSecond = (from: number, to: number) => Math.max(0, to - from) / seconds;
  const counted = (name: string, labels?: Readonly<Record<string, string>>) =>
    perSecond(before.counters?.sum(name, labels) ?? 0, now.counters?.sum(name, labels) ?? 0);
  const earlier = new Map(before.tenants.map(({ id, accounting }) => [id, accounting.accepted]));
  const ofTenant = new Map(
    now.tenants.map(({ id, accounting: { accepted } }) => [id, perSecond(earlier.get(id) ?? accepted, accepted)]),
  );
  const hasCounters = before.counters !== undefined && now.counters !== undefined;
  return {
    events: hasCounters
      ? counted(ITEMS, { status: "accepted" })
      : [...ofTenant.values()].reduce((sum, rate) => sum + rate, 0),
    decisions: hasCounters ? counted(DECISIONS) : 0,
    attempts: hasCounters ? counted(ATTEMPTS) : 0,
    ofTenant,
  };
}

export const ITEMS = "metrly_ingestion_items_total";
export const DECISIONS = "metrly_quota_decisions_total";
export const ATTEMPTS = "metrly_notification_webhook_attempts_total";
