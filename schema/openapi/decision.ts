import { type Static, Type } from "@sinclair/typebox";
import { LIMIT_KINDS, QUOTA_WINDOWS } from "../vocabulary.js";
import { decimal, enumOf, instant, instantOrNull, textOrNull } from "./parts.js";

/** Why a request is allowed or denied. */
export const REASONS = {
  WITHIN_LIMITS: "Allowed: every limit has room",
  NO_LIMITS: "Allowed: no limit of the plan applies",
  SOFT_LIMIT_EXCEEDED: "Allowed: a soft limit is exceeded, which never denies",
  DEGRADED: "Allowed: the counters of a soft limit are being rebuilt",
  LIMIT_EXCEEDED: "Denied: a hard limit has no room for the amount now",
  AMOUNT_EXCEEDS_LIMIT: "Denied: the amount alone exceeds a hard limit",
  DIMENSION_LIMIT: "Denied: the tenant has as many combinations of dimension values under a hard limit as it may have",
  COUNTER_REBUILDING: "Denied: the counters of a hard limit were lost or do not answer; retry later",
  TENANT_SUSPENDED: "Denied: the tenant is suspended",
  TENANT_CLOSED: "Denied: the tenant is closed",
} as const;
export type Reason = keyof typeof REASONS;

/** The keys of an object, which has no others. */
const namesOf = <T extends string>(object: Readonly<Record<T, unknown>>): readonly T[] => Object.keys(object) as T[];

const meanings = Object.entries(REASONS).map(([name, meaning]) => `- \`${name}\`: ${meaning}`);
const reason = enumOf(namesOf(REASONS), `The reason of the decision:\n${meanings.join("\n")}`);

const meter = textOrNull("The meter's key; null: requests are counted, or money");

const match = Type.Object({ dimension: Type.String(), value: Type.String() });

/** One limit that applies to the request, after the decision. */
const limit = {
  meter,
  unit: Type.Optional(
    Type.Literal("MONEY", {
      description: "Of a limit on what all usage of the billing period costs: its numbers are amounts of `currency`",
    }),
  ),
  currency: Type.Optional(Type.String({ description: "Of a limit in money: ISO 4217" })),
  window: enumOf(QUOTA_WINDOWS, "The time over which the limit counts"),
  kind: enumOf(LIMIT_KINDS, "`HARD` denies, `SOFT` only warns"),
  dimensions: Type.Optional(
    Type.Array(match, { description: "Of a limit with `by`: the combination of values that it is about" }),
  ),
  where: Type.Optional(Type.Array(match, { description: "Of a limit with `where`: the values that usage must have" })),
  limit: decimal("What the window may hold"),
  used: decimal("Recorded usage in the window"),
  reserved: decimal("Open reservations"),
  remaining: decimal("What is left"),
  resetAt: instant("When something of the window ends: a sliding one's oldest part, a billing period as a whole"),
  meterArchived: Type.Optional(Type.Literal(true, { description: "Only while the meter is archived" })),
};

const plan = Type.Union([Type.Object({ id: Type.String(), version: Type.Integer({ minimum: 1 }) }), Type.Null()], {
  description: "The plan version that decided",
});

/** The body of a decision. */
export const DecisionBody = Type.Object({
  allowed: Type.Boolean(),
  reason,
  reservationId: Type.Optional(Type.String({ description: "Of an allowed `consume` that a limit counts" })),
  expiresAt: Type.Optional(
    instant("When the reservation ends by itself, unless its event is recorded or it is released before"),
  ),
  plan,
  limits: Type.Array(Type.Object(limit), { description: "All limits that apply: they are one decision" }),
});
export type DecisionBody = Static<typeof DecisionBody>;

/** The body of `GET /v1/quota/denial`. */
export const DenialBody = Type.Object({
  idempotencyKey: Type.String(),
  meter: textOrNull("The meter asked for; null: none, or the several of `usage`"),
  amount: decimal("The amount that was denied; with `meter` null, 1"),
  usage: Type.Optional(
    Type.Array(Type.Object({ meter: Type.String(), amount: decimal("How much was asked for") }), {
      description: "Of a request for several meters: what was asked for of each",
    }),
  ),
  allowed: Type.Literal(false),
  deniedAt: instant("When it was denied"),
  reason: Type.String({ description: "As in the decision" }),
  explanation: Type.String({ description: "The reason in words" }),
  retryAt: instantOrNull("When the request would have been admitted if nobody else came; null: waiting does not help"),
  plan,
  limits: Type.Array(
    Type.Object({
      ...limit,
      window: Type.String(),
      kind: Type.String(),
      denies: Type.Boolean({ description: "Whether this limit denied the request" }),
    }),
  ),
});
export type DenialBody = Static<typeof DenialBody>;
