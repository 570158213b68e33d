import type { DecisionBody, DenialBody } from "#schema/openapi/decision.js";
import type { Denial } from "../gate/denial-log.js";
import { wholeOf } from "../rules/amount.js";
import { amountsOf, type Decision, explanationOf, type LimitReading, scopeMembers } from "../rules/decision.js";
import { combinationId } from "../rules/scopes.js";
import { aboutOf } from "../rules/thresholds.js";
import type { ParsedRequest } from "./request.js";

/** The body of a decision, part of the public contract. */
export function decisionBody(decision: Decision, { tenantId, usage, idempotencyKey }: ParsedRequest): DecisionBody {
  const reserved = decision.allowed && decision.expiresAt !== null;
  return {
    allowed: decision.allowed,
    reason: decision.reason,
    ...(reserved && {
      reservationId: `${tenantId}:${usage.map(({ meter }) => meter).join("+") || "requests"}:${idempotencyKey}`,
    }),
    ...(reserved && decision.expiresAt !== null && { expiresAt: new Date(decision.expiresAt).toISOString() }),
    plan: decision.plan,
    limits: decision.limits.map((read) => ({
      meter: read.limit.meter,
      ...(read.limit.money && { unit: "MONEY" as const, currency: read.limit.money.currency }),
      window: read.limit.window,
      kind: read.limit.kind,
      ...scopeMembers(read),
      limit: read.limit.text,
      ...amountsOf(read),
      resetAt: new Date(read.resetAt).toISOString(),
      ...(read.limit.meterArchived && { meterArchived: true }),
    })),
  };
}

/** The body of a stored denial: the decision's body with its time and request. */
export function denialBody({ at, retryAt, limits, reason, ...denial }: Denial): DenialBody {
  return {
    ...denial,
    allowed: false,
    deniedAt: new Date(at).toISOString(),
    reason,
    explanation: explanationOf(reason),
    retryAt: retryAt === null ? null : new Date(retryAt).toISOString(),
    limits: limits.map((limit) => ({ ...limit, resetAt: new Date(limit.resetAt).toISOString() })),
  };
}

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10: lists of structured fields, one member per
 * policy; q quota, w window in seconds, r remaining, t seconds until reset; whole numbers, here rounded down), and
 * `Retry-After` of a denial that ends by itself, in seconds, rounded up.
 */
export function decisionHeaders(decision: Decision): Record<string, string> {
  const headers: Record<string, string> = {};
  if (decision.limits.length > 0) {
    headers["ratelimit-policy"] = decision.limits
      .map(
        (read) =>
          `${policyName(read)};q=${integerOf(read.limit.units.most)}${unitParameter(read)};w=${Math.max(1, Math.round(read.windowMs / 1000))}`,
      )
      .join(", ");
    headers.ratelimit = decision.limits
      .map((read) => `${policyName(read)};r=${integerOf(read.remaining)};t=${secondsUntil(read.resetAt, decision.now)}`)
      .join(", ");
  }
  if (decision.retryAt !== null) {
    headers["retry-after"] = String(Math.max(1, secondsUntil(decision.retryAt, decision.now)));
  }
  return headers;
}

/** Longer names of combinations are told by their digest: proxies refuse long headers. */
const MOST_NAMED = 128;

/** E.g. "api_calls:HOUR", or "tokens:DAY:user=u1" of a combination; values are percent-encoded. */
function policyName({ limit, dimensions }: LimitReading): string {
  const { scope } = limit.counter;
  const name = `${aboutOf(limit)}:${limit.window}`;
  if (scope === undefined) return `"${name}"`;
  const matches = [...dimensions, ...scope.where];
  const told = matches.map(({ dimension, value }) => `${encoded(dimension)}=${encoded(value)}`).join(",");
  const digest = [scope.id, ...(dimensions.length > 0 ? [combinationId(dimensions.map(({ value }) => value))] : [])];
  return `"${name}:${told.length <= MOST_NAMED ? told : digest.join(".")}"`;
}

/** Names and values are valid Unicode. */
const encoded = (text: string): string => encodeURIComponent(text).replaceAll("'", "%27");

/** The quota unit of money is its currency; others are told by the policy's name. */
const unitParameter = ({ limit: { money } }: LimitReading): string =>
  money === undefined ? "" : `;qu="${money.currency}"`;

/** Integers of structured fields have at most 15 digits. */
const MOST_WHOLE = 999_999_999_999_999n;

function integerOf(amount: bigint): string {
  const whole = wholeOf(amount);
  return String(whole > MOST_WHOLE ? MOST_WHOLE : whole);
}

const secondsUntil = (at: number, now: number): number => Math.max(0, Math.ceil((at - now) / 1000));
