import { DAY_MS, MINUTE_MS } from "#kernel/duration.js";

/**
 * The retry schedule. Caps grow threefold from a minute, each delay is uniform between zero and its cap ("full jitter", against
 * thundering herds), so that ten attempts span about three days: 3.4 on average, 6.8 at most.
 */
export const MAX_ATTEMPTS = 10;
const FIRST_CAP_MS = MINUTE_MS;
const GROWTH = 3;
/** Maximum honoured `Retry-After`, so that one header cannot postpone a delivery indefinitely. */
const MAX_RETRY_AFTER_MS = DAY_MS;

/** An endpoint that has only failed for this long is disabled. */
export const DISABLE_AFTER_FAILING_MS = 5 * DAY_MS;

export interface AttemptResult {
  readonly startedAt: number;
  readonly durationMs: number;
  /** Undefined: no response. */
  readonly responseStatus: number | undefined;
  /** The reason of the failure; undefined after a 2xx. */
  readonly error: string | undefined;
  /** The start of the response's body. */
  readonly responseBody: string | undefined;
  /** The receiver's `Retry-After`, ms. */
  readonly retryAfterMs: number | undefined;
  /** The target must not be, or never will be, reached: retrying is useless. */
  readonly isPermanent: boolean;
}

export type Verdict =
  | { readonly kind: "delivered" }
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "dead"; readonly reason: string; readonly disablesEndpoint: boolean };

const GONE = 410;

/**
 * Evaluates the `attempt`th attempt (from 1) of the current schedule. `random` is uniform in [0, 1). Covers every end of a
 * delivery: delivered, or dead with a reason.
 */
export function judgeAttempt(result: AttemptResult, attempt: number, random: number): Verdict {
  if (result.error === undefined) return { kind: "delivered" };
  if (result.responseStatus === GONE)
    return { kind: "dead", reason: "the receiver answered 410 Gone; the endpoint is disabled", disablesEndpoint: true };
  if (result.isPermanent) return { kind: "dead", reason: result.error, disablesEndpoint: false };
  if (attempt >= MAX_ATTEMPTS)
    return { kind: "dead", reason: `${attempt} attempts failed; the last: ${result.error}`, disablesEndpoint: false };
  return { kind: "retry", delayMs: Math.max(redeliveryDelayMs(attempt, random), result.retryAfterMs ?? 0) };
}

/** The delay after the `attempt`th failed attempt (from 1), ms. */
export function redeliveryDelayMs(attempt: number, random: number): number {
  return Math.floor(FIRST_CAP_MS * GROWTH ** (attempt - 1) * random);
}

/** Parses `Retry-After` (RFC 9110, 10.2.3): seconds or an HTTP date. Undefined when absent or unreadable. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const waitMs = /^\d{1,10}$/.test(text) ? Number(text) * 1000 : dateOf(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(0, waitMs), MAX_RETRY_AFTER_MS);
}

/** `Date.parse` alone would accept "-5" as a year. */
function dateOf(text: string): number {
  return text.endsWith("GMT") ? Date.parse(text) : Number.NaN;
}
