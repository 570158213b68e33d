import { Arg, Args, Ctx, Directive, FieldResolver, Resolver, Root } from "type-graphql";
import { PageArguments } from "#platform/graphql/page-types.js";
import type { Page } from "#platform/graphql/pagination.js";
import { DateTimeScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { InvoiceReads } from "./invoice-reads.js";
import {
  AccountingType,
  BillingPeriodConnectionType,
  type BillingPeriodType,
  Granularity,
  InvoiceConnectionType,
  InvoicePreviewType,
  InvoiceStatus,
  type InvoiceType,
  TenantType,
  TestClockStatus,
  UsageTotalType,
} from "./types.js";
import type { UsageReads } from "./usage-reads.js";

/** Billing's fields of a tenant. Access to the tenant implies access to these. */
@Resolver(() => TenantType)
export class TenantBillingResolver {
  constructor(
    private readonly usage: UsageReads,
    private readonly billing: InvoiceReads,
  ) {}

  @Directive("@cost(weight: 20)")
  @Directive("@listSize(assumedSize: 50)")
  @FieldResolver(() => [UsageTotalType], {
    description: "Totals of usage: as much as billing has counted so far, normally up to a second ago",
  })
  usageTotals(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
    @Arg("periodStart", () => DateTimeScalar, {
      nullable: true,
      description: "Start of a billing period; default: the current one",
    })
    periodStart: number | null | undefined,
    @Arg("meter", () => String, { nullable: true, description: "Only this meter; default: all" }) meter:
      | string
      | null
      | undefined,
    @Arg("groupBy", () => [String], {
      nullable: true,
      description: "Names of dimensions; default: none, one total per meter",
    })
    groupBy: readonly string[] | null | undefined,
    @Arg("granularity", () => Granularity, {
      nullable: true,
      defaultValue: "PERIOD",
      description: "One total per hour, per day (UTC), or for the whole period",
    })
    granularity: Granularity | null,
    @Arg("asOf", () => DateTimeScalar, {
      nullable: true,
      description: "As known at the start of this UTC hour; default: now",
    })
    asOf: number | null | undefined,
  ): Promise<UsageTotalType[]> {
    return this.usage.usageTotals(context, tenant.id, {
      periodStart: periodStart ?? null,
      meter: meter ?? null,
      groupBy: groupBy ?? [],
      granularity: granularity ?? "PERIOD",
      asOf: asOf ?? null,
    });
  }

  /** Billing answers, since its periods take longest to follow; quota's copy is checked too. */
  @Directive('@requires(fields: "testClock quotaClock")')
  @FieldResolver(() => TestClockStatus, {
    nullable: true,
    description: "Whether all services have followed the test clock; null for a real tenant",
  })
  async testClockStatus(
    @Root() { id, testClock, quotaClock }: TenantType,
    @Ctx() context: SubgraphContext,
  ): Promise<keyof typeof TestClockStatus | null> {
    if (testClock === undefined || testClock === null) return null;
    const isReady = quotaClock === testClock && (await this.billing.hasFollowed(context, id, testClock));
    return isReady ? "READY" : "ADVANCING";
  }

  @FieldResolver(() => BillingPeriodConnectionType, { description: "Its periods that have begun, newest first" })
  billingPeriods(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Page<BillingPeriodType>> {
    return this.billing.billingPeriods(context, tenant.id, page);
  }

  @Directive("@cost(weight: 50)")
  @FieldResolver(() => InvoicePreviewType, {
    nullable: true,
    description: "A preview of the current period's invoice, with adjustments that are due; null without a plan",
  })
  async upcomingInvoice(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
  ): Promise<InvoicePreviewType | null> {
    return (await this.billing.upcoming(context, tenant.id)) ?? null;
  }

  @FieldResolver(() => InvoiceConnectionType, { description: "Newest first" })
  invoices(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
    @Args(() => PageArguments) page: PageArguments,
    // Every invoice is CLOSED, the only status.
    @Arg("status", () => InvoiceStatus, { nullable: true, description: "Every invoice is CLOSED, the only status" })
    _status: keyof typeof InvoiceStatus | null | undefined,
  ): Promise<Page<InvoiceType>> {
    return this.billing.invoices(context, tenant.id, page);
  }

  @Directive("@cost(weight: 10)")
  @FieldResolver(() => AccountingType, {
    description: "What became of the events received in [from, to), rounded outwards to full hours",
  })
  accounting(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
    @Arg("from", () => DateTimeScalar, { nullable: true, description: "Default: since the beginning" }) from:
      | number
      | null
      | undefined,
    @Arg("to", () => DateTimeScalar, { nullable: true, description: "Default: now" }) to: number | null | undefined,
  ): Promise<AccountingType> {
    return this.usage.accounting(context, tenant.id, from ?? null, to ?? null);
  }
}
