import { countedBy, stateOf } from "../show/limit-state.js";
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
  const all = latest.tenants.flatMap((tenant) => rowsOf(tenant, rates?.ofTenant.get(tenant.id)));
  const widths = widthsOf(all, width);
  const rows = all.map((row) => tenantLine(row, widths));
  const room = Math.max(1, height - lines.length - HEADER_LINES - LEAST_ALERTS);
  const shown = rows.length > room ? [...rows.slice(0, room - 1), `  and ${rows.length - room + 1} more lines`] : rows;
  lines.push(...summary(state, width), "", tenantHeader(widths), ...shown);
  if (latest.hasMore) lines.push(`  the first ${MOST_TENANTS} tenants; --tenant shows any other`);
  lines.push("", "ALERTS", ...alertLines(state.alerts, Math.max(1, height - lines.length - 2), width));
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

/** A line of the table: a limit, or a tenant without one. */
interface Row {
  /** Empty in a tenant's second and further lines. */
  readonly tenant: string;
  readonly rate: string;
  readonly limit?: {
    /** The meter and the rest of the limit's name: of a long name, the meter is shortened, because the rest tells limits apart. */
    readonly meter: string;
    readonly terms: string;
    readonly share: number;
    readonly state: string;
  };
}

interface Widths {
  readonly tenant: number;
  readonly limit: number;
  /** 0: no bar, only the percentage. */
  readonly picture: number;
}

/** A line per limit, and one without if there is none. */
function rowsOf({ id, status, quotas }: WatchedTenant, perSecond: number | undefined): Row[] {
  const tenant = status === "ACTIVE" ? id : `${id} (${status.toLowerCase()})`;
  const rate = perSecond === undefined ? "-" : perSecond.toFixed(1);
  if (quotas.length === 0) return [{ tenant, rate }];
  return quotas.map((quota, at) => {
    const { limit, used, reserved } = quota;
    const most = Number(limit.limit);
    const shown = {
      meter: countedBy(limit),
      terms: ` ${windowOf(limit.window)}, ${limit.kind.toLowerCase()}`,
      share: most > 0 ? (Number(used) + Number(reserved)) / most : 0,
      state: stateOf(quota),
    };
    return at === 0 ? { tenant, rate, limit: shown } : { tenant: "", rate: "", limit: shown };
  });
}

const LEAST_BAR = 4;
const LEAST_METER = 4;
/** The rate, the percentage, and the gaps between columns. */
const FIXED = 22;

/** The limits' names are whole before there is room for a bar; of tenants' names there are at least 12 characters. */
function widthsOf(rows: readonly Row[], width: number): Widths {
  const longest = (texts: readonly string[], least: number) => Math.max(least, ...texts.map(({ length }) => length));
  const limits = rows.flatMap(({ limit }) => (limit === undefined ? [] : [limit]));
  const states = limits.map(({ state }) => state);
  const room = width - FIXED - longest(states, "EXCEEDED".length);
  const names = rows.map(({ tenant }) => tenant);
  const needed = longest(names, "TENANT".length);
  const tenant = Math.min(needed, 12 + Math.max(0, Math.floor((width - 80) / 4)));
  const words = limits.map(({ meter, terms }) => meter + terms);
  const limit = Math.max("LIMIT".length, Math.min(longest(words, "LIMIT".length), room - tenant));
  const left = room - tenant - limit;
  const picture = left < LEAST_BAR ? 0 : Math.min(MOST_BAR, left);
  return { tenant: Math.min(needed, Math.max(tenant, room - limit - picture)), limit, picture };
}

const tenantHeader = ({ tenant, limit, picture }: Widths): string =>
  `${"TENANT".padEnd(tenant)}  EVENTS/S  ${"LIMIT".padEnd(limit)}  ${"USED".padEnd(picture + 6)}  STATE`;

function tenantLine({ tenant, rate, limit }: Row, widths: Widths): string {
  const first = `${cut(tenant, widths.tenant).padEnd(widths.tenant)}  ${rate.padStart(8)}`;
  if (limit === undefined) return `${first}  no limits`;
  const { meter, terms, share, state } = limit;
  const room = widths.limit - terms.length;
  const name = room < LEAST_METER ? cut(meter + terms, widths.limit) : cut(meter, room) + terms;
  const percent = `${share < 1 ? Math.floor(share * 100) : Math.round(share * 100)} %`.padStart(6);
  return `${first}  ${name.padEnd(widths.limit)}  ${bar(share, widths.picture)}${percent}  ${state}`;
}

const windowOf = (window: string): string =>
  window === "BILLING_PERIOD" ? "per period" : `per ${window.toLowerCase().replace("_", " ")}`;

function alertLines(alerts: readonly Alert[], room: number, width: number): string[] {
  if (alerts.length === 0) return ["  none since this began"];
  return alerts.slice(0, room).map(({ at, kind, tenantId, meter, unit, currency, window, used, limit, ...crossed }) => {
    const what = `${countedBy({ meter, unit, currency })} ${windowOf(window)}`;
    const line = `  ${at.slice(11, 19)}  ${kind.padEnd(8)}  ${tenantId}  ${what}: ${used} of ${limit}`;
    const whole = `${line} (${crossedText(crossed)} crossed)`;
    return whole.length > width ? line : whole;
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
