import { MetrlyError, noSuch } from "#kernel/errors.js";
import { newOrderedUuid } from "#platform/lifecycle/random.js";
import type { PlanState, PlanVersionState } from "#schema/events/tenancy-changed.v1.js";
import { assertSameCreation, creationInput } from "../rules/creation.js";
import { type PlanDraft, validatePlanVersion } from "../rules/plan-version.js";
import { nameReasons, type Reason, rejectIf } from "../rules/reasons.js";
import { clientIdReasons } from "../rules/tenant.js";
import type { Change } from "../store/change.js";
import type { TenancyStore } from "../store/store.js";

export interface NewPlan {
  readonly id: string | undefined;
  readonly name: string;
  readonly version: PlanDraft;
}

/** Creates a plan with its version 1. Throws INVALID with every reason, CONFLICT (the id is taken). */
export function createPlan(store: TenancyStore, actor: string, input: NewPlan): Promise<PlanState> {
  return store.change(actor, async (change) => {
    const given = creationInput(input);
    const there = input.id === undefined ? undefined : await change.plan(input.id);
    if (there !== undefined) {
      assertSameCreation(
        `Plan ${there.id}`,
        await change.creationInput("plan", there.id),
        given,
        "publishPlanVersion adds terms",
      );
      return there;
    }
    rejectIf([
      ...clientIdReasons(input.id),
      ...nameReasons("name", input.name),
      ...(await versionReasons(change, input.version, "version.")),
    ]);
    const version = change.nextVersion();
    const after: PlanState = {
      kind: "plan",
      id: input.id ?? `plan_${newOrderedUuid().replaceAll("-", "")}`,
      version,
      name: input.name,
      archived: false,
      versions: [published(input.version, 1, change.now, version)],
    };
    return change.save({ action: "plan.create", after, creationInput: given });
  });
}

/**
 * Publishes the plan's next version; tenants keep theirs until they are changed. Throws NOT_FOUND, INVALID, CONFLICT
 * (archived).
 */
export function publishPlanVersion(
  store: TenancyStore,
  actor: string,
  planId: string,
  terms: PlanDraft,
): Promise<PlanState> {
  return store.change(actor, async (change) => {
    const before = await change.plan(planId);
    if (before === undefined) throw noSuch("plan", planId);
    if (before.archived) throw new MetrlyError("CONFLICT", `Plan ${planId} is archived and gets no further versions`);
    rejectIf(await versionReasons(change, terms, ""));
    const version = change.nextVersion();
    const next = published(terms, before.versions.length + 1, change.now, version);
    const after = { ...before, version, versions: [...before.versions, next] };
    return change.save({ action: "plan.publishVersion", before, after });
  });
}

/** Prevents new assignments of a plan; its tenants keep it. Throws NOT_FOUND. */
export function archivePlan(store: TenancyStore, actor: string, id: string): Promise<PlanState> {
  return store.change(actor, async (change) => {
    const before = await change.plan(id);
    if (before === undefined) throw noSuch("plan", id);
    if (before.archived) return before;
    return change.save({
      action: "plan.archive",
      before,
      after: { ...before, version: change.nextVersion(), archived: true },
    });
  });
}

async function versionReasons(change: Change, terms: PlanDraft, prefix: string): Promise<Reason[]> {
  const reasons = validatePlanVersion(terms, await change.activeMeters());
  return reasons.map(({ path, detail }) => ({ path: prefix + path, detail }));
}

function published(terms: PlanDraft, number: number, now: number, inVersion: number): PlanVersionState {
  return { ...terms, version: number, publishedAt: now, publishedInVersion: inVersion };
}
