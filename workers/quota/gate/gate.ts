import { Decimal } from "#kernel/decimal.js";
import { MINUTE_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { isDenying, type TenantStatus } from "#schema/vocabulary.js";
import {
  type CounterCharge,
  CountersUnavailable,
  type DecideOutcome,
  type DecideRequest,
  type QuotaCounters,
} from "../counters/counters.js";
import { type Decision, explain, type LimitReading, type Reading, type Reason, readLimit } from "../rules/decision.js";
import { type LimitInForce, type LimitsInForce, reservationOf } from "../rules/limits.js";
import { unitsUp } from "../rules/scaling.js";
import { outlivesLoss } from "../rules/windows.js";
import { isDatabaseUnreachable } from "../store/store.js";
import type { Bounds, BoundWant } from "./bounds.js";
import type { CounterLoader } from "./loader.js";
import { counterWindow, type LimitedTenant, type TenantLimits } from "./tenant-limits.js";

export interface QuotaRequest {
  readonly tenantId: string;
  /** Null: counts as a request only. */
  readonly meter: string | null;
  readonly amount: Decimal;
  readonly idempotencyKey: string;
  readonly ttlMs: number;
}

export type Gate = ReturnType<typeof createGate>;

export interface GateOptions {
  readonly counters: QuotaCounters;
  readonly loader: CounterLoader;
  readonly bounds: Bounds;
  readonly limits: TenantLimits;
  /** Called when the counters could not decide; the limits' kinds decided instead. */
  onUnavailable(error: unknown): void;
  /** Called for each denial of a consume by a hard limit. */
  onDenied(tenant: TenantState, decision: Decision, inForce: LimitsInForce): void;
}

/** Maximum loads and raised bounds per request; more means that the counters are lost repeatedly. */
const MAX_ROUNDS = 32;
/** Suggested retry delay while the counters do not answer, ms. */
const UNAVAILABLE_RETRY_MS = 1_000;

/** Why a tenant's requests are denied regardless of its limits. */
const REFUSED_FOR: Readonly<Record<TenantStatus, Reason | undefined>> = {
  ACTIVE: undefined,
  SUSPENDED: "TENANT_SUSPENDED",
  CLOSED: "TENANT_CLOSED",
};
/** Suggested retry delay for a suspended or closed tenant, ms. */
const STATUS_RETRY_MS = MINUTE_MS;

/** Allows or denies: every limit of the tenant's plan that applies to the request, in one atomic step. */
export function createGate(options: GateOptions) {
  const { counters, loader, bounds, limits } = options;

  async function decide(mode: DecideRequest["mode"], request: QuotaRequest): Promise<Decision> {
    const { tenant, now, inForce } = known(limits.current(request.tenantId));
    const refusal = REFUSED_FOR[tenant.status];
    if (refusal !== undefined) return unlimited(refusal, false, now);
    const concern = inForce && concernOf(inForce, request.meter);
    if (inForce === undefined || concern === undefined) return unlimited("NO_LIMITS", true, now, inForce);
    const charges = chargesOf(concern, request.amount);
    const outcome = await decideWithRetries(tenant, charges, {
      mode,
      reservation: reservationOf(concern.meter, request.idempotencyKey),
      ttlMs: request.ttlMs,
    });
    const verdict = outcome ?? { ...unanswered(concern, charges, now), expiresAt: null, now };
    const asked = concern.limits.map(({ limit, charge }) => ({
      limit,
      charged: charges[charge]?.amount ?? 0,
      reading: verdict.readings[charge] ?? NOTHING,
    }));
    const decision = explain(verdict, inForce, asked);
    if (mode === "consume" && !decision.allowed) options.onDenied(tenant, decision, inForce);
    return decision;
  }

  /** Retries until the counters decide; undefined: they do not answer. */
  async function decideWithRetries(
    tenant: TenantState,
    charges: readonly CounterCharge[],
    how: Pick<DecideRequest, "mode" | "reservation" | "ttlMs">,
  ): Promise<Extract<DecideOutcome, { kind: "decided" }> | undefined> {
    const { mode, reservation, ttlMs } = how;
    const request = { mode, reservation, ttlMs, tenantId: tenant.id, now: tenant.testClock ?? undefined, charges };
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
    /** Evaluates a request without charging. */
    check: (request: QuotaRequest) => decide("check", request),
    /** Reserves if every hard limit has room; a repeated key gets the same decision and is charged once. */
    consume: (request: QuotaRequest) => decide("consume", request),
    /** Releases the remaining reservation of the key. */
    async release(tenantId: string, idempotencyKey: string): Promise<boolean> {
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
    async status(tenantId: string): Promise<readonly LimitReading[]> {
      const { tenant, now, inForce } = known(limits.current(tenantId));
      const concern = inForce && concernOf(inForce, EVERY);
      if (inForce === undefined || concern === undefined) return [];
      const charges = concern.charges.map((charge) => ({ ...charge, amount: 0 }));
      const outcome = await decideWithRetries(tenant, charges, { mode: "check", reservation: "", ttlMs: 0 });
      const { readings } = outcome ?? unanswered(concern, charges, now);
      return concern.limits.map(({ limit, charge }) =>
        readLimit(limit, readings[charge] ?? NOTHING, inForce, outcome?.now ?? now),
      );
    },
  };
}

const NOTHING: Reading = { used: 0, reserved: 0, blockedUntil: 0, resetAt: 0, retryAt: 0 };

function known(limited: LimitedTenant | undefined): LimitedTenant {
  if (limited === undefined) throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
  return limited;
}

/** The limits that apply to requests for one meter, and one charge per counter, without its amount. */
interface Concern {
  /** Part of the reservation's key: a meter, if a limit is on it. */
  readonly meter: string | null;
  /** Each with the index of its counter's charge. */
  readonly limits: readonly { readonly limit: LimitInForce; readonly charge: number }[];
  readonly charges: readonly Omit<CounterCharge, "amount">[];
  /** Fractional digits of each charge's counter. */
  readonly scales: readonly number[];
}

/** Used instead of a meter key: every limit. */
const EVERY = Symbol("every limit");
type Concerned = string | null | typeof EVERY;

const concerns = new WeakMap<LimitsInForce, Map<Concerned, Concern | undefined>>();

/** Undefined: none. The same for every request, so computed once. */
function concernOf(inForce: LimitsInForce, meter: Concerned): Concern | undefined {
  let ofMeter = concerns.get(inForce);
  if (ofMeter === undefined) {
    ofMeter = new Map();
    concerns.set(inForce, ofMeter);
  }
  if (!ofMeter.has(meter)) ofMeter.set(meter, newConcern(inForce, meter));
  return ofMeter.get(meter);
}

function newConcern(inForce: LimitsInForce, meter: Concerned): Concern | undefined {
  const limits = inForce.limits.filter((limit) => meter === EVERY || limit.meter === null || limit.meter === meter);
  if (limits.length === 0) return undefined;
  const counters = [...new Set(limits.map((limit) => limit.counterId))];
  const ofCounter = counters.map((counter) => limits.filter((limit) => limit.counterId === counter));
  return {
    meter: meter !== EVERY && limits.some((limit) => limit.meter !== null) ? meter : null,
    limits: limits.map((limit) => ({ limit, charge: counters.indexOf(limit.counterId) })),
    charges: ofCounter.map((own) => chargeOf(own, inForce)),
    scales: ofCounter.map((own) => own[0]?.counter.scale ?? 0),
  };
}

/** Of the limits on one counter, the smallest hard one applies. */
function chargeOf(limits: readonly LimitInForce[], inForce: LimitsInForce): Omit<CounterCharge, "amount"> {
  const [first] = limits;
  if (first === undefined) throw new Error("a counter without a limit");
  const hard = limits.filter((limit) => isDenying(limit.kind)).map((limit) => limit.units.most);
  return {
    counter: first.counterId,
    window: counterWindow(first.counter, inForce.period),
    hardLimit: hard.length === 0 ? null : Math.min(...hard),
    settles: first.meter !== null,
    bounded: hard.length > 0 && outlivesLoss(first.window),
  };
}

/** A request counts as one, whatever the amount. */
function chargesOf({ charges, scales }: Concern, amount: Decimal): readonly CounterCharge[] {
  return charges.map(({ counter, window, hardLimit, settles, bounded }, index) => ({
    counter,
    window,
    amount: unitsUp(settles ? amount : ONE, scales[index] ?? 0),
    hardLimit,
    settles,
    bounded,
  }));
}

const ONE = new Decimal(1);

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
function unanswered({ limits }: Concern, charges: readonly CounterCharge[], now: number) {
  const retryAt = now + UNAVAILABLE_RETRY_MS;
  const reading = { ...NOTHING, blockedUntil: retryAt, resetAt: retryAt, retryAt };
  return {
    allowed: !limits.some(({ limit }) => isDenying(limit.kind)),
    readings: charges.map(() => reading),
  };
}

function unlimited(reason: Reason, allowed: boolean, now: number, inForce?: LimitsInForce): Decision {
  const plan = inForce === undefined ? null : { id: inForce.planId, version: inForce.planVersion };
  return { allowed, reason, plan, expiresAt: null, limits: [], retryAt: allowed ? null : now + STATUS_RETRY_MS, now };
}
