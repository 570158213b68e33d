import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from "type-graphql";
import { readSizeOf } from "#platform/graphql/answer-size.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { actorOf } from "#platform/tenancy-client/audit-log.js";
import type { PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { assignedPlanIds, visibleVersions } from "#schema/plan-visibility.js";
import { authorize } from "#schema/policy.js";
import { archiveMeter, createMeter, unarchiveMeter } from "../changes/meters.js";
import { archivePlan, createPlan, publishPlanVersion } from "../changes/plans.js";
import type { TenancyStore } from "../store/store.js";
import type { Loaders } from "./loaders.js";
import { CreateMeterInput, CreatePlanInput, newMeter, newPlan, PlanVersionInput, planTerms } from "./plan-inputs.js";
import {
  Meter,
  meterView,
  Plan,
  PlanConnection,
  PlanVersion,
  parsePlanVersionId,
  planVersionView,
  planView,
} from "./plan-types.js";

const PLANS = numberedList("plans");
/** A caller who is bound to no tenant sees every plan. */
const ANY = "any";

@Resolver()
export class PlanResolver {
  constructor(
    private readonly store: TenancyStore,
    private readonly loaders: Loaders,
  ) {}

  @Query(() => [Meter], { description: "The meters that are not archived" })
  async meters(@Ctx() context: SubgraphContext): Promise<Meter[]> {
    authorize(context.identity, "Query.meters");
    return (await this.loaders.activeMeters(context)).map(meterView);
  }

  @Query(() => Plan, {
    nullable: true,
    description: "A plan, archived or not; null: it does not exist, or the caller may see none of its versions",
  })
  async plan(
    @Ctx() context: SubgraphContext,
    @Arg("id", () => ID, { description: "The plan's id" }) id: string,
  ): Promise<Plan | null> {
    authorize(context.identity, "Query.plan");
    const [state, tenant] = await Promise.all([this.loaders.plan(context, id), this.tenantOf(context)]);
    if (state === undefined) return null;
    const seen = tenant === ANY ? state.versions : visibleVersions(state, tenant);
    return seen.length === 0 ? null : planView(state, seen);
  }

  @Query(() => PlanConnection, { description: "Plans that are not archived" })
  async plans(@Ctx() context: SubgraphContext, @Args(() => PageArguments) args: PageArguments): Promise<Page<Plan>> {
    authorize(context.identity, "Query.plans");
    const page = PLANS.open(args);
    const tenant = await this.tenantOf(context);
    const visibleTo = tenant === ANY ? undefined : assignedPlanIds(tenant);
    const asked = { after: page.after, take: page.take, visibleTo };
    const states = await this.store.plans(asked, readSizeOf(context).take);
    const view = (state: PlanState) => planView(state, tenant === ANY ? undefined : visibleVersions(state, tenant));
    return page.of(states, (state) => state.versions[0]?.publishedInVersion ?? 0, view);
  }

  async versionReference(id: unknown, context: SubgraphContext): Promise<PlanVersion | null> {
    authorize(context.identity, "Query.plan");
    const named = parsePlanVersionId(id);
    if (named === undefined) return null;
    const [state, tenant] = await Promise.all([this.loaders.plan(context, named.planId), this.tenantOf(context)]);
    const seen = state === undefined || tenant === ANY ? undefined : visibleVersions(state, tenant);
    return planVersionView(state, named.version, seen);
  }

  /** The tenant to which the caller is bound; undefined: it does not exist. */
  private async tenantOf(context: SubgraphContext): Promise<TenantState | typeof ANY | undefined> {
    const { tenantId } = context.identity;
    return tenantId === null ? ANY : this.loaders.tenant(context, tenantId);
  }

  @Mutation(() => Meter, {
    description:
      "Creates a meter. It counts events that are recorded from now on, and with `backfill` those recorded as unmetered before",
  })
  async createMeter(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreateMeterInput, { description: "The meter" }) input: CreateMeterInput,
  ): Promise<Meter> {
    authorize(identity, "Mutation.createMeter");
    return meterView(await createMeter(this.store, actorOf(identity), newMeter(input)));
  }

  @Mutation(() => Meter, {
    description:
      "Makes the meter count no events that are recorded from now on; its totals stay. Refused with CONFLICT while an assigned or published plan prices the meter, unless `force` is true",
  })
  async archiveMeter(
    @Ctx() { identity }: SubgraphContext,
    @Arg("key", () => String, { description: "The meter's key" }) key: string,
    @Arg("force", () => Boolean, {
      nullable: true,
      defaultValue: false,
      description: "Archive it even if a plan prices it: its usage is then recorded and not charged",
    })
    force: boolean | null,
  ): Promise<Meter> {
    authorize(identity, "Mutation.archiveMeter");
    return meterView(await archiveMeter(this.store, actorOf(identity), key, force ?? false));
  }

  @Mutation(() => Meter, { description: "Makes an archived meter count events again that are recorded from now on" })
  async unarchiveMeter(
    @Ctx() { identity }: SubgraphContext,
    @Arg("key", () => String, { description: "The meter's key" }) key: string,
  ): Promise<Meter> {
    authorize(identity, "Mutation.unarchiveMeter");
    return meterView(await unarchiveMeter(this.store, actorOf(identity), key));
  }

  @Mutation(() => Plan, { description: "Creates a plan with its version 1. INVALID lists every reason at once" })
  async createPlan(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreatePlanInput, { description: "The plan" }) input: CreatePlanInput,
  ): Promise<Plan> {
    authorize(identity, "Mutation.createPlan");
    return planView(await createPlan(this.store, actorOf(identity), newPlan(input)));
  }

  @Mutation(() => PlanVersion, {
    description:
      "Adds the next version to a plan, with all of its terms. No tenant gets it by itself: tenants keep their version until `changePlan`, which applies from their next period on; new tenants get the newest. CONFLICT: the plan is archived",
  })
  async publishPlanVersion(
    @Ctx() { identity }: SubgraphContext,
    @Arg("planId", () => ID, { description: "The plan's id" }) planId: string,
    @Arg("input", () => PlanVersionInput, {
      description: "All terms of the new version: nothing is taken over from the one before",
    })
    input: PlanVersionInput,
  ): Promise<PlanVersion | null> {
    authorize(identity, "Mutation.publishPlanVersion");
    return planView(await publishPlanVersion(this.store, actorOf(identity), planId, planTerms(input))).latest;
  }

  @Mutation(() => Plan, {
    description:
      "Ends new assignments and new versions of a plan, permanently. Tenants that have it keep it, and are charged by it",
  })
  async archivePlan(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID, { description: "The plan's id" }) id: string,
  ): Promise<Plan> {
    authorize(identity, "Mutation.archivePlan");
    return planView(await archivePlan(this.store, actorOf(identity), id));
  }
}
