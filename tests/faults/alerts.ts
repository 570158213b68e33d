import { DAY_MS } from "#kernel/duration.js";
import { amount, plain } from "../oracle/amounts.js";
import { type AcknowledgedEvent, expectedTotal, type OracleMeter } from "../oracle/oracle.js";

/** As the graph shows it. */
export interface Alert {
  readonly kind: string;
  readonly meter: string | null;
  readonly windowStart: string;
  /** A share of the limit. */
  readonly threshold: string;
}

export interface Crossing {
  readonly tenantId: string;
  readonly events: readonly AcknowledgedEvent[];
  readonly meter: OracleMeter;
  /** Of a billing period, in amounts of the meter. */
  readonly limit: string;
  readonly warnAt: readonly string[];
  readonly periods: readonly { readonly startMs: number; readonly endMs: number }[];
  /** Whether a limit on requests has denied one. */
  readonly wasDenied: boolean;
}

const SHARE_DIGITS = 10n ** 30n;

/**
 * The alerts that must be there and are not: of each threshold that acknowledged usage reached, and of a denial. Without them, an alert
 * that was lost on its way would only mean one delivery less to wait for.
 */
export function missingAlerts(crossing: Crossing, alerts: readonly Alert[]): string[] {
  const { tenantId, events, meter, limit, warnAt, periods, wasDenied } = crossing;
  const isThere = (kind: string, of: string | null, startMs?: number, threshold?: string): boolean =>
    alerts.some(
      (one) =>
        one.kind === kind &&
        one.meter === of &&
        (startMs === undefined || Date.parse(one.windowStart) === startMs) &&
        (threshold === undefined || amount(one.threshold) === amount(threshold)),
    );
  const missing: string[] = [];
  for (const { startMs, endMs } of periods) {
    const used = expectedTotal(events, tenantId, meter, startMs, endMs);
    for (const threshold of [...warnAt, "1"]) {
      if (used * SHARE_DIGITS < amount(limit) * amount(threshold)) continue;
      const kind = threshold === "1" ? "EXCEEDED" : "WARNING";
      if (!isThere(kind, meter.key, startMs, threshold))
        missing.push(`${kind} at ${threshold} of ${limit} ${meter.key} from ${day(startMs)}, with ${plain(used)} used`);
    }
  }
  if (wasDenied && !isThere("EXCEEDED", null)) missing.push("EXCEEDED of requests, after a denial");
  return missing;
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Alerts are raised by what is recorded in a period, and for its own length after it. */
export const isAlerted = ({ startMs, endMs }: { readonly startMs: number; readonly endMs: number }, nowMs: number) =>
  nowMs + DAY_MS < endMs + (endMs - startMs);
