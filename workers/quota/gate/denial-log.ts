import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { formatDecimal } from "#kernel/decimal.js";
import { MetrlyError } from "#kernel/errors.js";
import { nextTurn } from "#platform/lifecycle/time.js";
import { CountersUnavailable, type QuotaCounters } from "../counters/counters.js";
import { amountsOf, type Decision, scopeMembers } from "../rules/decision.js";
import type { QuotaRequest } from "./gate.js";

const Match = Type.Object({ dimension: Type.String(), value: Type.String() });
const Limit = Type.Object({
  meter: Type.Union([Type.String(), Type.Null()]),
  unit: Type.Optional(Type.Literal("MONEY")),
  currency: Type.Optional(Type.String()),
  window: Type.String(),
  kind: Type.String(),
  dimensions: Type.Optional(Type.Array(Match)),
  where: Type.Optional(Type.Array(Match)),
  limit: Type.String(),
  used: Type.String(),
  reserved: Type.String(),
  remaining: Type.String(),
  resetAt: Type.Number(),
  denies: Type.Boolean(),
  meterArchived: Type.Optional(Type.Literal(true)),
});
const Denial = Type.Object({
  idempotencyKey: Type.String(),
  at: Type.Number(),
  meter: Type.Union([Type.String(), Type.Null()]),
  amount: Type.String(),
  /** Of a request for several meters, which `meter` and `amount` say nothing about; absent: of another. */
  usage: Type.Optional(Type.Array(Type.Object({ meter: Type.String(), amount: Type.String() }))),
  reason: Type.String(),
  plan: Type.Union([Type.Object({ id: Type.String(), version: Type.Number() }), Type.Null()]),
  retryAt: Type.Union([Type.Number(), Type.Null()]),
  limits: Type.Array(Limit),
});
/** A denied `consume` at the time of its decision. Times are epoch ms. */
export type Denial = Static<typeof Denial>;

export type DenialLog = ReturnType<typeof createDenialLog>;

/** Maximum denials of a tenant stored per turn of the event loop; older ones would be dropped anyway. */
const MOST_PER_TURN = 256;

/** Explains denials afterwards. Best effort: while Redis is down nothing is stored. */
export function createDenialLog(counters: QuotaCounters, onError: (error: unknown) => void) {
  let fresh = new Map<string, Denial[]>();

  function flush(): void {
    const all = fresh;
    fresh = new Map();
    for (const [tenantId, denials] of all) {
      const texts = denials.map((denial) => JSON.stringify(denial));
      counters.remember(tenantId, texts).catch((error: unknown) => {
        if (!(error instanceof CountersUnavailable)) onError(error);
      });
    }
  }

  return {
    /** Stores a denial in the background; under load only the newest. */
    remember(request: QuotaRequest, decision: Decision): void {
      if (fresh.size === 0) nextTurn(flush);
      const ofTenant = fresh.get(request.tenantId) ?? [];
      fresh.set(request.tenantId, ofTenant);
      if (ofTenant.length < MOST_PER_TURN) ofTenant.push(denialOf(request, decision));
    },
    /** The tenant's last denial under the key within an hour, from any process. Throws UNAVAILABLE. */
    async find(tenantId: string, idempotencyKey: string): Promise<Denial | undefined> {
      const texts = await counters.recall(tenantId).catch((error: unknown) => {
        if (error instanceof CountersUnavailable) throw new MetrlyError("UNAVAILABLE", error.message);
        throw error;
      });
      for (const text of texts) {
        const denial = Value.Parse(Denial, JSON.parse(text));
        if (denial.idempotencyKey === idempotencyKey) return denial;
      }
      return undefined;
    },
  };
}

const denialOf = ({ idempotencyKey, usage }: QuotaRequest, decision: Decision): Denial => ({
  idempotencyKey,
  at: decision.now,
  ...askedMembers(usage),
  reason: decision.reason,
  plan: decision.plan,
  retryAt: decision.retryAt,
  limits: decision.limits.map((read) => ({
    meter: read.limit.meter,
    ...(read.limit.money && { unit: "MONEY" as const, currency: read.limit.money.currency }),
    window: read.limit.window,
    kind: read.limit.kind,
    ...scopeMembers(read),
    limit: read.limit.text,
    ...amountsOf(read),
    resetAt: read.resetAt,
    denies: read.denies,
    ...(read.limit.meterArchived && { meterArchived: true as const }),
  })),
});

/** A request counts as one. */
function askedMembers(usage: QuotaRequest["usage"]): Pick<Denial, "meter" | "amount" | "usage"> {
  const asked = usage.map(({ meter, amount }) => ({ meter, amount: formatDecimal(amount) }));
  const [first] = asked;
  if (first === undefined) return { meter: null, amount: "1" };
  return asked.length === 1 ? first : { meter: null, amount: "1", usage: asked };
}
