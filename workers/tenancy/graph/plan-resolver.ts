import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from "type-graphql";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { actorOf } from "#platform/tenancy-client/audit-log.js";
import { authorize } from "#schema/policy.js";
import { archiveMeter, createMeter } from "../changes/meters.js";
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
    const state = await this.loaders.plan(id);
    return state === undefined ? null : planView(state);
  }

  @Query(() => PlanConnection, { description: "Without archived plans" })
  async plans(
    @Ctx() { identity }: SubgraphContext,
    @Args(() => PageArguments) args: PageArguments,
  ): Promise<Page<Plan>> {
    authorize(identity, "Query.plans");
    const page = PLANS.open(args);
    const states = await this.store.plans({ after: page.after, take: page.take });
    return page.of(states, (state) => state.versions[0]?.publishedInVersion ?? 0, planView);
  }

  async versionReference(id: unknown, { identity }: SubgraphContext): Promise<PlanVersion | null> {
    authorize(identity, "Query.plan");
    const named = parsePlanVersionId(id);
    return named === undefined ? null : planVersionView(await this.loaders.plan(named.planId), named.version);
  }

  @Mutation(() => Meter)
  async createMeter(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreateMeterInput) input: CreateMeterInput,
  ): Promise<Meter> {
    authorize(identity, "Mutation.createMeter");
    return meterView(await createMeter(this.store, actorOf(identity), newMeter(input)));
  }

  @Mutation(() => Meter)
  async archiveMeter(@Ctx() { identity }: SubgraphContext, @Arg("key", () => String) key: string): Promise<Meter> {
    authorize(identity, "Mutation.archiveMeter");
    return meterView(await archiveMeter(this.store, actorOf(identity), key));
  }

  @Mutation(() => Plan)
  async createPlan(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreatePlanInput) input: CreatePlanInput,
  ): Promise<Plan> {
    authorize(identity, "Mutation.createPlan");
    return planView(await createPlan(this.store, actorOf(identity), newPlan(input)));
  }

  @Mutation(() => PlanVersion)
  async publishPlanVersion(
    @Ctx() { identity }: SubgraphContext,
    @Arg("planId", () => ID) planId: string,
    @Arg("input", () => PlanVersionInput) input: PlanVersionInput,
  ): Promise<PlanVersion | null> {
    authorize(identity, "Mutation.publishPlanVersion");
    return planView(await publishPlanVersion(this.store, actorOf(identity), planId, planTerms(input))).latest;
  }

  @Mutation(() => Plan)
  async archivePlan(@Ctx() { identity }: SubgraphContext, @Arg("id", () => ID) id: string): Promise<Plan> {
    authorize(identity, "Mutation.archivePlan");
    return planView(await archivePlan(this.store, actorOf(identity), id));
  }
}
