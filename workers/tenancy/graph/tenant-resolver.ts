import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from "type-graphql";
import type { Clock } from "#kernel/clock.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import { DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { actorOf } from "#platform/tenancy-client/audit-log.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { visibleVersions } from "#schema/plan-visibility.js";
import { authorize, type Identity, maySee } from "#schema/policy.js";
import type { AssignedPlan } from "#schema/tenancy-history.js";
import {
  advanceTestClock,
  cancelPlanChange,
  changePlan,
  createTenant,
  moveTenant,
  setQuotaOverride,
  updateTenant,
} from "../changes/tenants.js";
import { type ActiveAssignment, activeAssignments, runningPlan } from "../rules/assignment.js";
import type { BuyerTerms } from "../rules/buyer.js";
import type { TenancyStore } from "../store/store.js";
import { QuotaWindow, SuspensionBilling, TenantStatus } from "./enums.js";
import type { Loaders } from "./loaders.js";
import { PlanVersion, planVersionView } from "./plan-types.js";
import {
  ApiKey,
  apiKeyView,
  CreateTenantInput,
  type InvoicePartyInput,
  PlanAssignment,
  QuotaStatus,
  Tenant,
  TenantConnection,
  tenantView,
  UpdateTenantInput,
} from "./tenant-types.js";

const TENANTS = numberedList("tenants");

const buyerTerms = (input: InvoicePartyInput | null | undefined): BuyerTerms | undefined =>
  input ? { name: input.name ?? undefined, addressLines: input.addressLines ?? [] } : undefined;

@Resolver(() => Tenant)
export class TenantResolver {
  constructor(
    private readonly store: TenancyStore,
    private readonly loaders: Loaders,
    private readonly clock: Clock,
  ) {}

  @Query(() => Tenant, { nullable: true })
  tenant(@Ctx() { identity }: SubgraphContext, @Arg("id", () => ID) id: string): Promise<Tenant | null> {
    return this.reference(id, { identity });
  }

  /** Also for `_entities`. Null: it does not exist, or the caller may not see it. */
  async reference(id: string, { identity }: SubgraphContext): Promise<Tenant | null> {
    if (!maySee(identity, "Query.tenant", id)) return null;
    const state = await this.loaders.tenant(id);
    return state === undefined ? null : tenantView(state);
  }

  @Query(() => TenantConnection)
  async tenants(
    @Ctx() { identity }: SubgraphContext,
    @Args(() => PageArguments) args: PageArguments,
    @Arg("status", () => TenantStatus, { nullable: true }) status: keyof typeof TenantStatus | null,
  ): Promise<Page<Tenant>> {
    authorize(identity, "Query.tenants");
    const page = TENANTS.open(args);
    const states = await this.store.tenants({ after: page.after, take: page.take, status: status ?? undefined });
    return page.of(states, (state) => state.createdInVersion, tenantView);
  }

  @FieldResolver(() => PlanVersion, { nullable: true, description: "The plan of the current billing period" })
  async plan(@Root() { state }: Tenant, @Ctx() { identity }: SubgraphContext): Promise<PlanVersion | null> {
    const assigned = runningPlan(state, this.clock.now());
    return assigned === undefined ? null : this.versionOf(assigned, state, identity);
  }

  @FieldResolver(() => [PlanAssignment])
  assignments(@Root() { state }: Tenant, @Ctx() { identity }: SubgraphContext): Promise<PlanAssignment[]> {
    return Promise.all(activeAssignments(state).map((assignment) => this.assignmentView(assignment, state, identity)));
  }

  @FieldResolver(() => [ApiKey])
  async apiKeys(@Ctx() { identity }: SubgraphContext, @Root() { id }: Tenant): Promise<ApiKey[]> {
    authorize(identity, "Tenant.apiKeys", id);
    return (await this.loaders.apiKeysOfTenant(id)).map(apiKeyView);
  }

  @Mutation(() => Tenant)
  async createTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreateTenantInput) input: CreateTenantInput,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.createTenant");
    const tenant = await createTenant(this.store, actorOf(identity), {
      id: input.id ?? undefined,
      name: input.name,
      buyer: buyerTerms(input.buyer),
      planId: input.planId ?? undefined,
      startsAt: input.startsAt ?? undefined,
      billingAnchorDay: input.billingAnchorDay ?? 1,
      graceDays: input.graceDays ?? 3,
      testClock: input.testClock ?? null,
    });
    return tenantView(tenant);
  }

  @Mutation(() => Tenant)
  async updateTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID) id: string,
    @Arg("input", () => UpdateTenantInput) input: UpdateTenantInput,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.updateTenant", id);
    const changes = {
      name: input.name ?? undefined,
      graceDays: input.graceDays ?? undefined,
      buyer: buyerTerms(input.buyer),
    };
    return tenantView(await updateTenant(this.store, actorOf(identity), id, changes));
  }

  @Mutation(() => Tenant, {
    description:
      "Suspends a tenant. `billing: CONTINUE` charges fees and commit during the suspension, `PAUSE` does not. Usage is charged either way",
  })
  async suspendTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID) id: string,
    @Arg("reason", () => String) reason: string,
    @Arg("billing", () => SuspensionBilling, { nullable: true, defaultValue: "CONTINUE" })
    billing: keyof typeof SuspensionBilling | null,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.suspendTenant", id);
    const how = { reason, billing: billing ?? "CONTINUE" };
    return tenantView(await moveTenant(this.store, actorOf(identity), id, "suspend", how));
  }

  @Mutation(() => Tenant, { description: "Ends the suspension of a tenant" })
  async resumeTenant(@Ctx() { identity }: SubgraphContext, @Arg("id", () => ID) id: string): Promise<Tenant> {
    authorize(identity, "Mutation.resumeTenant", id);
    return tenantView(await moveTenant(this.store, actorOf(identity), id, "resume"));
  }

  @Mutation(() => Tenant, {
    description: "Closes a tenant permanently: it can no longer be changed, and its usage is refused",
  })
  async closeTenant(@Ctx() { identity }: SubgraphContext, @Arg("id", () => ID) id: string): Promise<Tenant> {
    authorize(identity, "Mutation.closeTenant", id);
    return tenantView(await moveTenant(this.store, actorOf(identity), id, "close"));
  }

  @Mutation(() => Tenant, {
    description:
      "Moves a test tenant's clock forward: periods end, grace times pass and quota windows advance. `testClockStatus` is ADVANCING until all services have followed",
  })
  async advanceTestClock(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID) tenantId: string,
    @Arg("to", () => DateTimeScalar) to: number,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.advanceTestClock", tenantId);
    return tenantView(await advanceTestClock(this.store, actorOf(identity), tenantId, to));
  }

  @Mutation(() => PlanAssignment, {
    description:
      "Takes effect in the next billing period; a tenant's first plan, in the earliest period whose grace time has not passed",
  })
  async changePlan(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID) tenantId: string,
    @Arg("planId", () => ID) planId: string,
    @Arg("version", () => Int, { nullable: true }) version: number | null,
  ): Promise<PlanAssignment> {
    authorize(identity, "Mutation.changePlan", tenantId);
    const change = { tenantId, planId, version: version ?? undefined };
    const { tenant, assignment } = await changePlan(this.store, actorOf(identity), change);
    return this.assignmentView(assignment, tenant, identity);
  }

  @Mutation(() => QuotaStatus, {
    description: "Overrides a limit of one tenant until the given time. Takes effect immediately and is audited",
  })
  async setQuotaOverride(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID) tenantId: string,
    @Arg("meter", () => String, { nullable: true }) meter: string | null,
    @Arg("window", () => QuotaWindow) window: keyof typeof QuotaWindow,
    @Arg("limit", () => DecimalScalar) limit: string,
    @Arg("until", () => DateTimeScalar) until: number,
    @Arg("reason", () => String) reason: string,
  ): Promise<QuotaStatus> {
    authorize(identity, "Mutation.setQuotaOverride", tenantId);
    const terms = { meter: meter ?? null, window, limit, until, reason };
    const { version } = await setQuotaOverride(this.store, actorOf(identity), tenantId, terms);
    return { ref: JSON.stringify({ tenantId, meter: terms.meter, window, version }) };
  }

  @Mutation(() => Tenant, { description: "Cancels the change of plan that has not taken effect yet" })
  async cancelPlanChange(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID) tenantId: string,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.cancelPlanChange", tenantId);
    return tenantView(await cancelPlanChange(this.store, actorOf(identity), tenantId));
  }

  /** Its plan leads to the other versions: a caller who is bound to the tenant reaches those that this tenant may see. */
  private async versionOf(
    { planId, planVersion }: AssignedPlan,
    tenant: TenantState,
    { tenantId }: Identity,
  ): Promise<PlanVersion | null> {
    const plan = await this.loaders.plan(planId);
    return planVersionView(plan, planVersion, plan && tenantId !== null ? visibleVersions(plan, tenant) : undefined);
  }

  private async assignmentView(
    assignment: ActiveAssignment,
    tenant: TenantState,
    identity: Identity,
  ): Promise<PlanAssignment> {
    const plan = await this.versionOf(assignment, tenant, identity);
    if (plan === null) throw new Error(`the assigned ${assignment.planId}@${assignment.planVersion} does not exist`);
    return { plan, effectiveFrom: assignment.effectiveFrom, effectiveTo: assignment.effectiveTo };
  }
}
