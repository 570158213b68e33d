import { Decimal, formatDecimal } from "#kernel/decimal.js";
import { contains, type Period, periodAt } from "#kernel/period.js";
import type {
  MeterState,
  PlanState,
  PlanVersionState,
  QuotaLimitState,
  QuotaOverrideState,
  TenantState,
} from "#schema/events/tenancy-changed.v1.js";
import { isInMoney, type LimitScope, MONEY } from "#schema/limit-scope.js";
import { activeOverrides, assignedPlan, planVersionOf } from "#schema/tenancy-history.js";
import { isPeriodWindow, type LimitKind, type QuotaWindow } from "#schema/vocabulary.js";
import { amountOf } from "./amount.js";
import { type PricedLine, type PricedUsage, pricedUsageOf } from "./money.js";
import { type Scope, scopeOf } from "./scopes.js";
import type { ClaimedSeries } from "./usage-reading.js";
import { boundsOf, type WindowsOf } from "./windows.js";

/** The identity of a counter: limits on the same meter and window share it. */
export interface CounterKey {
  /** Null: requests. */
  readonly meter: string | null;
  readonly window: QuotaWindow;
  /** What it counts; absent: all of the meter. */
  readonly scope?: Scope;
  /** Instead of a meter or requests: what all usage costs. No counter counts that: it is rated from those of the prices. */
  readonly unit?: "MONEY";
}

export interface LimitInForce {
  readonly meter: string | null;
  readonly window: QuotaWindow;
  /** Of a window with a start and an end: those of the one that contains the moment asked for. */
  readonly bounds?: Period;
  readonly kind: LimitKind;
  readonly limit: Decimal;
  readonly text: string;
  /** Fractions of the limit, ascending. */
  readonly warnAt: readonly Decimal[];
  /** Amounts that warn, ascending. */
  readonly warnAtAmounts?: readonly Decimal[];
  /** Each multiple of it warns, as far as `crossings` tells them. */
  readonly warnEvery?: Decimal;
  readonly counter: CounterKey;
  /** Of a limit in money: what it is on. */
  readonly money?: PricedUsage;
  /** Of a limit with `by`, the family of its counters. */
  readonly counterId: string;
  /** The limit and its warnings as counters count. */
  readonly units: LimitUnits;
  /** Whether the meter is archived: nothing recorded counts against the limit. */
  readonly meterArchived: boolean;
  /** The override that set `limit`; undefined: the plan did. */
  readonly override?: { readonly inVersion: number; readonly planLimit: LimitInForce };
}

interface LimitUnits {
  readonly most: bigint;
  /** The amounts that reach each warning, ascending. */
  readonly warnings: readonly bigint[];
}

export interface LimitsInForce {
  readonly planId: string;
  readonly planVersion: number;
  readonly period: Period;
  readonly limits: readonly LimitInForce[];
}

/** The plans and meters that limits are read with. */
export interface PlansAndMeters {
  plan(planId: string): PlanState | undefined;
  meter(key: string): Pick<MeterState, "archivedInVersion"> | undefined;
}

/**
 * The limits of the plan of the billing period that contains `atMs`, as known at tenancy version `version`; undefined: no plan.
 */
export function limitsInForce(
  tenant: TenantState,
  { plan, meter }: PlansAndMeters,
  atMs: number,
  version: number,
): LimitsInForce | undefined {
  const period = periodAt(atMs, tenant.billingAnchorDay);
  const assigned = assignedPlan(tenant, period.start, version);
  if (assigned === undefined) return undefined;
  const planVersion = planVersionOf(plan(assigned.planId), assigned.planVersion);
  if (planVersion === undefined) return undefined;
  const overrides = activeOverrides(tenant, atMs, version);
  const isArchived = (key: string | null) =>
    key !== null && (meter(key)?.archivedInVersion ?? Number.POSITIVE_INFINITY) <= version;
  const limits = planVersion.limits.map((limit) =>
    overridden(limitInForce(limit, isArchived(limit.meter), planVersion), overrides),
  );
  return boundAt({ planId: assigned.planId, planVersion: assigned.planVersion, period, limits }, atMs, tenant);
}

/** The same limits, with their windows at another moment of the billing period. */
export function boundAt(inForce: LimitsInForce, atMs: number, tenant: WindowsOf): LimitsInForce {
  const { limits } = inForce;
  if (limits.every(({ bounds, window }) => (isPeriodWindow(window) ? bounds && contains(bounds, atMs) : true)))
    return inForce;
  return { ...inForce, limits: limits.map((limit) => boundIn(limit, boundsOf(limit.window, atMs, tenant))) };
}

function boundIn(limit: LimitInForce, bounds: Period | undefined): LimitInForce {
  if (bounds === undefined) return limit;
  const { override } = limit;
  return {
    ...{ ...limit, bounds },
    ...(override && { override: { ...override, planLimit: { ...override.planLimit, bounds } } }),
  };
}

function overridden(limit: LimitInForce, overrides: readonly QuotaOverrideState[]): LimitInForce {
  const found = overrides.find((override) => isOf(limit, override));
  return found === undefined ? limit : overriddenBy(limit, found);
}

const isOf = ({ counterId: id }: LimitInForce, override: QuotaOverrideState): boolean =>
  counterId(keyOf(override)) === id;

const keyOf = (limit: Pick<QuotaLimitState, "meter" | "unit" | "window"> & LimitScope): CounterKey => {
  if (isInMoney(limit)) return { meter: null, window: limit.window, unit: "MONEY" };
  const scope = scopeOf(limit);
  return { meter: limit.meter, window: limit.window, ...(scope && { scope }) };
};

function overriddenBy(
  planLimit: LimitInForce,
  { limit, inVersion, kind = planLimit.kind }: QuotaOverrideState,
): LimitInForce {
  const own = new Decimal(limit);
  const units = limitUnits(own, planLimit);
  return { ...planLimit, kind, limit: own, text: formatDecimal(own), units, override: { inVersion, planLimit } };
}

/** The limits that may have stood before this one since a moment, as known at `version`, newest first. */
export function earlierLimits(
  { quotaOverrides = [] }: Pick<TenantState, "quotaOverrides">,
  limit: LimitInForce,
  since: number,
  version: number,
): readonly LimitInForce[] {
  const planLimit = limit.override?.planLimit ?? limit;
  const before = limit.override?.inVersion ?? version + 1;
  const overrides = quotaOverrides
    .filter((one) => isOf(limit, one) && one.inVersion < before && one.until > since)
    .map((one) => overriddenBy(planLimit, one))
    .reverse();
  return limit.override === undefined && overrides.length === 0 ? [] : [...overrides, planLimit];
}

function limitInForce(state: QuotaLimitState, meterArchived: boolean, version: PlanVersionState): LimitInForce {
  const limit = new Decimal(state.limit);
  const { meter, window, kind } = state;
  const warnAt = state.warnAt.map((fraction) => new Decimal(fraction)).sort((a, b) => a.comparedTo(b));
  const amounts = {
    ...(state.warnAtAmounts && { warnAtAmounts: state.warnAtAmounts.map((amount) => new Decimal(amount)) }),
    ...(state.warnEvery !== undefined && { warnEvery: new Decimal(state.warnEvery) }),
  };
  const counter = keyOf(state);
  return {
    meter,
    window,
    kind,
    limit,
    text: formatDecimal(limit),
    warnAt,
    ...amounts,
    counter,
    ...(counter.unit === "MONEY" && { money: pricedUsageOf(version) }),
    counterId: counterId(counter),
    units: limitUnits(limit, { warnAt, ...amounts }),
    meterArchived,
  };
}

const limitUnits = (
  limit: Decimal,
  { warnAt, warnAtAmounts = [], warnEvery }: Pick<LimitInForce, "warnAt" | "warnAtAmounts" | "warnEvery">,
): LimitUnits => ({
  most: amountOf(limit),
  warnings: [
    ...warnAt.map((fraction) => fraction.times(limit)),
    ...warnAtAmounts,
    ...(warnEvery !== undefined && !limit.isZero() ? [warningStep(limit, warnEvery)] : []),
  ]
    .sort((a, b) => a.comparedTo(b))
    .map(amountOf),
});

/** At most this many multiples are told per window, the last of them at the limit or beyond it. */
export const MOST_MULTIPLES = 1_000;

/**
 * What lies between two warnings of `warnEvery`: where an override makes that less than a thousandth of the limit, the least
 * multiple of it that is no less. The limit is not zero.
 */
export const warningStep = (limit: Decimal, warnEvery: Decimal): Decimal =>
  warnEvery.times(Decimal.max(1, limit.div(warnEvery.times(MOST_MULTIPLES)).ceil()));

/**
 * Id of a counter within its tenant, e.g. "api_calls|DAY"; requests have an empty meter. With a scope, also of a family of counters;
 * in money, of the limits only.
 */
export function counterId({ meter, window, scope, unit }: CounterKey): string {
  if (unit === "MONEY") return `${MONEY}|${window}`;
  return scope === undefined ? `${meter ?? ""}|${window}` : `${meter ?? ""}|${window}|${scope.id}`;
}

/** Id of a combination's counter in a family. */
export const memberId = (family: string, combination: string): string =>
  combination === "" ? family : `${family}|${combination}`;

/** Whether each combination of values has a counter of its own. */
export const isFamily = ({ scope }: Pick<CounterKey, "scope">): boolean => scope !== undefined && scope.by.length > 0;

/** Whether usage of a meter brings a limit nearer. */
export const isOnMeter = ({ meter, money }: Pick<LimitInForce, "meter" | "money">, id: string): boolean =>
  meter === id || money?.lines.some((line) => line.meter === id) === true;

/** The counter with the quantity of a price's line. */
export const lineKey = ({ meter, scope }: PricedLine): CounterKey => ({
  meter,
  window: "BILLING_PERIOD",
  ...(scope && { scope }),
});

/** Of counters, those of what is claimed as a whole in the billing period. */
export const claimsOf = (counted: readonly CounterKey[]): readonly ClaimedSeries[] =>
  counted.flatMap(({ meter, scope, window }) =>
    meter === null || scope === undefined || scope.by.length > 0 || window !== "BILLING_PERIOD"
      ? []
      : [{ meter, scope }],
  );

/** Distinct counters, in order of first occurrence: those of the limits, and of money those of what it is rated from. */
export function countersOf(limits: readonly LimitInForce[]): CounterKey[] {
  const keys = limits.flatMap(({ counter, money }) => (money === undefined ? [counter] : money.lines.map(lineKey)));
  return [...new Map(keys.map((key) => [counterId(key), key])).values()];
}
