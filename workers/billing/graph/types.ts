import { Directive, Field, ID, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { connectionType } from "#platform/graphql/page-types.js";
import { CountScalar, DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import { BILLING_PERIOD_STATUSES, INVOICE_LINE_KINDS, UNPRICED_REASONS } from "#schema/vocabulary.js";

export const Granularity = enumOf("Granularity", ["HOUR", "DAY", "PERIOD"]);
export type Granularity = keyof typeof Granularity;
export const BillingPeriodStatus = enumOf(
  "BillingPeriodStatus",
  BILLING_PERIOD_STATUSES,
  "OPEN: has not ended. GRACE: waits for late events. CLOSING: waits for its invoice. CLOSED: permanently",
);
export const TestClockStatus = enumOf("TestClockStatus", ["READY", "ADVANCING"]);
export const InvoiceStatus = enumOf("InvoiceStatus", ["CLOSED"]);
export const InvoiceLineKind = enumOf("InvoiceLineKind", INVOICE_LINE_KINDS);
export const UnpricedReason = enumOf("UnpricedReason", UNPRICED_REASONS);

@Directive("@shareable")
@ObjectType("DimensionMatch")
export class DimensionMatchType {
  @Field(() => String) declare readonly dimension: string;
  @Field(() => String) declare readonly value: string;
}

@ObjectType("Money")
export class MoneyType {
  @Field(() => DecimalScalar) declare readonly amount: string;
  @Field(() => String) declare readonly currency: string;
}

/** Tenancy's entity, extended by this service. */
@Directive('@key(fields: "id")')
@ObjectType("Tenant")
export class TenantType {
  @Field(() => ID) declare readonly id: string;
  @Directive("@external")
  @Field(() => DateTimeScalar, { nullable: true })
  declare readonly testClock?: number | null;
  @Directive("@external")
  @Field(() => DateTimeScalar, { nullable: true })
  declare readonly quotaClock?: number | null;
}

/** Tenancy's entity, referenced by its key. */
@Directive('@key(fields: "id", resolvable: false)')
@ObjectType("PlanVersion")
export class PlanVersionType {
  @Field(() => ID) declare readonly id: string;
}

@ObjectType("UsageTotal")
export class UsageTotalType {
  @Field(() => String) declare readonly meter: string;
  @Field(() => DateTimeScalar) declare readonly from: number;
  @Field(() => DateTimeScalar) declare readonly to: number;
  @Field(() => DecimalScalar) declare readonly quantity: string;
  @Field(() => [DimensionMatchType]) declare readonly dimensions: readonly DimensionMatchType[];
  @Field(() => CountScalar) declare readonly eventCount: number;
  @Field(() => DateTimeScalar, { nullable: true }) declare readonly lastEventAt: number | null;
}

@ObjectType("UnmeteredType")
export class UnmeteredTypeType {
  @Field(() => String) declare readonly eventType: string;
  @Field(() => CountScalar) declare readonly count: number;
  @Field(() => DateTimeScalar) declare readonly lastAt: number;
}

/** Billing counts up to its position in the ledger; ingestion completes the rest for the same position. */
@Directive('@key(fields: "id")')
@ObjectType("Accounting")
export class AccountingType {
  @Field(() => ID) declare readonly id: string;
  @Field(() => CountScalar) declare readonly counted: number;
  @Field(() => CountScalar) declare readonly unmetered: number;
  @Field(() => DateTimeScalar) declare readonly asOf: number;
}

@ObjectType("LineStep")
export class LineStepType {
  @Field(() => DecimalScalar) declare readonly quantity: string;
  @Field(() => DecimalScalar) declare readonly unitAmount: string;
  @Field(() => DecimalScalar) declare readonly flatAmount: string;
  @Field(() => DecimalScalar) declare readonly amount: string;
  @Field(() => String, { nullable: true }) declare readonly note: string | null;
}

@ObjectType("InvoiceAdjustment")
export class InvoiceAdjustmentType {
  declare readonly invoiceId: string;
  @Field(() => DateTimeScalar) declare readonly periodStart: number;
  @Field(() => DecimalScalar) declare readonly quantityBefore: string;
  @Field(() => DecimalScalar) declare readonly quantityAfter: string;
}

@ObjectType("InvoiceLine")
export class InvoiceLineType {
  @Field(() => InvoiceLineKind) declare readonly kind: keyof typeof InvoiceLineKind;
  @Field(() => String) declare readonly description: string;
  @Field(() => String, { nullable: true }) declare readonly meter: string | null;
  @Field(() => [DimensionMatchType]) declare readonly dimensions: readonly DimensionMatchType[];
  @Field(() => DecimalScalar) declare readonly quantity: string;
  @Field(() => MoneyType) declare readonly amount: MoneyType;
  @Field(() => PlanVersionType) declare readonly plan: PlanVersionType;
  @Field(() => [LineStepType], { description: "One step per tier: quantity x unit + flat = amount, unrounded" })
  declare readonly arithmetic: readonly LineStepType[];
  @Field(() => InvoiceAdjustmentType, {
    nullable: true,
    description: "What the line corrects; only on adjustments",
  })
  declare readonly adjusts: InvoiceAdjustmentType | null;
}

@ObjectType("UnpricedUsage", {
  description: "Usage in the period that no price of the plan claims, so that it is not charged",
})
export class UnpricedUsageType {
  @Field(() => String) declare readonly meter: string;
  @Field(() => [DimensionMatchType], {
    description:
      "Empty if the meter has no dimensions, no price at all, or more unclaimed combinations than are listed",
  })
  declare readonly dimensions: readonly DimensionMatchType[];
  @Field(() => DecimalScalar) declare readonly quantity: string;
  @Field(() => CountScalar) declare readonly eventCount: number;
  @Field(() => UnpricedReason) declare readonly reason: keyof typeof UnpricedReason;
}

@ObjectType("BillingPeriod")
export class BillingPeriodType {
  declare readonly tenantId: string;
  declare readonly invoiceOrdinal: number | null;
  @Field(() => DateTimeScalar) declare readonly start: number;
  @Field(() => DateTimeScalar) declare readonly end: number;
  @Field(() => BillingPeriodStatus) declare readonly status: keyof typeof BillingPeriodStatus;
  @Field(() => DateTimeScalar, { nullable: true }) declare readonly closedAt: number | null;
  @Field(() => String, {
    nullable: true,
    description: "The last `seq` of the tenant's partition that belongs to the invoice",
  })
  declare readonly watermark: string | null;
}

@Directive("@shareable")
@ObjectType("InvoiceParty", { description: "A name and address on invoices" })
export class InvoicePartyType {
  @Field(() => String) declare readonly name: string;
  @Field(() => [String]) declare readonly addressLines: readonly string[];
}

@Directive('@key(fields: "id")')
@ObjectType("Invoice")
export class InvoiceType {
  declare readonly tenantId: string;
  declare readonly periodStart: number;
  @Field(() => ID) declare readonly id: string;
  @Field(() => String) declare readonly number: string;
  @Field(() => InvoiceStatus) declare readonly status: keyof typeof InvoiceStatus;
  @Field(() => String) declare readonly currency: string;
  @Field(() => InvoicePartyType, {
    nullable: true,
    description: "The seller when the period ended; null if none was configured, and in version 1 of the document",
  })
  declare readonly seller: InvoicePartyType | null;
  @Field(() => InvoicePartyType, {
    nullable: true,
    description: "The buyer when the period ended; null in version 1 of the document",
  })
  declare readonly buyer: InvoicePartyType | null;
  @Field(() => [InvoiceLineType]) declare readonly lines: readonly InvoiceLineType[];
  @Field(() => [UnpricedUsageType], { description: "Empty in version 1 of the document" })
  declare readonly unpricedUsage: readonly UnpricedUsageType[];
  @Field(() => MoneyType) declare readonly total: MoneyType;
  @Field(() => DateTimeScalar) declare readonly generatedAt: number;
  @Field(() => String, { description: "SHA-256 of `document`, which is canonical JSON (RFC 8785)" })
  declare readonly sha256: string;
  @Directive("@cost(weight: 20)")
  @Field(() => String)
  declare readonly document: string;
}

@ObjectType("InvoicePreview")
export class InvoicePreviewType {
  @Field(() => String) declare readonly currency: string;
  @Field(() => [InvoiceLineType]) declare readonly lines: readonly InvoiceLineType[];
  @Field(() => [UnpricedUsageType]) declare readonly unpricedUsage: readonly UnpricedUsageType[];
  @Field(() => MoneyType) declare readonly total: MoneyType;
  @Field(() => DateTimeScalar) declare readonly asOf: number;
}

@ObjectType("InvoiceVerification", {
  description: "The result of recomputing an invoice from the ledger with independent code",
})
export class InvoiceVerificationType {
  @Field(() => Boolean) declare readonly matches: boolean;
  @Field(() => String) declare readonly expectedSha256: string;
  @Field(() => CountScalar) declare readonly checkedEvents: number;
  @Field(() => [String]) declare readonly differences: readonly string[];
}

export const BillingPeriodConnectionType = connectionType("BillingPeriodConnection", BillingPeriodType);
export const InvoiceConnectionType = connectionType("InvoiceConnection", InvoiceType);
