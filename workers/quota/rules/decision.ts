import type { Period } from "#kernel/period.js";
import type { DimensionMatchState } from "#schema/events/tenancy-changed.v1.js";
import { REASONS, type Reason } from "#schema/openapi/decision.js";
import { isDenying, isPeriodWindow, type LimitUnit, WINDOW_MS } from "#schema/vocabulary.js";
import type { Amount, CounterReading, Decided } from "../counters/counters.js";
import { amountText } from "./amount.js";
import type { LimitInForce, LimitsInForce } from "./limits.js";
import { matchesOf } from "./scopes.js";

export const explanationOf = (reason: string): string =>
  Object.entries(REASONS).find(([name]) => name === reason)?.[1] ?? reason;

export const LIMIT_STATES = ["OK", "WARNING", "EXCEEDED", "REBUILDING", "DEGRADED"] as const;
export type LimitState = (typeof LIMIT_STATES)[number];

export interface LimitReading {
  readonly limit: LimitInForce;
  /** Of a limit with `by`: the combination of values that it is about; empty otherwise. */
  readonly dimensions: readonly DimensionMatchState[];
  readonly used: Amount;
  readonly reserved: Amount;
  /** The part of `used` or `reserved` that a loss of the counters may have hidden. */
  readonly lost: Amount;
  /** More than the limit after negative usage. */
  readonly remaining: Amount;
  readonly windowStart: number;
  readonly resetAt: number;
  readonly state: LimitState;
  readonly windowMs: number;
  readonly denies: boolean;
}

/** Canonical decimals. */
export function amountsOf({ used, reserved, remaining }: LimitReading) {
  return { used: amountText(used), reserved: amountText(reserved), remaining: amountText(remaining) };
}

export const unitOf = ({ money }: Pick<LimitInForce, "money">): LimitUnit =>
  money === undefined ? "QUANTITY" : "MONEY";

/** What a reading is about beside its meter and window; without `by` and `where`, nothing. */
export const scopeMembers = ({ dimensions, limit: { counter } }: LimitReading) => ({
  ...(dimensions.length > 0 && { dimensions: [...dimensions] }),
  ...((counter.scope?.where.length ?? 0) > 0 && { where: [...(counter.scope?.where ?? [])] }),
});

export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
  readonly plan: { readonly id: string; readonly version: number } | null;
  readonly expiresAt: number | null;
  readonly limits: readonly LimitReading[];
  /** When the same request is admitted if nothing else comes; null: it is allowed, or waiting does not help. */
  readonly retryAt: number | null;
  readonly now: number;
}

/**
 * Evaluates one limit: the remainder, its reset, and its status. `charged` denies an amount that does not fit; undefined: no
 * request. `values`: of a limit with `by`, the combination.
 */
export function readLimit(
  limit: LimitInForce,
  reading: CounterReading,
  now: number,
  charged?: Amount,
  values: readonly string[] = [],
): LimitReading {
  const taken = reading.used + reading.reserved;
  const isHard = isDenying(limit.kind);
  const isBlocked = reading.blockedUntil > now;
  const { start, end } = limit.bounds ?? slidTo(limit, now);
  const left = limit.units.most - taken;
  const { scope } = limit.counter;
  return {
    limit,
    dimensions: scope === undefined || values.length === 0 ? [] : matchesOf(scope, values),
    used: reading.used,
    reserved: reading.reserved,
    lost: reading.lost,
    remaining: left < 0n || (isBlocked && isHard) ? 0n : left,
    windowStart: start,
    resetAt: Math.max(reading.resetAt, reading.blockedUntil),
    state: stateOf(limit, reading, isBlocked),
    windowMs: end - start,
    denies: charged !== undefined && isHard && reading.denies && (isBlocked || reading.full === true || charged > left),
  };
}

function slidTo({ window }: LimitInForce, now: number): Period {
  if (isPeriodWindow(window)) throw new Error(`a ${window} without bounds`);
  return { start: now - WINDOW_MS[window], end: now };
}

/** What a loss may have hidden denies, but is no usage: it neither warns nor exceeds. */
function stateOf(
  { kind, units }: LimitInForce,
  { used, reserved, lost }: CounterReading,
  isBlocked: boolean,
): LimitState {
  if (isBlocked) return isDenying(kind) ? "REBUILDING" : "DEGRADED";
  const taken = used + reserved - lost;
  if (taken >= units.most && !(units.most === 0n && taken === 0n)) return "EXCEEDED";
  if (isDenying(kind) && lost > 0n && taken + lost >= units.most) return "REBUILDING";
  return taken > 0n && units.warnings.some((at) => taken >= at) ? "WARNING" : "OK";
}

/** One limit's charge, and the state of its counter. */
export interface AskedOfLimit {
  readonly limit: LimitInForce;
  /** Of a limit with `by`: the combination, in the order of its scope. */
  readonly values?: readonly string[];
  readonly charged: Amount;
  readonly reading: CounterReading;
}

/** Explains the counters' decision with the limits that apply to a request. */
export function explain(
  {
    allowed,
    now,
    expiresAt,
    retryAt,
    deniedByLoss,
  }: Pick<Decided, "allowed" | "now" | "expiresAt" | "retryAt" | "deniedByLoss">,
  inForce: LimitsInForce,
  asked: readonly AskedOfLimit[],
): Decision {
  const limits = asked.map(({ limit, reading, charged, values }) =>
    readLimit(limit, reading, now, allowed ? undefined : charged, values),
  );
  const reason = allowed ? reasonToAllow(limits) : reasonToDeny(asked, limits, now, deniedByLoss);
  const plan = { id: inForce.planId, version: inForce.planVersion };
  return { allowed, reason, plan, expiresAt, limits, retryAt: allowed ? null : retryAt, now };
}

function reasonToAllow(reads: readonly LimitReading[]): Reason {
  if (reads.some(({ state }) => state === "DEGRADED")) return "DEGRADED";
  const isExceeded = reads.some(({ limit, used, reserved, lost }) => used + reserved - lost > limit.units.most);
  return isExceeded ? "SOFT_LIMIT_EXCEEDED" : "WITHIN_LIMITS";
}

function reasonToDeny(
  asked: readonly AskedOfLimit[],
  limits: readonly LimitReading[],
  now: number,
  deniedByLoss: boolean,
): Reason {
  const denying = asked.filter((_, index) => limits[index]?.denies);
  if (deniedByLoss || denying.some(({ reading }) => reading.blockedUntil > now)) return "COUNTER_REBUILDING";
  if (denying.some(({ reading }) => reading.full === true)) return "DIMENSION_LIMIT";
  return denying.some(isTooLarge) ? "AMOUNT_EXCEEDS_LIMIT" : "LIMIT_EXCEEDED";
}

/** Whether the amount would not fit even if nothing were reserved; negative usage makes room. */
const isTooLarge = ({ limit, charged, reading: { used, ...reading } }: AskedOfLimit): boolean =>
  limit.money !== undefined ? reading.isTooLarge === true : charged > limit.units.most - (used < 0n ? used : 0n);
