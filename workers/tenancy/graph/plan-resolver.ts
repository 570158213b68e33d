import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from "type-graphql";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { actorOf } from "#platform/tenancy-client/audit-log.js";
import type { PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { assignedPlanIds, visibleVersions } from "#schema/plan-visibility.js";
import { authorize, type Identity } from "#schema/policy.js";
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

  @Query(() => [Meter])
  async meters(@Ctx() { identity }: SubgraphContext): Promise<Meter[]> {
    authorize(identity, "Query.meters");
    return (await this.store.activeMeters()).map(meterView);
  }

  @Query(() => Plan, { nullable: true })
  async plan(@Ctx() { identity }: SubgraphContext, @Arg("id", () => ID) id: string): Promise<Plan | null> {
    authorize(identity, "Query.plan");
    const [state, tenant] = await Promise.all([this.loaders.plan(id), this.tenantOf(identity)]);
    if (state === undefined) return null;
    const seen = tenant === ANY ? state.versions : visibleVersions(state, tenant);
    return seen.length === 0 ? null : planView(state, seen);
  }

  @Query(() => PlanConnection, { description: "Plans that are not archived" })
  async plans(
    @Ctx() { identity }: SubgraphContext,
    @Args(() => PageArguments) args: PageArguments,
  ): Promise<Page<Plan>> {
    authorize(identity, "Query.plans");
    const page = PLANS.open(args);
    const tenant = await this.tenantOf(identity);
    const visibleTo = tenant === ANY ? undefined : assignedPlanIds(tenant);
    const states = await this.store.plans({ after: page.after, take: page.take, visibleTo });
    const view = (state: PlanState) => planView(state, tenant === ANY ? undefined : visibleVersions(state, tenant));
    return page.of(states, (state) => state.versions[0]?.publishedInVersion ?? 0, view);
  }

  async versionReference(id: unknown, { identity }: SubgraphContext): Promise<PlanVersion | null> {
    authorize(identity, "Query.plan");
    const named = parsePlanVersionId(id);
    if (named === undefined) return null;
    const [state, tenant] = await Promise.all([this.loaders.plan(named.planId), this.tenantOf(identity)]);
    const seen = state === undefined || tenant === ANY ? undefined : visibleVersions(state, tenant);
    return planVersionView(state, named.version, seen);
  }

  /** The tenant to which the caller is bound; undefined: it does not exist. */
  private async tenantOf({ tenantId }: Identity): Promise<TenantState | typeof ANY | undefined> {
    return tenantId === null ? ANY : this.loaders.tenant(tenantId);
  }

  @Mutation(() => Meter)
  async createMeter(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreateMeterInput) input: CreateMeterInput,
  ): Promise<Meter> {
    authorize(identity, "Mutation.createMeter");
    return meterView(await createMeter(this.store, actorOf(identity), newMeter(input)));
  }

  @Mutation(() => Meter, {
    description:
      "Makes the meter count no events that are recorded from now on. Refused while an assigned or published plan prices the meter, unless `force` is true",
  })
  async archiveMeter(
    @Ctx() { identity }: SubgraphContext,
    @Arg("key", () => String) key: string,
    @Arg("force", () => Boolean, { nullable: true, defaultValue: false }) force: boolean | null,
  ): Promise<Meter> {
    authorize(identity, "Mutation.archiveMeter");
    return meterView(await archiveMeter(this.store, actorOf(identity), key, force ?? false));
  }

  @Mutation(() => Meter, { description: "Makes an archived meter count events again that are recorded from now on" })
  async unarchiveMeter(@Ctx() { identity }: SubgraphContext, @Arg("key", () => String) key: string): Promise<Meter> {
    authorize(identity, "Mutation.unarchiveMeter");
    return meterView(await unarchiveMeter(this.store, actorOf(identity), key));
  }

  @Mutation(() => Plan)
  async createPlan(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreatePlanInput) input: CreatePlanInput,
  ): Promise<Plan> {
    authorize(identity, "Mutation.createPlan");
    return planView(await createPlan(this.store, actorOf(identity), newPlan(input)));
  }

  @Mutation(() => PlanVersion, { description: "Adds a version to a plan. Tenants get it by `changePlan`" })
  async publishPlanVersion(
    @Ctx() { identity }: SubgraphContext,
    @Arg("planId", () => ID) planId: string,
    @Arg("input", () => PlanVersionInput) input: PlanVersionInput,
  ): Promise<PlanVersion | null> {
    authorize(identity, "Mutation.publishPlanVersion");
    return planView(await publishPlanVersion(this.store, actorOf(identity), planId, planTerms(input))).latest;
  }

  @Mutation(() => Plan, { description: "Ends new assignments of a plan; tenants that have it keep it" })
  async archivePlan(@Ctx() { identity }: SubgraphContext, @Arg("id", () => ID) id: string): Promise<Plan> {
    authorize(identity, "Mutation.archivePlan");
    return planView(await archivePlan(this.store, actorOf(identity), id));
  }
}
