import { Decimal } from "#kernel/decimal.js";
import { MetrlyError } from "#kernel/errors.js";
import {
  type CounterCharge,
  CountersUnavailable,
  type DecideOutcome,
  type DecideRequest,
  type QuotaCounters,
} from "#platform/quota-counters.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { Bounds, BoundWant } from "./bounds.js";
import type { CounterLoader } from "./loader.js";
import {
  chargedUnits,
  type Decision,
  explain,
  type LimitReading,
  type Reading,
  type Reason,
  readLimit,
} from "./rules/decision.js";
import { counterId, type LimitInForce, type LimitsInForce, reservationOf } from "./rules/limits.js";
import { unitsDown } from "./rules/scaling.js";
import { outlivesLoss } from "./rules/windows.js";
import { isDatabaseUnreachable } from "./store.js";
import { counterWindow, type LimitedTenant, type TenantLimits } from "./tenant-limits.js";

export interface QuotaRequest {
  readonly tenantId: string;
  /** Null: counts as a request only. */
  readonly meter: string | null;
  readonly amount: Decimal;
  readonly idempotencyKey: string;
  readonly ttlMs: number;
}

export interface Gate {
  /** Looks whether it would be allowed; charges nothing. */
  check(request: QuotaRequest): Promise<Decision>;
  /** Reserves if every hard limit has room; the same key again answers the same and charges once. */
  consume(request: QuotaRequest): Promise<Decision>;
  /** Gives back what is still reserved under the key. */
  release(tenantId: string, idempotencyKey: string): Promise<boolean>;
  /** How every limit in force stands. */
  status(tenantId: string): Promise<readonly LimitReading[]>;
}

export interface GateOptions {
  readonly counters: QuotaCounters;
  readonly loader: CounterLoader;
  readonly bounds: Bounds;
  readonly limits: TenantLimits;
  /** Told why the counters could not decide; the request was answered as its limits' kinds say. */
  onUnavailable(error: unknown): void;
  /** Told of each denial of a consume by a hard limit. */
  onDenied(tenant: TenantState, decision: Decision, inForce: LimitsInForce): void;
}

/** Loads and raised bounds that one request waits for at most; more means that the counters are lost again and again. */
const MAX_ROUNDS = 32;
/** When to ask again while the counters do not answer, ms. */
const UNAVAILABLE_RETRY_MS = 1_000;

/** When to ask again for a tenant that is suspended or closed, ms. */
const STATUS_RETRY_MS = 60_000;

/** Allows or denies: every limit of the tenant's plan that concerns the request, in one atomic step. */
export function createGate(options: GateOptions): Gate {
  const { counters, loader, bounds, limits } = options;

  async function decide(mode: DecideRequest["mode"], request: QuotaRequest): Promise<Decision> {
    const limited = known(limits.current(request.tenantId));
    const { tenant, now, inForce } = limited;
    if (tenant.status !== "ACTIVE") {
      return unlimited(tenant.status === "SUSPENDED" ? "TENANT_SUSPENDED" : "TENANT_CLOSED", false, now);
    }
    const concerned = inForce?.limits.filter((limit) => limit.meter === null || limit.meter === request.meter) ?? [];
    if (inForce === undefined || concerned.length === 0) return unlimited("NO_LIMITS", true, now, inForce);
    const meter = concerned.some((limit) => limit.meter !== null) ? request.meter : null;
    const charges = chargesOf(concerned, inForce, request.amount);
    const outcome = await settled(limited, charges, {
      mode,
      reservation: reservationOf(meter, request.idempotencyKey),
      ttlMs: request.ttlMs,
    });
    const verdict = outcome ?? { ...unanswered(concerned, charges, now), expiresAt: null, now };
    const readings = new Map(charges.map((charge, index) => [charge.counter, verdict.readings[index] ?? NOTHING]));
    const decision = explain(verdict, inForce, concerned, readings, request.amount);
    if (mode === "consume" && !decision.allowed) options.onDenied(tenant, decision, inForce);
    return decision;
  }

  /** Asks the counters until they decide; undefined: they do not answer. */
  async function settled(
    { tenant }: LimitedTenant,
    charges: readonly CounterCharge[],
    how: Pick<DecideRequest, "mode" | "reservation" | "ttlMs">,
  ): Promise<Extract<DecideOutcome, { kind: "decided" }> | undefined> {
    const request = { ...how, tenantId: tenant.id, now: tenant.testClock ?? undefined, charges };
    try {
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const outcome = await counters.decide(request);
        if (outcome.kind === "decided") return outcome;
        if (outcome.kind === "unknown") await loader.load(tenant.id);
        else await bounds.raise(tenant.id, wantsOf(outcome.needs, charges));
      }
    } catch (error) {
      if (!(error instanceof CountersUnavailable) && !isDatabaseUnreachable(error)) throw error;
      options.onUnavailable(error);
    }
    return undefined;
  }

  return {
    check: (request) => decide("check", request),
    consume: (request) => decide("consume", request),
    async release(tenantId, idempotencyKey) {
      const { tenant, inForce } = known(limits.current(tenantId));
      const meters = new Set([null, ...(inForce?.limits.map((limit) => limit.meter) ?? [])]);
      const released = await Promise.all(
        [...meters].map((meter) =>
          counters.release(tenantId, reservationOf(meter, idempotencyKey), tenant.testClock ?? undefined),
        ),
      ).catch((error: unknown) => {
        if (error instanceof CountersUnavailable) throw new MetrlyError("UNAVAILABLE", error.message);
        throw error;
      });
      return released.includes(true);
    },
    async status(tenantId) {
      const limited = known(limits.current(tenantId));
      const { now, inForce } = limited;
      if (inForce === undefined || inForce.limits.length === 0) return [];
      const charges = chargesOf(inForce.limits, inForce, new Decimal(0)).map((charge) => ({ ...charge, amount: 0 }));
      const outcome = await settled(limited, charges, { mode: "check", reservation: "", ttlMs: 0 });
      const { readings } = outcome ?? unanswered(inForce.limits, charges, now);
      const byCounter = new Map(charges.map((charge, index) => [charge.counter, readings[index] ?? NOTHING]));
      return inForce.limits.map((limit) =>
        readLimit(limit, byCounter.get(counterId(limit.counter)) ?? NOTHING, inForce, outcome?.now ?? now),
      );
    },
  };
}

const NOTHING: Reading = { used: 0, reserved: 0, blockedUntil: 0, resetAt: 0, retryAt: 0 };

function known(limited: LimitedTenant | undefined): LimitedTenant {
  if (limited === undefined) throw new MetrlyError("NOT_FOUND", "There is no such tenant");
  return limited;
}

/** One charge per counter, under the smallest hard limit on it. */
function chargesOf(limits: readonly LimitInForce[], inForce: LimitsInForce, amount: Decimal): readonly CounterCharge[] {
  const charges = new Map<string, CounterCharge>();
  for (const limit of limits) {
    const counter = counterId(limit.counter);
    const before = charges.get(counter)?.hardLimit ?? null;
    const own = limit.kind === "HARD" ? unitsDown(limit.limit, limit.counter.scale) : null;
    const hardLimit = before === null || own === null ? (before ?? own) : Math.min(before, own);
    charges.set(counter, {
      counter,
      window: counterWindow(limit.counter, inForce.period),
      amount: chargedUnits(limit, amount),
      hardLimit,
      settles: limit.meter !== null,
      bounded: hardLimit !== null && outlivesLoss(limit.window),
    });
  }
  return [...charges.values()];
}

function wantsOf(
  needs: Extract<DecideOutcome, { kind: "bounds" }>["needs"],
  charges: readonly CounterCharge[],
): readonly BoundWant[] {
  return needs.flatMap((need) => {
    const charge = charges.find((candidate) => candidate.counter === need.counter);
    return charge === undefined || charge.hardLimit === null ? [] : [{ need, hardLimit: charge.hardLimit }];
  });
}

/** While the counters do not answer, hard limits deny and soft ones allow. */
function unanswered(limits: readonly LimitInForce[], charges: readonly CounterCharge[], now: number) {
  const retryAt = now + UNAVAILABLE_RETRY_MS;
  const reading = { ...NOTHING, blockedUntil: retryAt, resetAt: retryAt, retryAt };
  return {
    allowed: !limits.some((limit) => limit.kind === "HARD"),
    readings: charges.map(() => reading),
  };
}

function unlimited(reason: Reason, allowed: boolean, now: number, inForce?: LimitsInForce): Decision {
  const plan = inForce === undefined ? null : { id: inForce.planId, version: inForce.planVersion };
  return { allowed, reason, plan, expiresAt: null, limits: [], retryAt: allowed ? null : now + STATUS_RETRY_MS, now };
}
