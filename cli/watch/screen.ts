import { stateOf } from "../show/limit-state.js";
import { bar, sparkline } from "../show/table.js";
import { type Alert, crossedText } from "./alerts.js";
import { MOST_TENANTS, type WatchedTenant } from "./look.js";
import { ATTEMPTS, DECISIONS, ITEMS, type WatchState } from "./state.js";

export interface Size {
  readonly width: number;
  readonly height: number;
}

const HEADER_LINES = 7;
const LEAST_ALERTS = 5;
const MOST_BAR = 30;

/** The screen's lines, at most `height` of at most `width` characters. Times are UTC. */
export function screenOf(state: WatchState, { width, height }: Size): string[] {
  const { latest, failure, url, rates } = state;
  const status = failure ?? (latest === undefined ? "looking …" : latest.isReady ? "ready" : "not ready");
  const title = `Metrly ${url}`;
  const clock = latest === undefined ? "" : `${failure === undefined ? "" : "as of "}${timeOf(latest.at)}`;
  const lines = [spread(title, clock, width), status, ""];
  if (latest === undefined) return clip(lines, { width, height });
  const rows = latest.tenants.flatMap((tenant) => tenantRows(tenant, rates?.ofTenant.get(tenant.id), width));
  const room = Math.max(1, height - lines.length - HEADER_LINES - LEAST_ALERTS);
  const shown = rows.length > room ? [...rows.slice(0, room - 1), `  and ${rows.length - room + 1} more lines`] : rows;
  lines.push(...summary(state, width), "", tenantHeader(width), ...shown);
  if (latest.hasMore) lines.push(`  the first ${MOST_TENANTS} tenants; --tenant shows any other`);
  lines.push("", "ALERTS", ...alertLines(state.alerts, Math.max(1, height - lines.length - 2)));
  return clip(lines, { width, height });
}

function summary({ latest, rates, history }: WatchState, width: number): string[] {
  const inFlight = latest?.tenants.reduce((sum, { accounting }) => sum + accounting.inFlight, 0) ?? 0;
  const rate = (perSecond: number | undefined) =>
    `${perSecond === undefined ? "-" : perSecond.toFixed(1)}/s`.padStart(9);
  const line = (name: string, perSecond: number | undefined, rest: string) =>
    `${name.padEnd(11)}${rate(perSecond)}  ${rest}`;
  const counters = latest?.counters;
  if (counters === undefined) {
    const none = "no answer from the metrics listener (--metrics)";
    const ofTenants = `in flight ${whole(inFlight)}`;
    return [
      line("EVENTS", rates?.events, ofTenants),
      `LAG         ${none}`,
      `DECISIONS   ${none}`,
      `DELIVERIES  ${none}`,
    ];
  }
  const counted = (name: string, label: string) =>
    counters
      .by(name, label)
      .map(([value, sum]) => `${value} ${whole(sum)}`)
      .join("  ");
  const events = counted(ITEMS, "status");
  const picture = sparkline(history, Math.max(0, Math.min(60, width - 24 - events.length)));
  const lags = [
    ["recorded", counters.largest("metrly_ingestion_lag_seconds")],
    ["billed", counters.largest("metrly_billing_lag_seconds")],
    ["quota", counters.largest("metrly_quota_consumer_lag_seconds")],
  ] as const;
  const lag = lags.map(([name, seconds]) => `${name} ${seconds === undefined ? "-" : seconds.toFixed(1)} s`).join("  ");
  const [allowed, denied] = ["true", "false"].map((is) => counters.sum(DECISIONS, { allowed: is }));
  const reasons = counters
    .by(DECISIONS, "reason", { allowed: "false" })
    .map(([reason, sum]) => `${reason} ${whole(sum)}`);
  const why = reasons.length === 0 ? "" : ` (${reasons.join(", ")})`;
  const pending = counters.sum("metrly_notification_deliveries_pending");
  return [
    line("EVENTS", rates?.events, `${events}  ${picture}`),
    `LAG          ${lag}  in flight ${whole(inFlight)}`,
    line("DECISIONS", rates?.decisions, `allowed ${whole(allowed ?? 0)}  denied ${whole(denied ?? 0)}${why}`),
    line("DELIVERIES", rates?.attempts, `${counted(ATTEMPTS, "outcome")}  pending ${whole(pending)}`.trimStart()),
  ];
}

/** `llm_tokens per period, soft` fits into 80 characters; what a wider terminal has more is shared. */
const columns = (width: number) => {
  const more = Math.max(0, width - 80);
  const words = Math.min(12, Math.floor(more / 4));
  const picture = Math.min(MOST_BAR, Math.max(8, 10 + width - 80 - 2 * words));
  return { tenant: 12 + words, limit: 28 + words, picture };
};

function tenantHeader(width: number): string {
  const { tenant, limit, picture } = columns(width);
  return `${"TENANT".padEnd(tenant)}  EVENTS/S  ${"LIMIT".padEnd(limit)}  ${"USED".padEnd(picture + 6)}  STATE`;
}

/** A line per limit, and one without if there is none. */
function tenantRows({ id, status, quotas }: WatchedTenant, perSecond: number | undefined, width: number): string[] {
  const { tenant, limit: limitWidth, picture } = columns(width);
  const name = cut(status === "ACTIVE" ? id : `${id} (${status.toLowerCase()})`, tenant).padEnd(tenant);
  const rate = (perSecond === undefined ? "-" : perSecond.toFixed(1)).padStart(8);
  if (quotas.length === 0) return [`${name}  ${rate}  no limits`];
  return quotas.map((quota, at) => {
    const { limit, used, reserved } = quota;
    const most = Number(limit.limit);
    const share = most > 0 ? (Number(used) + Number(reserved)) / most : 0;
    const what = cut(`${limit.meter ?? "requests"} ${windowOf(limit.window)}, ${limit.kind.toLowerCase()}`, limitWidth);
    const percent = `${share < 1 ? Math.floor(share * 100) : Math.round(share * 100)} %`.padStart(6);
    const first = at === 0 ? `${name}  ${rate}` : " ".repeat(tenant + 10);
    return `${first}  ${what.padEnd(limitWidth)}  ${bar(share, picture)}${percent}  ${stateOf(quota)}`;
  });
}

const windowOf = (window: string): string =>
  window === "BILLING_PERIOD" ? "per period" : `per ${window.toLowerCase().replace("_", " ")}`;

function alertLines(alerts: readonly Alert[], room: number): string[] {
  if (alerts.length === 0) return ["  none since this began"];
  return alerts.slice(0, room).map(({ at, kind, tenantId, meter, window, used, limit, ...crossed }) => {
    const what = `${meter ?? "requests"} ${windowOf(window)}`;
    return `  ${at.slice(11, 19)}  ${kind.padEnd(8)}  ${tenantId}  ${what}: ${used} of ${limit} (${crossedText(crossed)} crossed)`;
  });
}

const timeOf = (ms: number): string => `${new Date(ms).toISOString().slice(11, 19)} UTC`;
const whole = (count: number): string => Math.round(count).toLocaleString("en");
const cut = (text: string, width: number): string => (text.length > width ? `${text.slice(0, width - 1)}…` : text);

function spread(left: string, right: string, width: number): string {
  return `${left}${" ".repeat(Math.max(1, width - left.length - right.length))}${right}`;
}

/** Names are untrusted: control characters would move the cursor. */
const clip = (lines: readonly string[], { width, height }: Size): string[] =>
  lines.slice(0, height).map((line) => cut(line.replace(/\p{Cc}/gu, " "), width).trimEnd());
