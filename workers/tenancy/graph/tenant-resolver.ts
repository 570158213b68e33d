import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from "type-graphql";
import type { Clock } from "#kernel/clock.js";
import { readSizeOf } from "#platform/graphql/answer-size.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import { DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { actorOf } from "#platform/tenancy-client/audit-log.js";
import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { visibleVersions } from "#schema/plan-visibility.js";
import { authorize, maySee } from "#schema/policy.js";
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
import { LimitKind, LimitUnit, QuotaWindow, SuspensionBilling, TenantStatus } from "./enums.js";
import type { Loaders } from "./loaders.js";
import { DimensionMatchInput, scopeTerms, unitTerms } from "./plan-inputs.js";
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

  @Query(() => Tenant, { nullable: true, description: "A tenant; null: it does not exist, or is not the caller's" })
  tenant(
    @Ctx() context: SubgraphContext,
    @Arg("id", () => ID, { description: "The tenant's id" }) id: string,
  ): Promise<Tenant | null> {
    return this.reference(id, context);
  }

  /** Also for `_entities`. Null: it does not exist, or the caller may not see it. */
  async reference(id: string, context: SubgraphContext): Promise<Tenant | null> {
    if (!maySee(context.identity, "Query.tenant", id)) return null;
    const state = await this.loaders.tenant(context, id);
    return state === undefined ? null : tenantView(state);
  }

  @Query(() => TenantConnection, {
    description: "All tenants, in the order of their creation; only for PLATFORM_ADMIN",
  })
  async tenants(
    @Ctx() context: SubgraphContext,
    @Args(() => PageArguments) args: PageArguments,
    @Arg("status", () => TenantStatus, { nullable: true, description: "Only tenants in this status; default: any" })
    status: keyof typeof TenantStatus | null,
  ): Promise<Page<Tenant>> {
    authorize(context.identity, "Query.tenants");
    const page = TENANTS.open(args);
    const asked = { after: page.after, take: page.take, status: status ?? undefined };
    const states = await this.store.tenants(asked, readSizeOf(context).take);
    return page.of(states, (state) => state.createdInVersion, tenantView);
  }

  @FieldResolver(() => PlanVersion, { nullable: true, description: "The plan of the current billing period" })
  async plan(@Root() { state }: Tenant, @Ctx() context: SubgraphContext): Promise<PlanVersion | null> {
    const assigned = runningPlan(state, this.clock.now());
    return assigned === undefined ? null : this.versionOf(assigned, state, context);
  }

  @FieldResolver(() => [PlanAssignment], {
    description: "Its plans, past, current and next, in order; without cancelled changes",
  })
  assignments(@Root() { state }: Tenant, @Ctx() context: SubgraphContext): Promise<PlanAssignment[]> {
    return Promise.all(activeAssignments(state).map((assignment) => this.assignmentView(assignment, state, context)));
  }

  @FieldResolver(() => [ApiKey], { description: "Its keys, without secrets, also revoked ones; needs TENANT_ADMIN" })
  async apiKeys(@Ctx() context: SubgraphContext, @Root() { id }: Tenant): Promise<ApiKey[]> {
    authorize(context.identity, "Tenant.apiKeys", id);
    return (await this.loaders.apiKeysOfTenant(context, id)).map(apiKeyView);
  }

  @Mutation(() => Tenant, { description: "Creates a tenant" })
  async createTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("input", () => CreateTenantInput, { description: "The tenant" }) input: CreateTenantInput,
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
      // Absent when it is the default, as in the inputs that older releases stored.
      timeZone: input.timeZone === "UTC" ? undefined : (input.timeZone ?? undefined),
    });
    return tenantView(tenant);
  }

  @Mutation(() => Tenant, {
    description:
      "Changes a tenant's name, buyer or grace time, from now on: closed invoices stay as they are. CONFLICT: it is closed",
  })
  async updateTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID, { description: "The tenant's id" }) id: string,
    @Arg("input", () => UpdateTenantInput, { description: "What to change" }) input: UpdateTenantInput,
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
      "Suspends a tenant: `consume` denies with TENANT_SUSPENDED until `resumeTenant`. Usage that is sent is still recorded and charged. CONFLICT: it is not ACTIVE",
  })
  async suspendTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID, { description: "The tenant's id" }) id: string,
    @Arg("reason", () => String, { description: "Why, for the audit log; at most 200 characters" }) reason: string,
    @Arg("billing", () => SuspensionBilling, {
      nullable: true,
      defaultValue: "CONTINUE",
      description: "Whether the recurring fee and the minimum commit are charged for the suspended days",
    })
    billing: keyof typeof SuspensionBilling | null,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.suspendTenant", id);
    const how = { reason, billing: billing ?? "CONTINUE" };
    return tenantView(await moveTenant(this.store, actorOf(identity), id, "suspend", how));
  }

  @Mutation(() => Tenant, { description: "Ends the suspension of a tenant. CONFLICT: it is not SUSPENDED" })
  async resumeTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID, { description: "The tenant's id" }) id: string,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.resumeTenant", id);
    return tenantView(await moveTenant(this.store, actorOf(identity), id, "resume"));
  }

  @Mutation(() => Tenant, {
    description:
      "Closes a tenant permanently; this cannot be undone. It can no longer be changed, `consume` denies, and usage from after the closing is refused. Its current period ends as usual and is invoiced; late usage from before the closing still counts",
  })
  async closeTenant(
    @Ctx() { identity }: SubgraphContext,
    @Arg("id", () => ID, { description: "The tenant's id" }) id: string,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.closeTenant", id);
    return tenantView(await moveTenant(this.store, actorOf(identity), id, "close"));
  }

  @Mutation(() => Tenant, {
    description:
      "Moves a test tenant's clock forward: periods end, grace times pass and quota windows advance. `testClockStatus` is ADVANCING until all services have followed",
  })
  async advanceTestClock(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("to", () => DateTimeScalar, {
      description: "The new time of its clock, not before the current one; INVALID for a tenant without a test clock",
    })
    to: number,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.advanceTestClock", tenantId);
    return tenantView(await advanceTestClock(this.store, actorOf(identity), tenantId, to));
  }

  @Mutation(() => PlanAssignment, {
    description:
      "Assigns a plan version: from the next billing period on, or a tenant's first plan from the earliest period whose grace time has not passed. The current period keeps its plan and price to its end. A change that was planned before is replaced. If the version already applies from then on, nothing changes, and the answer is the existing assignment, whose `effectiveFrom` may be long past. CONFLICT: the tenant is closed, or the plan or one of its meters is archived. INVALID: the plan is in another currency",
  })
  async changePlan(
    @Ctx() context: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("planId", () => ID, {
      description: "The plan's id; the plan that the tenant has, to move it to another version",
    })
    planId: string,
    @Arg("version", () => Int, { nullable: true, description: "The number of the version; default: the newest" })
    version: number | null,
  ): Promise<PlanAssignment> {
    authorize(context.identity, "Mutation.changePlan", tenantId);
    const change = { tenantId, planId, version: version ?? undefined };
    const { tenant, assignment } = await changePlan(this.store, actorOf(context.identity), change);
    return this.assignmentView(assignment, tenant, context);
  }

  @Mutation(() => QuotaStatus, {
    description:
      "Replaces a limit of the tenant's plan until the given time, also across changes of plan. Takes effect immediately and is audited. INVALID: the plan has no such limit",
  })
  async setQuotaOverride(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("meter", () => String, {
      nullable: true,
      description: "The meter of the limit; null: the limit counts requests, or money",
    })
    meter: string | null,
    @Arg("window", () => QuotaWindow, { description: "The window of the limit" }) window: keyof typeof QuotaWindow,
    @Arg("limit", () => DecimalScalar, { description: "The quantity or amount that applies instead, higher or lower" })
    limit: string,
    @Arg("until", () => DateTimeScalar, { description: "When the plan's own limit applies again; in the future" })
    until: number,
    @Arg("reason", () => String, { description: "Why, for the audit log; at most 200 characters" }) reason: string,
    @Arg("by", () => [String], {
      nullable: true,
      defaultValue: [],
      description: "The `by` of the limit: the override applies to each combination",
    })
    by: string[] | null,
    @Arg("where", () => [DimensionMatchInput], {
      nullable: true,
      defaultValue: [],
      description: "The `where` of the limit",
    })
    where: DimensionMatchInput[] | null,
    @Arg("unit", () => LimitUnit, {
      nullable: true,
      defaultValue: "QUANTITY",
      description: "The unit of the limit; MONEY: the one on what all usage costs",
    })
    unit: keyof typeof LimitUnit | null,
    @Arg("kind", () => LimitKind, {
      nullable: true,
      description: "Whether it denies or only warns until then; default: as the plan's limit",
    })
    kind: keyof typeof LimitKind | null,
  ): Promise<QuotaStatus> {
    authorize(identity, "Mutation.setQuotaOverride", tenantId);
    const scope = { ...scopeTerms(by, where), ...unitTerms(unit) };
    const terms = { meter: meter ?? null, window, ...scope, limit, until, reason, ...(kind && { kind }) };
    const { version } = await setQuotaOverride(this.store, actorOf(identity), tenantId, terms);
    return { ref: JSON.stringify({ tenantId, meter: terms.meter, window, ...scope, version }) };
  }

  @Mutation(() => Tenant, {
    description:
      "Cancels the change of plan that has not taken effect yet: the tenant keeps its current plan. CONFLICT: no change is pending, or the tenant is closed",
  })
  async cancelPlanChange(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
  ): Promise<Tenant> {
    authorize(identity, "Mutation.cancelPlanChange", tenantId);
    return tenantView(await cancelPlanChange(this.store, actorOf(identity), tenantId));
  }

  /** Its plan leads to the other versions: a caller who is bound to the tenant reaches those that this tenant may see. */
  private async versionOf(
    { planId, planVersion }: AssignedPlan,
    tenant: TenantState,
    context: SubgraphContext,
  ): Promise<PlanVersion | null> {
    const plan = await this.loaders.plan(context, planId);
    const isBound = context.identity.tenantId !== null;
    return planVersionView(plan, planVersion, plan && isBound ? visibleVersions(plan, tenant) : undefined);
  }

  private async assignmentView(
    assignment: ActiveAssignment,
    tenant: TenantState,
    context: SubgraphContext,
  ): Promise<PlanAssignment> {
    const plan = await this.versionOf(assignment, tenant, context);
    if (plan === null) throw new Error(`the assigned ${assignment.planId}@${assignment.planVersion} does not exist`);
    return { plan, effectiveFrom: assignment.effectiveFrom, effectiveTo: assignment.effectiveTo };
  }
}
