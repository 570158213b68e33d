import type { Clock } from "#kernel/clock.js";
import { periodAt } from "#kernel/period.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { isInMoney } from "#schema/limit-scope.js";
import { type AssignedPlan, activeOverrides, assignedPlan, planVersionOf, tenantNow } from "#schema/tenancy-history.js";
import type { QuotaWindow } from "#schema/vocabulary.js";
import type { QuotaCounters } from "../counters/counters.js";
import {
  boundAt,
  type CounterKey,
  countersOf,
  type LimitsInForce,
  limitsInForce,
  type PlansAndMeters,
} from "../rules/limits.js";
import { pricedUsageOf } from "../rules/money.js";
import { type Scope, scopeOf, seriesOf } from "../rules/scopes.js";
import type { CountedScopes } from "../rules/usage-reading.js";
import { outlivesLoss } from "../rules/windows.js";

export interface LimitedTenant {
  readonly tenant: TenantState;
  /** The tenant's time: its test clock, or the clock of its counters. */
  readonly now: number;
  /** Undefined: no plan. */
  readonly inForce: LimitsInForce | undefined;
  /** Limits that are known to replace these, ascending: an override ends, the next period's plan begins. */
  readonly later: readonly LaterLimits[];
  /** The counters that usage is counted in. */
  readonly counted: readonly CounterKey[];
}

export interface LaterLimits {
  readonly at: number;
  /** Undefined: no plan. */
  readonly inForce: LimitsInForce | undefined;
}

export type TenantLimits = ReturnType<typeof createTenantLimits>;

/** A batch of the ledger touches few periods and tenancy versions. */
const REMEMBERED_PER_TENANT = 16;

/** What tells a tenant's time: all processes that decide about it have one clock, the one of its counters. */
type TenantClock = Pick<QuotaCounters, "nowOf">;

/** The active limits, from this process's copy of tenancy. `clock`: until the counters have told their time. */
export function createTenantLimits(
  tenancy: Pick<TenancyCopy, "version" | "tenant"> & PlansAndMeters,
  counters: TenantClock,
  clock: Clock,
) {
  const known = new WeakMap<TenantState, Map<string, LimitsInForce>>();

  /**
   * As of a moment and a tenancy version. Cacheable by identity: a tenant's state is replaced when it changes, and a published plan version never
   * changes.
   */
  function at(tenant: TenantState, atMs: number, version: number): LimitsInForce | undefined {
    const ofTenant = known.get(tenant) ?? new Map<string, LimitsInForce>();
    known.set(tenant, ofTenant);
    const overrides = activeOverrides(tenant, atMs, version).map(({ inVersion }) => inVersion);
    const key = `${periodAt(atMs, tenant.billingAnchorDay).start} ${version} ${overrides.join()}`;
    const before = ofTenant.get(key);
    // Usage may come from any day of the calendar: only its windows are looked for again.
    const found = before ? boundAt(before, atMs, tenant) : limitsInForce(tenant, tenancy, atMs, version);
    if (found === undefined || found === before) return found;
    if (before === undefined && ofTenant.size >= REMEMBERED_PER_TENANT) ofTenant.clear();
    ofTenant.set(key, found);
    return found;
  }

  /** The last result, valid until something can have changed it. */
  const latest = new WeakMap<TenantState, Lasting>();
  function lasting(tenant: TenantState, atMs: number): Lasting {
    const version = tenancy.version();
    const before = latest.get(tenant);
    if (before?.version === version && before.from <= atMs && atMs < before.until) return before;
    const changes = changesAfter(tenant, atMs, version);
    const inForce = at(tenant, atMs, version);
    const later = changes.map((change) => ({ at: change, inForce: at(tenant, change, version) }));
    const found: Lasting = {
      version,
      from: atMs,
      until: Math.min(changes[0] ?? Number.POSITIVE_INFINITY, ...endsOf(inForce)),
      inForce,
      later,
      counted: countedOf(inForce, later),
    };
    latest.set(tenant, found);
    return found;
  }

  const scopes = new WeakMap<TenantState, Map<string, CountedScopes>>();
  /**
   * What limits of a moment's billing period, and of plans that were assigned by then to follow, count with `by` or `where`, as known at
   * a version: usage is totalled by them from the assignment on. The same for every reader of the ledger.
   */
  function scopesAt(tenant: TenantState, atMs: number, version: number): CountedScopes {
    const ofTenant = scopes.get(tenant) ?? new Map<string, CountedScopes>();
    scopes.set(tenant, ofTenant);
    const key = `${periodAt(atMs, tenant.billingAnchorDay).start} ${version}`;
    const before = ofTenant.get(key);
    if (before !== undefined) return before;
    const found = countedScopes(tenant, tenancy, atMs, version);
    if (ofTenant.size >= REMEMBERED_PER_TENANT) ofTenant.clear();
    ofTenant.set(key, found);
    return found;
  }

  return {
    at,
    scopesOf:
      (tenant: TenantState) =>
      (atMs: number, version: number): CountedScopes =>
        scopesAt(tenant, atMs, version),
    /** Undefined: the tenant does not exist. */
    current(tenantId: string): LimitedTenant | undefined {
      const tenant = tenancy.tenant(tenantId);
      if (tenant === undefined) return undefined;
      const now = tenantNow(tenant, counters.nowOf(tenantId) ?? clock.now());
      const { inForce, later, counted } = lasting(tenant, now);
      return { tenant, now, inForce, later, counted };
    },
  };
}

/**
 * Of the limits in force, and of those on a meter that are known to follow and will then count usage of before: how long a
 * denied request must wait may depend on them. Shorter windows count none of before, and requests count from their admission.
 */
function countedOf(inForce: LimitsInForce | undefined, later: readonly LaterLimits[]): readonly CounterKey[] {
  const following = later.flatMap((one) => one.inForce?.limits ?? []);
  return countersOf([
    ...(inForce?.limits ?? []),
    ...following.filter(({ meter, money, window }) => money !== undefined || (meter !== null && outlivesLoss(window))),
  ]);
}

function countedScopes(tenant: TenantState, tenancy: PlansAndMeters, atMs: number, version: number): CountedScopes {
  const plans = plansFrom(tenant, atMs, version);
  if (plans.length === 0) return "no plan";
  const found = new Map<string, { meter: string; scope: Scope; windows: Set<QuotaWindow> }>();
  const count = (meter: string, scope: Scope | undefined, window: QuotaWindow): void => {
    if (scope === undefined) return;
    const series = seriesOf(meter, scope);
    const counted = found.get(series) ?? { meter, scope, windows: new Set() };
    found.set(series, counted);
    counted.windows.add(window);
  };
  for (const { planId, planVersion } of plans) {
    const version = planVersionOf(tenancy.plan(planId), planVersion);
    if (version === undefined) continue;
    for (const limit of version.limits) if (limit.meter !== null) count(limit.meter, scopeOf(limit), limit.window);
    if (!version.limits.some(isInMoney)) continue;
    for (const { meter, scope } of pricedUsageOf(version).lines) count(meter, scope, "BILLING_PERIOD");
  }
  return [...found.values()];
}

/** The plan of a moment's billing period, and those that follow it, as known at a version. */
function plansFrom(tenant: TenantState, atMs: number, version: number): readonly AssignedPlan[] {
  const { start } = periodAt(atMs, tenant.billingAnchorDay);
  const current = assignedPlan(tenant, start, version);
  const following = tenant.assignments.filter(
    ({ inVersion, effectiveFrom, cancelledInVersion }) =>
      inVersion <= version && effectiveFrom > start && (cancelledInVersion === null || cancelledInVersion > version),
  );
  return current === undefined ? following : [current, ...following];
}

/** When limits are on another window. */
const endsOf = (inForce: LimitsInForce | undefined): readonly number[] =>
  inForce?.limits.flatMap(({ bounds }) => bounds?.end ?? []) ?? [];

interface Lasting {
  readonly version: number;
  readonly from: number;
  readonly until: number;
  readonly inForce: LimitsInForce | undefined;
  readonly later: readonly LaterLimits[];
  readonly counted: readonly CounterKey[];
}

/** When limits may be others, ascending: at the period's end, at an override's, and where another plan is assigned to begin. */
function changesAfter(tenant: TenantState, atMs: number, version: number): readonly number[] {
  const changes = [
    periodAt(atMs, tenant.billingAnchorDay).end,
    ...activeOverrides(tenant, atMs, version).map(({ until }) => until),
    ...tenant.assignments.map(({ effectiveFrom }) => effectiveFrom),
  ];
  return [...new Set(changes.filter((at) => at > atMs))].sort((a, b) => a - b);
}
