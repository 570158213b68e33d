import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { type Period, periodAt } from "#kernel/period.js";
import type { PlanState, QuotaLimitState, QuotaOverrideState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { activeOverrides, assignedPlan, planVersionOf } from "#schema/tenancy-history.js";
import { type LimitKind, QUOTA_WINDOWS, type QuotaWindow } from "#schema/vocabulary.js";
import { scaleOf, unitsDown, unitsUp } from "./scaling.js";

/** The identity of a counter: limits on the same meter and window at the same scale share it. */
export interface CounterKey {
  /** Null: requests. */
  readonly meter: string | null;
  readonly window: QuotaWindow;
  readonly scale: number;
}

export interface LimitInForce {
  readonly meter: string | null;
  readonly window: QuotaWindow;
  readonly kind: LimitKind;
  readonly limit: Decimal;
  readonly text: string;
  /** Fractions of the limit, ascending. */
  readonly warnAt: readonly Decimal[];
  readonly counter: CounterKey;
  readonly counterId: string;
  /** The limit and the warnings in the counter's units. */
  readonly units: LimitUnits;
  /** The tenancy version of the override that set `limit`; undefined: the plan's. */
  readonly overriddenIn?: number;
}

interface LimitUnits {
  readonly most: number;
  /** The minimum that reaches the limit: more than `most` if the limit has digits that the counter does not keep. */
  readonly reached: number;
  /** The amounts that reach each warning, ascending. */
  readonly warnings: readonly number[];
}

export interface LimitsInForce {
  readonly planId: string;
  readonly planVersion: number;
  readonly period: Period;
  readonly limits: readonly LimitInForce[];
}

export type PlanLookup = (planId: string) => PlanState | undefined;

/**
 * The limits of the plan of the billing period that contains `atMs`, as known at tenancy version `version`; undefined: no plan.
 */
export function limitsInForce(
  tenant: TenantState,
  plan: PlanLookup,
  atMs: number,
  version: number,
): LimitsInForce | undefined {
  const period = periodAt(atMs, tenant.billingAnchorDay);
  const assigned = assignedPlan(tenant, period.start, version);
  if (assigned === undefined) return undefined;
  const planVersion = planVersionOf(plan(assigned.planId), assigned.planVersion);
  if (planVersion === undefined) return undefined;
  const overrides = activeOverrides(tenant, atMs, version);
  return { ...assigned, period, limits: planVersion.limits.map((limit) => overridden(limitInForce(limit), overrides)) };
}

/** The counter and its scale stay the plan's, so that its usage still counts when an override begins or ends. */
function overridden(limit: LimitInForce, overrides: readonly QuotaOverrideState[]): LimitInForce {
  const found = overrides.find((override) => override.meter === limit.meter && override.window === limit.window);
  if (found === undefined) return limit;
  const own = new Decimal(found.limit);
  const units = limitUnits(own, limit.warnAt, limit.counter.scale);
  return { ...limit, limit: own, text: formatDecimal(own), units, overriddenIn: found.inVersion };
}

function limitInForce(state: QuotaLimitState): LimitInForce {
  const limit = new Decimal(state.limit);
  const { meter, window, kind } = state;
  const warnAt = state.warnAt.map((fraction) => new Decimal(fraction)).sort((a, b) => a.comparedTo(b));
  // Requests are whole numbers.
  const counter = { meter, window, scale: meter === null ? Math.min(0, scaleOf(limit)) : scaleOf(limit) };
  return {
    meter,
    window,
    kind,
    limit,
    text: formatDecimal(limit),
    warnAt,
    counter,
    counterId: counterId(counter),
    units: limitUnits(limit, warnAt, counter.scale),
  };
}

const limitUnits = (limit: Decimal, warnAt: readonly Decimal[], scale: number): LimitUnits => ({
  most: unitsDown(limit, scale),
  reached: unitsUp(limit, scale),
  warnings: warnAt.map((fraction) => unitsUp(fraction.times(limit), scale)),
});

/** Id of a counter within its tenant, e.g. "api_calls|DAY|0"; requests have an empty meter. */
export function counterId({ meter, window, scale }: CounterKey): string {
  return `${meter ?? ""}|${window}|${scale}`;
}

export function counterKey(id: string): CounterKey {
  const [meter, name, scale] = id.split("|");
  const window = QUOTA_WINDOWS.find((candidate) => candidate === name);
  if (window === undefined) throw new RangeError(`not a counter: ${id}`);
  return { meter: meter === "" || meter === undefined ? null : meter, window, scale: Number(scale) };
}

/** Distinct counters, in order of first occurrence. */
export function countersOf(limits: readonly LimitInForce[]): CounterKey[] {
  return [...new Map(limits.map((limit) => [counterId(limit.counter), limit.counter])).values()];
}

/** The key of a reservation: one per meter, as a recorded event settles its key once per meter. Null: requests only. */
export function reservationOf(meter: string | null, idempotencyKey: string): string {
  return `${meter ?? ""}|${idempotencyKey}`;
}
