import { MetrlyError, noSuch } from "#kernel/errors.js";
import { periodAt } from "#kernel/period.js";
import { newOrderedUuid } from "#platform/lifecycle/random.js";
import type { PlanState, PlanVersionState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { planVersionOf, tenantNow } from "#schema/tenancy-history.js";
import { hasEnded, type SuspensionBilling } from "#schema/vocabulary.js";
import {
  type ActiveAssignment,
  activeAssignments,
  cancelPending,
  planChange,
  runningPlan,
} from "../rules/assignment.js";
import { type BuyerTerms, buyerReasons, MAX_BUYERS, newBuyer, renamedBuyer, withBuyer } from "../rules/buyer.js";
import { assertSameCreation, creationInput } from "../rules/creation.js";
import { type OverrideTerms, overrideReasons, withOverride } from "../rules/quota-override.js";
import { nameReasons, rejectIf, textReasons } from "../rules/reasons.js";
import {
  advanceReasons,
  assertOpen,
  graceReasons,
  statusAfter,
  type TenantTerms,
  type Transition,
  validateTenant,
} from "../rules/tenant.js";
import type { Change } from "../store/change.js";
import type { TenancyStore } from "../store/store.js";

/** How often a tenant's billing can be paused: its history is part of its state. */
export const MAX_PAUSES = 500;

export interface NewTenant extends TenantTerms {
  /** Undefined: its name, without an address. */
  readonly buyer?: BuyerTerms | undefined;
  /** Its latest version applies from the tenant's first period. */
  readonly planId: string | undefined;
}

/** Creates a tenant. Throws INVALID, NOT_FOUND (the plan), CONFLICT (the id is taken, the plan or one of its meters is archived). */
export function createTenant(store: TenancyStore, actor: string, input: NewTenant): Promise<TenantState> {
  return store.change(actor, async (change) => {
    const given = creationInput(input);
    const there = input.id === undefined ? undefined : await change.tenant(input.id);
    if (there !== undefined) {
      assertSameCreation(
        `Tenant ${there.id}`,
        await change.creationInput("tenant", there.id),
        given,
        "updateTenant and changePlan change it",
      );
      return there;
    }
    rejectIf([
      ...validateTenant(input, change.now),
      ...(input.buyer === undefined ? [] : buyerReasons(newBuyer(input.name, input.buyer))),
    ]);
    const tenant = newTenant(input, change.now, change.nextVersion());
    const after = input.planId === undefined ? tenant : await withPlan(change, tenant, input.planId, undefined);
    return change.save({ action: "tenant.create", after, creationInput: given });
  });
}

function newTenant(input: NewTenant, now: number, version: number): TenantState {
  const beganAt = input.startsAt ?? input.testClock ?? now;
  const startsAt = periodAt(beganAt, input.billingAnchorDay).start;
  return {
    kind: "tenant",
    id: input.id ?? `ten_${newOrderedUuid().replaceAll("-", "")}`,
    version,
    name: input.name,
    ...(input.buyer !== undefined && { buyers: [{ ...firstBuyer(input.name, input.buyer), inVersion: version }] }),
    status: "ACTIVE",
    createdAt: now,
    createdInVersion: version,
    billingAnchorDay: input.billingAnchorDay,
    startsAt,
    ...(beganAt !== startsAt && { beganAt }),
    currency: null,
    testClock: input.testClock,
    ...(input.timeZone !== undefined && { timeZone: input.timeZone }),
    graceDays: [{ days: input.graceDays, inVersion: version }],
    assignments: [],
    quotaOverrides: [],
    closedInVersion: null,
    closedAt: null,
  };
}

const firstBuyer = (tenantName: string, terms: BuyerTerms) => ({
  name: terms.name ?? tenantName,
  addressLines: [...terms.addressLines],
});

/**
 * Renames a tenant, or changes its buyer or its grace time from now on. Throws NOT_FOUND, INVALID, CONFLICT (closed, or too many
 * buyers).
 */
export function updateTenant(
  store: TenancyStore,
  actor: string,
  id: string,
  input: {
    readonly name: string | undefined;
    readonly graceDays: number | undefined;
    readonly buyer?: BuyerTerms | undefined;
  },
): Promise<TenantState> {
  return store.change(actor, async (change) => {
    const before = await openTenant(change, id);
    const name = input.name ?? before.name;
    const days = input.graceDays ?? before.graceDays.at(-1)?.days ?? 0;
    const buyer = input.buyer === undefined ? renamedBuyer(before, name) : newBuyer(name, input.buyer);
    const inBuyer = input.buyer === undefined ? [] : buyerReasons(buyer);
    // A stored name may be one that is refused by now.
    const inName = input.name === undefined ? [] : nameReasons("name", name);
    rejectIf([...inName, ...graceReasons(days), ...inBuyer]);
    const isSameGrace = days === before.graceDays.at(-1)?.days;
    const version = change.nextVersion();
    const buyers = withBuyer(before, buyer, version);
    if (name === before.name && isSameGrace && buyers === before.buyers) return before;
    if (buyers !== before.buyers && (buyers?.length ?? 0) > MAX_BUYERS)
      throw new MetrlyError("CONFLICT", `A tenant's name or address on invoices can change ${MAX_BUYERS} times`);
    const graceDays = isSameGrace ? before.graceDays : [...before.graceDays, { days, inVersion: version }];
    const after = { ...before, version, name, graceDays, ...(buyers !== undefined && { buyers }) };
    return change.save({ action: "tenant.update", before, after });
  });
}

/**
 * Moves a test tenant's clock forward; also a closed tenant's, whose last period is not invoiced yet. Throws NOT_FOUND, INVALID
 * (no test clock, or backwards).
 */
export function advanceTestClock(store: TenancyStore, actor: string, id: string, to: number): Promise<TenantState> {
  return store.change(actor, async (change) => {
    const before = await tenantOf(change, id);
    rejectIf(advanceReasons(before.testClock, to));
    if (to === before.testClock) return before;
    const after = { ...before, version: change.nextVersion(), testClock: to };
    return change.save({ action: "tenant.advanceTestClock", before, after });
  });
}

/**
 * Suspends, resumes or closes a tenant. A suspension with `billing: PAUSE` is one that fees and commit are not charged for. Throws
 * NOT_FOUND, CONFLICT (invalid transition).
 */
export function moveTenant(
  store: TenancyStore,
  actor: string,
  id: string,
  transition: Transition,
  { reason, billing }: { readonly reason?: string; readonly billing?: SuspensionBilling } = {},
): Promise<TenantState> {
  return store.change(actor, async (change) => {
    if (reason !== undefined) rejectIf(textReasons("reason", reason));
    const before = await tenantOf(change, id);
    const status = statusAfter(before.status, transition);
    const version = change.nextVersion();
    const closedInVersion = hasEnded(status) ? version : null;
    const closedAt = hasEnded(status) ? tenantNow(before, change.now) : null;
    const pauses = pausesAfter(before, tenantNow(before, change.now), billing === "PAUSE", version);
    const after: TenantState = { ...before, version, status, closedInVersion, closedAt, ...pauses };
    return change.save({ action: `tenant.${transition}`, before, after, ...(reason !== undefined && { reason }) });
  });
}

/** A pause lasts until the tenant is resumed or closed; `begins`: one begins with this change. */
function pausesAfter(
  { billingPauses = [] }: TenantState,
  at: number,
  begins: boolean,
  inVersion: number,
): Pick<TenantState, "billingPauses"> {
  if (begins) {
    if (billingPauses.length >= MAX_PAUSES)
      throw new MetrlyError(
        "CONFLICT",
        `The tenant's billing was paused ${MAX_PAUSES} times: suspend it with \`CONTINUE\``,
      );
    return { billingPauses: [...billingPauses, { from: at, until: null, inVersion, endedInVersion: null }] };
  }
  if (billingPauses.every(({ until }) => until !== null)) return {};
  return {
    billingPauses: billingPauses.map((pause) =>
      pause.until === null ? { ...pause, until: at, endedInVersion: inVersion } : pause,
    ),
  };
}

/** The tenant and the assignment after a change of plan. */
export interface ChangedPlan {
  readonly tenant: TenantState;
  readonly assignment: ActiveAssignment;
}

/**
 * Assigns a plan version (default: the latest), effective as `planChange` says. Throws NOT_FOUND (tenant, plan or version),
 * CONFLICT (tenant closed, plan or one of its meters archived), INVALID (another currency).
 */
export function changePlan(
  store: TenancyStore,
  actor: string,
  input: { readonly tenantId: string; readonly planId: string; readonly version: number | undefined },
): Promise<ChangedPlan> {
  return store.change(actor, async (change) => {
    const before = await openTenant(change, input.tenantId);
    const next = await withPlan(change, before, input.planId, input.version);
    const isChanged = next !== before;
    const tenant = isChanged ? await change.save({ action: "tenant.changePlan", before, after: next }) : before;
    const assignment = activeAssignments(tenant).at(-1);
    if (assignment === undefined) throw new Error(`tenant ${tenant.id} has no plan after it was assigned`);
    return { tenant, assignment };
  });
}

/** Cancels a pending change. Throws NOT_FOUND, CONFLICT (no pending change, or closed). */
export function cancelPlanChange(store: TenancyStore, actor: string, tenantId: string): Promise<TenantState> {
  return store.change(actor, async (change) => {
    const before = await openTenant(change, tenantId);
    const version = change.nextVersion();
    const assignments = cancelPending(before, change.now, version);
    if (assignments === undefined) throw new MetrlyError("CONFLICT", "No change of plan is pending");
    return change.save({
      action: "tenant.cancelPlanChange",
      before,
      after: { ...before, version, assignments: [...assignments] },
    });
  });
}

/**
 * Overrides one of the plan's limits until a moment, effective immediately. Throws NOT_FOUND, INVALID, CONFLICT (closed, or too
 * many).
 */
export function setQuotaOverride(
  store: TenancyStore,
  actor: string,
  tenantId: string,
  terms: OverrideTerms,
): Promise<TenantState> {
  return store.change(actor, async (change) => {
    const before = await openTenant(change, tenantId);
    const assigned = runningPlan(before, change.now);
    const plan = assigned === undefined ? undefined : await change.plan(assigned.planId);
    rejectIf(overrideReasons(terms, before, planVersionOf(plan, assigned?.planVersion ?? 0)?.limits ?? [], change.now));
    const version = change.nextVersion();
    const quotaOverrides = withOverride(before, terms, change.now, version);
    return change.save({ action: "tenant.setQuotaOverride", before, after: { ...before, version, quotaOverrides } });
  });
}

/** The tenant with the plan assigned in the next version; the same object without a change. */
async function withPlan(
  change: Change,
  tenant: TenantState,
  planId: string,
  version: number | undefined,
): Promise<TenantState> {
  const plan = await change.plan(planId);
  const published = plan === undefined ? undefined : publishedVersion(plan, version);
  if (plan === undefined) throw noSuch("plan", planId);
  if (published === undefined) throw noSuch("version of its plan", `${planId}@${version}`);
  if (plan.archived) throw new MetrlyError("CONFLICT", `Plan ${plan.id} is archived and can't be assigned any more`);
  const inVersion = change.nextVersion();
  const planned = planChange(tenant, plan, published, change.now, inVersion);
  if (planned.kind === "unchanged") return tenant;
  if (planned.kind === "otherCurrency")
    rejectIf([
      {
        path: "planId",
        detail: `the plan is in ${published.currency}, the tenant pays in ${planned.currency}; a tenant's currency cannot be changed`,
      },
    ]);
  if (planned.kind !== "changed") return tenant;
  const archived = await change.archivedAmong(published.prices.map(({ meter }) => meter));
  if (archived.length > 0)
    throw new MetrlyError(
      "CONFLICT",
      `Plan ${plan.id} prices ${archived.join(", ")}, which is archived and counts nothing: bring it back, or publish another version`,
    );
  return { ...tenant, version: inVersion, currency: published.currency, assignments: [...planned.assignments] };
}

function publishedVersion(plan: PlanState, version: number | undefined): PlanVersionState | undefined {
  return version === undefined
    ? plan.versions.at(-1)
    : plan.versions.find((candidate) => candidate.version === version);
}

async function openTenant(change: Change, id: string): Promise<TenantState> {
  const tenant = await tenantOf(change, id);
  assertOpen(tenant);
  return tenant;
}

export async function tenantOf(change: Change, id: string): Promise<TenantState> {
  const tenant = await change.tenant(id);
  if (tenant === undefined) throw noSuch("tenant", id);
  return tenant;
}
