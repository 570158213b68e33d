import { Ctx, FieldResolver, Resolver, Root } from "type-graphql";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { InvoiceReads } from "./invoice-reads.js";
import { BillingPeriodType, InvoiceAdjustmentType, InvoiceType, TenantType } from "./types.js";
import { endedPeriodView, invoiceView } from "./views.js";

@Resolver(() => InvoiceType)
export class InvoiceResolver {
  constructor(private readonly billing: InvoiceReads) {}

  @FieldResolver(() => TenantType, { description: "The tenant that it charges" })
  tenant(@Root() invoice: InvoiceType): TenantType {
    return { id: invoice.tenantId };
  }

  @FieldResolver(() => BillingPeriodType, { description: "The period that it charges" })
  async period(@Root() invoice: InvoiceType, @Ctx() context: SubgraphContext): Promise<BillingPeriodType> {
    const ended = await this.billing.periodOf(context, { tenantId: invoice.tenantId, start: invoice.periodStart });
    if (ended === undefined) throw new Error(`invoice ${invoice.id} has no period`);
    return endedPeriodView(ended);
  }
}

@Resolver(() => BillingPeriodType)
export class BillingPeriodResolver {
  constructor(private readonly billing: InvoiceReads) {}

  @FieldResolver(() => InvoiceType, {
    nullable: true,
    description: "Its invoice; null: it is not closed, or had no plan",
  })
  async invoice(@Root() period: BillingPeriodType, @Ctx() context: SubgraphContext): Promise<InvoiceType | null> {
    if (period.invoiceOrdinal === null) return null;
    const stored = await this.billing.invoiceOf(context, { tenantId: period.tenantId, ordinal: period.invoiceOrdinal });
    return stored === undefined ? null : invoiceView(stored);
  }
}

@Resolver(() => InvoiceAdjustmentType)
export class InvoiceAdjustmentResolver {
  constructor(private readonly billing: InvoiceReads) {}

  @FieldResolver(() => InvoiceType, { description: "The invoice that charged the corrected period" })
  async invoice(@Root() adjusts: InvoiceAdjustmentType, @Ctx() context: SubgraphContext): Promise<InvoiceType> {
    const stored = await this.billing.invoiceById(context, adjusts.invoiceId);
    if (stored === undefined) throw new Error(`an adjustment names ${adjusts.invoiceId}, which does not exist`);
    return invoiceView(stored);
  }
}
