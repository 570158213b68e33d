import { MINUTE_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { sleep } from "#platform/lifecycle/time.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { Reason } from "#schema/openapi/decision.js";
import { isDenying, type TenantStatus } from "#schema/vocabulary.js";
import {
  type CounterCharge,
  type CounterReading,
  CountersUnavailable,
  type Decided,
  type Operation,
  type Outcome,
  type QuotaCounters,
} from "../counters/counters.js";
import { type Decision, explain, type LimitReading, readLimit } from "../rules/decision.js";
import type { LimitInForce, LimitsInForce } from "../rules/limits.js";
import { askedText, type Dimensions, NO_DIMENSIONS } from "../rules/scopes.js";
import { DatabaseUnreachable } from "../store/unreachable.js";
import type { Bounds } from "./bounds.js";
import {
  type Asked,
  askedOf,
  type ChargedLimit,
  concernOf,
  EVERY_LIMIT,
  looksOf,
  type MeterUsage,
} from "./concerns.js";
import type { Freshness } from "./freshness.js";
import type { CounterLoader } from "./loader.js";
import type { LimitedTenant, TenantLimits } from "./tenant-limits.js";

export interface QuotaRequest {
  readonly tenantId: string;
  /** What is asked for, all or nothing, ascending by meter, each of them once; empty: counts as a request only. */
  readonly usage: readonly MeterUsage[];
  /** Values of the usage's dimensions; absent: none. */
  readonly dimensions?: Dimensions;
  readonly idempotencyKey: string;
  readonly ttlMs: number;
}

/** One of a batch. */
export interface BatchRequest extends QuotaRequest {
  readonly operation: "check" | "consume" | "release";
}

export type BatchAnswer =
  | { readonly kind: "decision"; readonly decision: Decision }
  | { readonly kind: "released"; readonly released: boolean }
  /** INVALID (a dimension is missing), CONFLICT, TOO_MANY_KEYS, or UNAVAILABLE for a release. */
  | { readonly kind: "error"; readonly error: MetrlyError };

export type Gate = ReturnType<typeof createGate>;

export interface GateOptions {
  readonly counters: QuotaCounters;
  readonly loader: CounterLoader;
  readonly bounds: Pick<Bounds, "raise">;
  readonly limits: TenantLimits;
  readonly freshness: Pick<Freshness, "isFresh" | "confirm">;
  /** Resolves when a tenant whose counters lack usage was repaired, or cannot be soon. */
  repaired(tenantId: string): Promise<void>;
  /** Of each limit with `by`, the combinations to look at among those with these values, most used first. */
  combinations(
    limited: LimitedTenant,
    limits: readonly LimitInForce[],
    values: Dimensions,
  ): Promise<ReadonlyMap<LimitInForce, readonly (readonly string[])[]>>;
  /** Called when the counters could not decide; the limits' kinds decided instead. */
  onUnavailable(error: unknown): void;
  /** Called for each denial of a consume by a hard limit. */
  onDenied(tenant: TenantState, decision: Decision, inForce: LimitsInForce): void;
}

/** Maximum loads and raised bounds per request; more means that the counters are lost repeatedly. */
const MAX_ROUNDS = 32;
/** After so many rounds of a request, there are pauses between them. */
const HURRIED_ROUNDS = 2;
const PAUSE_MS = 10;
/** Suggested retry delay while the counters do not answer, ms. */
const UNAVAILABLE_RETRY_MS = 1_000;
/** How much longer than its reservations a bound may last, at most. */
const MOST_SLACK_MS = 10 * MINUTE_MS;

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
  const { counters, loader, bounds, limits, freshness } = options;

  /**
   * Whether the tenant's counters hold the usage that they must. A settlement may be under way, or may have missed counters that
   * were being loaded: it is waited for, and repeated.
   */
  async function isSound(tenantId: string): Promise<boolean> {
    if (await freshness.confirm(tenantId)) return true;
    await options.repaired(tenantId);
    return freshness.confirm(tenantId);
  }

  /**
   * Before a request is looked at: what else is known of the tenant may change while it waits. Undefined: the counters do not
   * answer.
   */
  async function waitedFor(tenantId: string): Promise<boolean | undefined> {
    if (freshness.isFresh(tenantId)) return false;
    try {
      await isSound(tenantId);
      return true;
    } catch (error) {
      noteUnavailable(error);
      return undefined;
    }
  }

  /** Executes operations in order until the counters decided each; undefined: they could not. */
  async function execute(
    { tenant }: LimitedTenant,
    operations: readonly Operation[],
  ): Promise<readonly (Outcome | undefined)[]> {
    const outcomes: Outcome[] = [];
    const now = tenant.testClock ?? undefined;
    try {
      for (let rounds = 0; outcomes.length < operations.length && rounds < MAX_ROUNDS; rounds += 1) {
        if (!freshness.isFresh(tenant.id) && !(await isSound(tenant.id))) break;
        const left = outcomes.length === 0 ? operations : operations.slice(outcomes.length);
        const answered = await counters.execute(tenant.id, left, now);
        let index = 0;
        for (const outcome of answered) {
          const operation = left[index];
          if (operation === undefined) break;
          if (isOpen(outcome, operation)) {
            await prepareFor(outcome, operation, tenant.id, rounds);
            break;
          }
          outcomes.push(decidedBy(outcome));
          rounds = 0;
          index += 1;
        }
      }
    } catch (error) {
      noteUnavailable(error);
    }
    return operations.map((_, index) => outcomes[index]);
  }

  /** As `execute`, without the arrays. */
  async function executeOne({ tenant }: LimitedTenant, operation: Operation): Promise<Outcome | undefined> {
    try {
      for (let rounds = 0; rounds < MAX_ROUNDS; rounds += 1) {
        if (!freshness.isFresh(tenant.id) && !(await isSound(tenant.id))) return undefined;
        const [outcome] = await counters.execute(tenant.id, [operation], tenant.testClock ?? undefined);
        if (outcome === undefined) continue;
        if (!isOpen(outcome, operation)) return decidedBy(outcome);
        await prepareFor(outcome, operation, tenant.id, rounds);
      }
    } catch (error) {
      noteUnavailable(error);
    }
    return undefined;
  }

  /** Rethrows errors that do not say that something does not answer. */
  function noteUnavailable(error: unknown): void {
    if (!(error instanceof CountersUnavailable) && !(error instanceof DatabaseUnreachable)) throw error;
    options.onUnavailable(error);
  }

  /** Does what the operation needs before it can be decided. */
  async function prepareFor(outcome: Outcome, operation: Operation, tenantId: string, rounds: number): Promise<void> {
    // A settlement under way is given time: what is read beside it does not fit the counters.
    if (rounds >= HURRIED_ROUNDS) await sleep(PAUSE_MS);
    if (outcome.kind === "unknown") {
      const { missing, isOfNewScope } = outcome;
      await (missing === undefined || isOfNewScope ? loader.load(tenantId) : loader.extend(tenantId, missing));
    }
    if (outcome.kind === "bounds" && operation.kind !== "release") {
      const { epoch, needs } = outcome;
      await bounds.raise({ tenantId, epoch, needs, slackMs: Math.min(operation.ttlMs, MOST_SLACK_MS) });
    }
  }

  function prepare(limited: LimitedTenant, operation: BatchRequest["operation"], request: QuotaRequest): Prepared {
    const { usage, idempotencyKey, ttlMs } = request;
    if (operation === "release") return { kind: "release", operation: { kind: "release", key: idempotencyKey } };
    const { tenant, now, inForce } = limited;
    const refusal = REFUSED_FOR[tenant.status];
    if (refusal !== undefined) return { kind: "decision", decision: unlimited(refusal, false, now) };
    const concern = concernOf(limited, usage);
    if (inForce === undefined || concern === undefined)
      return { kind: "decision", decision: unlimited("NO_LIMITS", true, now, inForce) };
    const { dimensions: given = NO_DIMENSIONS } = request;
    const missing = concern.required.filter((name) => !given.has(name));
    if (missing.length > 0) return { kind: "error", error: dimensionsMissing(missing) };
    const asked = askedOf(concern, usage, given);
    if (asked.limits.length === 0) return { kind: "decision", decision: unlimited("NO_LIMITS", true, now, inForce) };
    const { content, charges, laterCharges, dimensions, money } = asked;
    const common = {
      ...{ kind: operation, key: idempotencyKey, content, ttlMs, charges, laterCharges },
      ...(money && { money }),
    };
    return {
      kind: "limited",
      asked,
      inForce,
      operation: dimensions === undefined ? common : { ...common, dimensions },
    };
  }

  function answer(limited: LimitedTenant, prepared: Prepared, outcome: Outcome | undefined): BatchAnswer {
    switch (prepared.kind) {
      case "decision":
      case "error":
        return prepared;
      case "release":
        if (outcome?.kind === "released") return { kind: "released", released: outcome.released };
        return { kind: "error", error: notReleased() };
      case "limited":
        if (outcome?.kind === "conflict") return { kind: "error", error: conflict(outcome.held, prepared.operation) };
        if (outcome?.kind === "full") return { kind: "error", error: tooManyKeys(outcome.most) };
        return { kind: "decision", decision: explained(limited, prepared, outcome) };
      default:
        return prepared satisfies never;
    }
  }

  function explained({ tenant, now }: LimitedTenant, prepared: Limited, outcome: Outcome | undefined): Decision {
    const { asked: askedFor, inForce, operation } = prepared;
    const verdict = outcome?.kind === "decided" ? outcome : unanswered(askedFor, now);
    const asked = askedFor.limits.map(({ charge, ...limit }) => {
      const reading = readingOf(verdict, charge);
      const charged = charge === "money" ? reading.asked : operation.charges[charge]?.amount;
      return { ...limit, charged: charged ?? 0n, reading };
    });
    const decision = explain(verdict, inForce, asked);
    if (operation.kind === "consume" && !decision.allowed) options.onDenied(tenant, decision, inForce);
    return decision;
  }

  async function batch(tenantId: string, requests: readonly BatchRequest[]): Promise<readonly BatchAnswer[]> {
    let limited = known(limits.current(tenantId));
    const prepareAll = () => requests.map((request) => prepare(limited, request.operation, request));
    let prepared = prepareAll();
    const waited = prepared.every(isDecided) ? false : await waitedFor(tenantId);
    if (waited === true) {
      limited = known(limits.current(tenantId));
      prepared = prepareAll();
    }
    const operations = prepared.flatMap((one) => (isDecided(one) ? [] : [one.operation]));
    const outcomes = operations.length === 0 || waited === undefined ? [] : await execute(limited, operations);
    let next = 0;
    return prepared.map((one) => {
      if (isDecided(one)) return one;
      next += 1;
      return answer(limited, one, outcomes[next - 1]);
    });
  }

  async function decide(operation: "check" | "consume", request: QuotaRequest): Promise<Decision> {
    let limited = known(limits.current(request.tenantId));
    let prepared = prepare(limited, operation, request);
    const waited = isDecided(prepared) ? false : await waitedFor(request.tenantId);
    if (waited === true) {
      limited = known(limits.current(request.tenantId));
      prepared = prepare(limited, operation, request);
    }
    if (prepared.kind === "decision") return prepared.decision;
    if (prepared.kind === "error") throw prepared.error;
    const outcome = waited === undefined ? undefined : await executeOne(limited, prepared.operation);
    const only = answer(limited, prepared, outcome);
    if (only.kind === "error") throw only.error;
    if (only.kind !== "decision") throw new Error("a request without a decision");
    return only.decision;
  }

  return {
    /** Evaluates a request without charging. Throws INVALID when a dimension is missing. */
    check: (request: QuotaRequest) => decide("check", request),
    /**
     * Reserves if every hard limit has room; a repeated key gets the same decision and is charged once. Throws INVALID when a
     * dimension is missing, CONFLICT when the key stands for another request, TOO_MANY_KEYS.
     */
    consume: (request: QuotaRequest) => decide("consume", request),
    /** Releases the remaining reservation of the key. Throws UNAVAILABLE. */
    async release(tenantId: string, idempotencyKey: string): Promise<boolean> {
      const limited = known(limits.current(tenantId));
      const outcome = await executeOne(limited, { kind: "release", key: idempotencyKey });
      if (outcome?.kind !== "released") throw notReleased();
      return outcome.released;
    },
    /** Decides a tenant's requests in their order, each with its own answer. */
    batch,
    /** The limits in force; of those with `by`, the combinations that are used most among those with these values. */
    async status(
      tenantId: string,
      isWanted: (limit: LimitInForce) => boolean = () => true,
      values: Dimensions = NO_DIMENSIONS,
    ): Promise<readonly LimitReading[]> {
      const limited = known(limits.current(tenantId));
      const { inForce, now } = limited;
      const concern = concernOf(limited, EVERY_LIMIT);
      if (inForce === undefined || concern === undefined) return [];
      const wanted = concern.limits.filter(({ limit }) => isWanted(limit));
      const combinations = await options.combinations(
        limited,
        wanted.map(({ limit }) => limit),
        values,
      );
      const look = looksOf({ ...concern, limits: wanted }, combinations);
      const readings: LimitReading[] = [];
      async function readAll(some: readonly ChargedLimit[], looked: Pick<Asked, "charges" | "money">): Promise<void> {
        const [outcome] = await execute(limited, [{ ...LOOK, ...looked }]);
        const verdict = outcome?.kind === "decided" ? outcome : unanswered({ limits: some, ...looked }, now);
        for (const { limit, charge, values: own } of some)
          readings.push(readLimit(limit, readingOf(verdict, charge), verdict.now, undefined, own));
      }
      const counted = look.limits.filter(({ charge }) => charge !== "money");
      for (let from = 0; from < counted.length; from += LOOKED_AT_ONCE) {
        const some = counted.slice(from, from + LOOKED_AT_ONCE).map((one, charge) => ({ ...one, charge }));
        await readAll(some, { charges: look.charges.slice(from, from + LOOKED_AT_ONCE) });
      }
      const { money } = look;
      const inMoney = look.limits.filter(({ charge }) => charge === "money");
      if (money !== undefined) await readAll(inMoney, { charges: [], money });
      return readings;
    },
  };
}

/** Counters that one look reads. */
const LOOKED_AT_ONCE = 100;

interface Limited {
  readonly kind: "limited";
  readonly asked: Asked;
  readonly inForce: LimitsInForce;
  readonly operation: Exclude<Operation, { kind: "release" }>;
}

type Prepared = Finished | { readonly kind: "release"; readonly operation: Operation } | Limited;

type Finished =
  | { readonly kind: "decision"; readonly decision: Decision }
  | { readonly kind: "error"; readonly error: MetrlyError };

const isDecided = (prepared: Prepared): prepared is Finished =>
  prepared.kind === "decision" || prepared.kind === "error";

/** Whether the operation waits for something. */
const isOpen = (outcome: Outcome, { kind }: Operation): boolean =>
  kind !== "release" && (outcome.kind === "unknown" || outcome.kind === "bounds");

const NOT_RELEASED: Outcome = { kind: "released", released: false };
/** A key is lost with its counters. */
const decidedBy = (outcome: Outcome): Outcome => (outcome.kind === "unknown" ? NOT_RELEASED : outcome);
const notReleased = (): MetrlyError => new MetrlyError("UNAVAILABLE", "The quota counters do not answer");
const NOTHING: CounterReading = { used: 0n, reserved: 0n, lost: 0n, blockedUntil: 0, resetAt: 0, denies: false };
const LOOK = { kind: "check", key: "", content: "", ttlMs: 0 } as const;

function known(limited: LimitedTenant | undefined): LimitedTenant {
  if (limited === undefined) throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
  return limited;
}

const conflict = (held: string, operation: Limited["operation"]): MetrlyError =>
  new MetrlyError(
    "CONFLICT",
    `The idempotency key ${JSON.stringify(operation.key)} stands for ${held}, not for ${askedText(operation)}`,
  );

const dimensionsMissing = (names: readonly string[]): MetrlyError =>
  new MetrlyError(
    "INVALID",
    `dimensions: needs ${names.map((name) => JSON.stringify(name)).join(", ")}: limits of the tenant's plan count by ${names.length === 1 ? "it" : "them"}`,
  );

const tooManyKeys = (most: number): MetrlyError =>
  new MetrlyError(
    "TOO_MANY_KEYS",
    `The tenant may have ${most} live idempotency keys, each counted once per meter, and has no place for this one`,
  );

/** While the counters do not answer, hard limits deny and soft ones allow. */
function unanswered(
  { limits, charges, money }: Pick<Asked, "limits" | "charges" | "money">,
  now: number,
): Omit<Decided, "kind" | "repeated"> {
  const retryAt = now + UNAVAILABLE_RETRY_MS;
  const allowed = !limits.some(({ limit }) => isDenying(limit.kind));
  const blocked = ({ hardLimit }: Pick<CounterCharge, "hardLimit">): CounterReading => ({
    ...NOTHING,
    ...{ blockedUntil: retryAt, resetAt: retryAt, denies: hardLimit !== null },
  });
  return {
    ...{ allowed, now, expiresAt: null, retryAt: allowed ? null : retryAt, deniedByLoss: !allowed },
    readings: charges.map(blocked),
    ...(money && { money: blocked(money) }),
  };
}

const readingOf = ({ readings, money }: Pick<Decided, "readings" | "money">, charge: ChargedLimit["charge"]) =>
  (charge === "money" ? money : readings[charge]) ?? NOTHING;

function unlimited(reason: Reason, allowed: boolean, now: number, inForce?: LimitsInForce): Decision {
  const plan = inForce === undefined ? null : { id: inForce.planId, version: inForce.planVersion };
  return { allowed, reason, plan, expiresAt: null, limits: [], retryAt: allowed ? null : now + STATUS_RETRY_MS, now };
}
