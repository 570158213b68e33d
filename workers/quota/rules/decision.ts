import { isDenying, WINDOW_MS } from "#schema/vocabulary.js";
import type { LimitInForce, LimitsInForce } from "./limits.js";
import { unitsText } from "./scaling.js";

export const REASONS = {
  WITHIN_LIMITS: "Allowed: every limit has room",
  NO_LIMITS: "Allowed: no limit of the plan applies",
  SOFT_LIMIT_EXCEEDED: "Allowed: a soft limit is exceeded, which never denies",
  DEGRADED: "Allowed: the counters of a soft limit are being rebuilt",
  LIMIT_EXCEEDED: "Denied: a hard limit has no room for the amount now",
  AMOUNT_EXCEEDS_LIMIT: "Denied: the amount alone exceeds a hard limit",
  COUNTER_REBUILDING: "Denied: the counters of a hard limit were lost or do not answer; retry later",
  TENANT_SUSPENDED: "Denied: the tenant is suspended",
  TENANT_CLOSED: "Denied: the tenant is closed",
} as const;
export type Reason = keyof typeof REASONS;

export const explanationOf = (reason: string): string =>
  Object.entries(REASONS).find(([name]) => name === reason)?.[1] ?? reason;

/** The state of one counter, in its units. */
export interface Reading {
  readonly used: number;
  readonly reserved: number;
  readonly blockedUntil: number;
  readonly resetAt: number;
  readonly retryAt: number;
}

export const LIMIT_STATES = ["OK", "WARNING", "EXCEEDED", "REBUILDING", "DEGRADED"] as const;
export type LimitState = (typeof LIMIT_STATES)[number];

/** Amounts are in units of the limit's counter; `amountsOf` formats them. */
export interface LimitReading {
  readonly limit: LimitInForce;
  readonly used: number;
  readonly reserved: number;
  readonly remaining: number;
  readonly windowStart: number;
  readonly resetAt: number;
  readonly state: LimitState;
  readonly windowMs: number;
  readonly denies: boolean;
}

/** Canonical decimals; usage is rounded up to the counter's scale, the remainder down. */
export function amountsOf({ limit, used, reserved, remaining }: LimitReading) {
  const { scale } = limit.counter;
  return {
    used: unitsText(used, scale),
    reserved: unitsText(reserved, scale),
    remaining: unitsText(remaining, scale),
  };
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
  readonly plan: { readonly id: string; readonly version: number } | null;
  readonly expiresAt: number | null;
  readonly limits: readonly LimitReading[];
  /** Earliest useful retry; null when allowed. */
  readonly retryAt: number | null;
  readonly now: number;
}

/**
 * Evaluates one limit: the remainder, its reset, and its status. `charged` denies an amount that does not fit; undefined: no
 * request.
 */
export function readLimit(
  limit: LimitInForce,
  reading: Reading,
  inForce: LimitsInForce,
  now: number,
  charged?: number,
): LimitReading {
  const taken = reading.used + reading.reserved;
  const isHard = isDenying(limit.kind);
  const isBlocked = reading.blockedUntil > now;
  const { start, end } = inForce.period;
  const windowMs = limit.window === "BILLING_PERIOD" ? end - start : WINDOW_MS[limit.window];
  return {
    limit,
    used: reading.used,
    reserved: reading.reserved,
    remaining: isBlocked && isHard ? 0 : Math.max(0, limit.units.most - taken),
    windowStart: limit.window === "BILLING_PERIOD" ? start : now - windowMs,
    resetAt: Math.max(reading.resetAt, reading.blockedUntil),
    state: isBlocked ? (isHard ? "REBUILDING" : "DEGRADED") : stateOf(limit, taken),
    windowMs,
    denies: charged !== undefined && isHard && (isBlocked || taken + charged > limit.units.most),
  };
}

function stateOf({ units }: LimitInForce, taken: number): LimitState {
  if (taken >= units.reached && !(units.reached === 0 && taken === 0)) return "EXCEEDED";
  return taken > 0 && units.warnings.some((at) => taken >= at) ? "WARNING" : "OK";
}

/** One limit's charge, and the state of its counter. */
export interface AskedOfLimit {
  readonly limit: LimitInForce;
  /** The request's charge, in the counter's units. */
  readonly charged: number;
  readonly reading: Reading;
}

/** Explains the counters' decision with the limits that apply to a request. */
export function explain(
  { allowed, now, expiresAt }: { readonly allowed: boolean; readonly expiresAt: number | null; readonly now: number },
  inForce: LimitsInForce,
  asked: readonly AskedOfLimit[],
): Decision {
  const reads = asked.map(({ limit, charged, reading }) =>
    readLimit(limit, reading, inForce, now, allowed ? undefined : charged),
  );
  const plan = { id: inForce.planId, version: inForce.planVersion };
  if (allowed) return { allowed, reason: reasonToAllow(reads), plan, expiresAt, limits: reads, retryAt: null, now };
  const denying = asked.filter((_, index) => reads[index]?.denies);
  return {
    allowed,
    reason: reasonToDeny(reads, denying),
    plan,
    expiresAt,
    limits: reads,
    retryAt: Math.max(now, ...denying.map(({ reading }) => reading.retryAt)),
    now,
  };
}

function reasonToAllow(reads: readonly LimitReading[]): Reason {
  if (reads.some(({ state }) => state === "DEGRADED")) return "DEGRADED";
  const isExceeded = reads.some(({ limit, used, reserved }) => used + reserved > limit.units.most);
  return isExceeded ? "SOFT_LIMIT_EXCEEDED" : "WITHIN_LIMITS";
}

function reasonToDeny(reads: readonly LimitReading[], denying: readonly AskedOfLimit[]): Reason {
  if (reads.some(({ denies, state }) => denies && state === "REBUILDING")) return "COUNTER_REBUILDING";
  const isTooLarge = denying.some(({ limit, charged }) => charged > limit.units.most);
  return isTooLarge ? "AMOUNT_EXCEEDS_LIMIT" : "LIMIT_EXCEEDED";
}
