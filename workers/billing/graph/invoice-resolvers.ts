import { Arg, Ctx, Directive, FieldResolver, Int, Resolver, Root } from "type-graphql";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { InvoiceReads } from "./invoice-reads.js";
import {
  BillingPeriodType,
  InvoiceAdjustmentType,
  InvoiceLineType,
  InvoicePartyType,
  InvoiceType,
  TenantType,
  UnpricedUsageType,
} from "./types.js";
import { type DocumentView, documentView, endedPeriodView, invoiceView } from "./views.js";

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

  @FieldResolver(() => InvoicePartyType, {
    nullable: true,
    description: "The seller when the period ended; null if none was configured, and in version 1 of the document",
  })
  async seller(@Root() invoice: InvoiceType, @Ctx() context: SubgraphContext): Promise<InvoicePartyType | null> {
    return (await this.viewOf(context, invoice)).seller;
  }

  @FieldResolver(() => InvoicePartyType, {
    nullable: true,
    description: "The buyer when the period ended; null in version 1 of the document",
  })
  async buyer(@Root() invoice: InvoiceType, @Ctx() context: SubgraphContext): Promise<InvoicePartyType | null> {
    return (await this.viewOf(context, invoice)).buyer;
  }

  @FieldResolver(() => [InvoiceLineType], { description: "Fees, usage, commit and adjustments" })
  async lines(@Root() invoice: InvoiceType, @Ctx() context: SubgraphContext): Promise<readonly InvoiceLineType[]> {
    return (await this.viewOf(context, invoice)).lines;
  }

  @FieldResolver(() => [UnpricedUsageType], { description: "Empty in version 1 of the document" })
  async unpricedUsage(
    @Root() invoice: InvoiceType,
    @Ctx() context: SubgraphContext,
  ): Promise<readonly UnpricedUsageType[]> {
    return (await this.viewOf(context, invoice)).unpricedUsage;
  }

  @Directive("@cost(weight: 20)")
  @FieldResolver(() => String, {
    description: "The invoice itself: canonical JSON, from which every other field is read",
  })
  async document(@Root() invoice: InvoiceType, @Ctx() context: SubgraphContext): Promise<string> {
    return (await this.billing.documentOf(context, invoice)).document;
  }

  @Directive("@cost(weight: 20)")
  @FieldResolver(() => String, {
    nullable: true,
    description:
      "A part of `document`, for one that is too large for an answer: 524,288 characters. Put the parts together, from 0 on until one is null",
  })
  async documentPart(
    @Root() invoice: InvoiceType,
    @Ctx() context: SubgraphContext,
    @Arg("part", () => Int, { description: "The number of the part, from 0" }) part: number,
  ): Promise<string | null> {
    return this.billing.partOf(context, invoice, part);
  }

  private async viewOf(context: SubgraphContext, invoice: InvoiceType): Promise<DocumentView> {
    return documentView(await this.billing.documentOf(context, invoice));
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
