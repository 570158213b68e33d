import { Decimal, ZERO } from "#kernel/decimal.js";
import { counterId, type LimitInForce, type LimitsInForce } from "./limits.js";
import { fromUnits, unitsDown, unitsUp } from "./scaling.js";
import { SLIDING } from "./windows.js";

/** Why a request is allowed or denied: the closed list. */
export const REASONS = {
  WITHIN_LIMITS: "Allowed: every limit has room",
  NO_LIMITS: "Allowed: no limit of the plan concerns this",
  SOFT_LIMIT_EXCEEDED: "Allowed: a soft limit is exceeded, which never blocks",
  DEGRADED: "Allowed: the counters of a soft limit are being rebuilt",
  LIMIT_EXCEEDED: "Denied: a hard limit has no room for the amount now",
  AMOUNT_EXCEEDS_LIMIT: "Denied: the amount alone is larger than a hard limit",
  COUNTER_REBUILDING: "Denied: the counters of a hard limit were lost or do not answer; try again later",
  TENANT_SUSPENDED: "Denied: the tenant is suspended",
  TENANT_CLOSED: "Denied: the tenant is closed",
} as const;
export type Reason = keyof typeof REASONS;

/** What the counters say about one counter, in its units. */
export interface Reading {
  readonly used: number;
  readonly reserved: number;
  readonly blockedUntil: number;
  readonly resetAt: number;
  readonly retryAt: number;
}

export type LimitStateName = "OK" | "WARNING" | "EXCEEDED" | "REBUILDING" | "DEGRADED";

export interface LimitReading {
  readonly limit: LimitInForce;
  readonly used: Decimal;
  readonly reserved: Decimal;
  readonly remaining: Decimal;
  readonly windowStart: number;
  readonly resetAt: number;
  readonly state: LimitStateName;
  /** Length of the window, ms. */
  readonly windowMs: number;
  /** Whether this limit denies the request. */
  readonly denies: boolean;
}

export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
  /** The plan version whose limits decided. */
  readonly plan: { readonly id: string; readonly version: number } | null;
  readonly expiresAt: number | null;
  readonly limits: readonly LimitReading[];
  /** When it is worth asking again; null when allowed. */
  readonly retryAt: number | null;
  readonly now: number;
}

/** Reads one limit: what is left of it, until when, and how it stands. */
export function readLimit(limit: LimitInForce, reading: Reading, inForce: LimitsInForce, now: number): LimitReading {
  const used = fromUnits(reading.used, limit.counter.scale);
  const reserved = fromUnits(reading.reserved, limit.counter.scale);
  const rest = Decimal.max(ZERO, limit.limit.minus(used).minus(reserved));
  const blocked = reading.blockedUntil > now;
  const { start, end } = inForce.period;
  const windowMs = limit.window === "BILLING_PERIOD" ? end - start : SLIDING[limit.window].windowMs;
  return {
    limit,
    used,
    reserved,
    remaining: blocked && limit.kind === "HARD" ? ZERO : rest,
    windowStart: limit.window === "BILLING_PERIOD" ? start : now - windowMs,
    resetAt: Math.max(reading.resetAt, reading.blockedUntil),
    state: blocked ? (limit.kind === "HARD" ? "REBUILDING" : "DEGRADED") : stateOf(limit, used.plus(reserved)),
    windowMs,
    denies: false,
  };
}

function stateOf(limit: LimitInForce, taken: Decimal): LimitStateName {
  if (taken.gte(limit.limit) && !(limit.limit.isZero() && taken.isZero())) return "EXCEEDED";
  return limit.warnAt.some((fraction) => taken.gte(fraction.times(limit.limit)) && taken.gt(0)) ? "WARNING" : "OK";
}

/** What an amount charges each limit: requests count one whatever the amount. */
export function chargedUnits({ counter }: Pick<LimitInForce, "counter">, amount: Decimal): number {
  return unitsUp(counter.meter === null ? new Decimal(1) : amount, counter.scale);
}

/** Explains the counters' verdict on `limits`; `readings` by counter id. */
export function explain(
  verdict: { readonly allowed: boolean; readonly expiresAt: number | null; readonly now: number },
  inForce: LimitsInForce,
  limits: readonly LimitInForce[],
  readings: ReadonlyMap<string, Reading>,
  amount: Decimal,
): Decision {
  const { allowed, now, expiresAt } = verdict;
  const pairs = limits.flatMap((limit) => {
    const reading = readings.get(counterId(limit.counter));
    return reading === undefined ? [] : [{ limit, reading, read: readLimit(limit, reading, inForce, now) }];
  });
  const denying = allowed
    ? []
    : pairs.filter(({ limit, reading }) => {
        const wanted = reading.used + reading.reserved + chargedUnits(limit, amount);
        return (
          limit.kind === "HARD" && (reading.blockedUntil > now || wanted > unitsDown(limit.limit, limit.counter.scale))
        );
      });
  const reads = pairs.map((pair) => (denying.includes(pair) ? { ...pair.read, denies: true } : pair.read));
  return {
    allowed,
    reason: allowed ? reasonToAllow(reads) : reasonToDeny(denying, amount),
    plan: { id: inForce.planId, version: inForce.planVersion },
    expiresAt,
    limits: reads,
    retryAt: allowed ? null : Math.max(now, ...denying.map(({ reading }) => reading.retryAt)),
    now,
  };
}

function reasonToAllow(reads: readonly LimitReading[]): Reason {
  if (reads.some((read) => read.state === "DEGRADED")) return "DEGRADED";
  const exceeded = reads.some((read) => read.used.plus(read.reserved).gt(read.limit.limit));
  return exceeded ? "SOFT_LIMIT_EXCEEDED" : "WITHIN_LIMITS";
}

function reasonToDeny(denying: readonly { limit: LimitInForce; read: LimitReading }[], amount: Decimal): Reason {
  if (denying.some(({ read }) => read.state === "REBUILDING")) return "COUNTER_REBUILDING";
  const tooLarge = denying.some(
    ({ limit }) => chargedUnits(limit, amount) > unitsDown(limit.limit, limit.counter.scale),
  );
  return tooLarge ? "AMOUNT_EXCEEDS_LIMIT" : "LIMIT_EXCEEDED";
}
