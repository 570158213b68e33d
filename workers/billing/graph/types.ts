import { Directive, Field, ID, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { connectionType } from "#platform/graphql/page-types.js";
import { CountScalar, DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import { BILLING_PERIOD_STATUSES, INVOICE_LINE_KINDS, UNPRICED_REASONS } from "#schema/vocabulary.js";

export const Granularity = enumOf("Granularity", ["HOUR", "DAY", "PERIOD"], "The span of time of each total", {
  HOUR: "An hour (UTC)",
  DAY: "A day (UTC)",
  PERIOD: "A billing period",
});
export type Granularity = keyof typeof Granularity;
export const BillingPeriodStatus = enumOf(
  "BillingPeriodStatus",
  BILLING_PERIOD_STATUSES,
  "How far a period is on its way to an invoice",
  {
    OPEN: "It has not ended",
    GRACE: "It has ended, and waits for late events (`graceDays`)",
    CLOSING: "It waits for its invoice",
    CLOSED: "It is closed permanently: later changes become adjustments",
  },
);
export const TestClockStatus = enumOf(
  "TestClockStatus",
  ["READY", "ADVANCING"],
  "Whether all services have followed a test clock",
  { READY: "They have: quotas, periods and invoices are those of its time", ADVANCING: "Not yet: ask again" },
);
export const InvoiceStatus = enumOf("InvoiceStatus", ["CLOSED"], "The status of an invoice", {
  CLOSED: "Issued; it never changes",
});
export const InvoiceLineKind = enumOf("InvoiceLineKind", INVOICE_LINE_KINDS, "What a line charges", {
  RECURRING: "The recurring fee",
  USAGE: "Usage of a meter, by one price",
  MINIMUM_COMMIT: "What usage lacks to the minimum commit",
  CREDIT: "What a grant of prepaid credits pays of the usage lines",
  ADJUSTMENT: "The difference that late usage or a void makes to a closed period",
});
export const UnpricedReason = enumOf("UnpricedReason", UNPRICED_REASONS, "Why no price claims usage", {
  NO_PRICE_FOR_METER: "The plan has no price for the meter",
  NO_PRICE_FOR_DIMENSIONS: "The plan has prices for the meter, and none for these dimension values",
});

@Directive("@shareable")
@ObjectType("DimensionMatch", { description: "A value of one of a meter's dimensions" })
export class DimensionMatchType {
  @Field(() => String, { description: "The dimension's name" }) declare readonly dimension: string;
  @Field(() => String, { description: "The value of the usage" }) declare readonly value: string;
}

@ObjectType("Money", { description: "An amount of money" })
export class MoneyType {
  @Field(() => DecimalScalar, {
    description: "In the major unit, e.g. 19.00; charged amounts have the currency's minor digits",
  })
  declare readonly amount: string;
  @Field(() => String, { description: "ISO 4217 code, e.g. EUR" }) declare readonly currency: string;
}

/** Tenancy's entity, extended by this service. */
@Directive('@key(fields: "id")')
@ObjectType("Tenant", { description: "A customer: its usage, limits, plan and invoices" })
export class TenantType {
  @Field(() => ID, { description: "Its id: the `subject` of its events" }) declare readonly id: string;
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

@ObjectType("UsageTotal", {
  description: "The quantity of a meter in a span of time, of one combination of the dimensions grouped by",
})
export class UsageTotalType {
  @Field(() => String, { description: "The meter's key" }) declare readonly meter: string;
  @Field(() => DateTimeScalar, { description: "Start of the span: of the hour, day (UTC) or period" })
  declare readonly from: number;
  @Field(() => DateTimeScalar, { description: "End of the span, exclusive" }) declare readonly to: number;
  @Field(() => DecimalScalar, { description: "By the meter's aggregation, exact" }) declare readonly quantity: string;
  @Field(() => [DimensionMatchType], { description: "The values of the dimensions in `groupBy`; empty without it" })
  declare readonly dimensions: readonly DimensionMatchType[];
  @Field(() => CountScalar, { description: "Number of events behind it, without voided ones" })
  declare readonly eventCount: number;
  @Field(() => DateTimeScalar, { nullable: true, description: "The latest `time` of its events" })
  declare readonly lastEventAt: number | null;
}

@ObjectType("UnmeteredType", {
  description: "A type of events that no meter counts: they are recorded, and not charged",
})
export class UnmeteredTypeType {
  @Field(() => String, { description: "The `type` of the events" }) declare readonly eventType: string;
  @Field(() => CountScalar, { description: "Number of such events" }) declare readonly count: number;
  @Field(() => DateTimeScalar, { description: "When the last one was seen" }) declare readonly lastAt: number;
}

/** Billing counts up to its position in the ledger; ingestion completes the rest for the same position. */
@Directive('@key(fields: "id")')
@ObjectType("Accounting", {
  description:
    "What became of the accepted events: `accepted = counted + duplicates + unmetered + quarantined + inFlight`, at any time",
})
export class AccountingType {
  @Field(() => ID, { description: "Opaque" }) declare readonly id: string;
  @Field(() => CountScalar, { description: "Events that a meter counts, also those voided later" })
  declare readonly counted: number;
  @Field(() => CountScalar, { description: "Events whose type no meter counts: recorded, and not charged" })
  declare readonly unmetered: number;
  @Field(() => DateTimeScalar, { description: "The moment for which the numbers hold" }) declare readonly asOf: number;
}

@ObjectType("LineStep", {
  description: "A step of a line's arithmetic: `quantity x unitAmount + flatAmount = amount`, unrounded",
})
export class LineStepType {
  @Field(() => DecimalScalar, {
    description: "The part of the line's quantity that the step charges; 1 for fees, discounts, minimums and caps",
  })
  declare readonly quantity: string;
  @Field(() => DecimalScalar, { description: "Price per unit" }) declare readonly unitAmount: string;
  @Field(() => DecimalScalar, { description: "Added once" }) declare readonly flatAmount: string;
  @Field(() => DecimalScalar, { description: "What the step comes to, unrounded" }) declare readonly amount: string;
  @Field(() => String, { nullable: true, description: "The step in words, e.g. `0 to 1,000`" }) declare readonly note:
    | string
    | null;
}

@ObjectType("InvoiceAdjustment", { description: "What an adjustment corrects" })
export class InvoiceAdjustmentType {
  declare readonly invoiceId: string;
  @Field(() => DateTimeScalar, { description: "Start of the corrected period" }) declare readonly periodStart: number;
  @Field(() => DecimalScalar, { description: "The quantity as invoiced before" })
  declare readonly quantityBefore: string;
  @Field(() => DecimalScalar, { description: "The quantity as it is now" }) declare readonly quantityAfter: string;
}

@ObjectType("InvoiceLine", { description: "A line of an invoice" })
export class InvoiceLineType {
  @Field(() => InvoiceLineKind, { description: "What it charges" }) declare readonly kind: keyof typeof InvoiceLineKind;
  @Field(() => String, { description: "The line in words" }) declare readonly description: string;
  @Field(() => String, { nullable: true, description: "The meter whose usage it charges; null for fees and commits" })
  declare readonly meter: string | null;
  @Field(() => [DimensionMatchType], { description: "The dimension values that its price names" })
  declare readonly dimensions: readonly DimensionMatchType[];
  @Field(() => DecimalScalar, { description: "The charged usage; 1 for fees and commits" })
  declare readonly quantity: string;
  @Field(() => MoneyType, {
    description: "Rounded once, half up, to the currency's minor unit; negative for a correction downwards",
  })
  declare readonly amount: MoneyType;
  @Field(() => PlanVersionType, { description: "The plan version that priced it" })
  declare readonly plan: PlanVersionType;
  @Field(() => [LineStepType], { description: "One step per tier: quantity x unit + flat = amount, unrounded" })
  declare readonly arithmetic: readonly LineStepType[];
  @Field(() => InvoiceAdjustmentType, {
    nullable: true,
    description: "What the line corrects; only on adjustments",
  })
  declare readonly adjusts: InvoiceAdjustmentType | null;
  @Field(() => ID, {
    nullable: true,
    description: "The grant of credits that pays; only on lines of credits and their adjustments",
  })
  declare readonly grantId: string | null;
}

@ObjectType("UnpricedUsage", {
  description: "Usage in the period that no price of the plan claims, so that it is not charged",
})
export class UnpricedUsageType {
  @Field(() => String, { description: "The meter's key" }) declare readonly meter: string;
  @Field(() => [DimensionMatchType], {
    description:
      "Empty if the meter has no dimensions, no price at all, or more unclaimed combinations than are listed",
  })
  declare readonly dimensions: readonly DimensionMatchType[];
  @Field(() => DecimalScalar, { description: "By the meter's aggregation" }) declare readonly quantity: string;
  @Field(() => CountScalar, { description: "Number of events behind it" }) declare readonly eventCount: number;
  @Field(() => UnpricedReason, { description: "Why no price claims it" })
  declare readonly reason: keyof typeof UnpricedReason;
}

@ObjectType("BillingPeriod", { description: "A billing period of a tenant: a month from its anchor day" })
export class BillingPeriodType {
  declare readonly tenantId: string;
  declare readonly invoiceOrdinal: number | null;
  @Field(() => DateTimeScalar, { description: "Its start, inclusive" }) declare readonly start: number;
  @Field(() => DateTimeScalar, { description: "Its end, exclusive" }) declare readonly end: number;
  @Field(() => BillingPeriodStatus, { description: "How far it is on its way to an invoice" })
  declare readonly status: keyof typeof BillingPeriodStatus;
  @Field(() => DateTimeScalar, { nullable: true, description: "When it was closed; null: not yet" })
  declare readonly closedAt: number | null;
  @Field(() => String, {
    nullable: true,
    description: "The last `seq` of the tenant's partition that belongs to the invoice",
  })
  declare readonly watermark: string | null;
}

@Directive("@shareable")
@ObjectType("InvoiceParty", { description: "A name and address on invoices" })
export class InvoicePartyType {
  @Field(() => String, { description: "The name in the first line" }) declare readonly name: string;
  @Field(() => [String], { description: "The lines below the name, in order" })
  declare readonly addressLines: readonly string[];
}

@Directive('@key(fields: "id")')
@ObjectType("Invoice", {
  description: "The invoice of a closed period. It never changes: late usage becomes an adjustment on a later one",
})
export class InvoiceType {
  declare readonly tenantId: string;
  declare readonly ordinal: number;
  declare readonly periodStart: number;
  @Field(() => ID, { description: "`inv_<tenant>_<ordinal>`" }) declare readonly id: string;
  @Field(() => String, { description: "For people and accounting, e.g. ACME-000001; consecutive per tenant" })
  declare readonly number: string;
  @Field(() => InvoiceStatus, { description: "CLOSED, the only status" })
  declare readonly status: keyof typeof InvoiceStatus;
  @Field(() => String, { description: "ISO 4217 code of all its amounts" }) declare readonly currency: string;
  @Field(() => MoneyType, { description: "The sum of the lines" }) declare readonly total: MoneyType;
  @Field(() => DateTimeScalar, { description: "When it was written; not part of the document" })
  declare readonly generatedAt: number;
  @Field(() => String, { description: "SHA-256 of `document`, which is canonical JSON (RFC 8785)" })
  declare readonly sha256: string;
}

@ObjectType("InvoicePreview", { description: "What an invoice would say about the usage known now; it is not stored" })
export class InvoicePreviewType {
  @Field(() => String, { description: "ISO 4217 code of all its amounts" }) declare readonly currency: string;
  @Field(() => [InvoiceLineType], { description: "Fees, usage, commit and adjustments" })
  declare readonly lines: readonly InvoiceLineType[];
  @Field(() => [UnpricedUsageType], { description: "Usage that no price claims, so that it is not charged" })
  declare readonly unpricedUsage: readonly UnpricedUsageType[];
  @Field(() => MoneyType, { description: "The sum of the lines" }) declare readonly total: MoneyType;
  @Field(() => DateTimeScalar, { description: "When it was computed" }) declare readonly asOf: number;
}

@ObjectType("InvoiceVerification", {
  description: "The result of recomputing an invoice from the ledger with independent code",
})
export class InvoiceVerificationType {
  @Field(() => Boolean, { description: "Whether every byte is the same" }) declare readonly matches: boolean;
  @Field(() => String, { description: "SHA-256 of the recomputed document" }) declare readonly expectedSha256: string;
  @Field(() => CountScalar, { description: "Number of the tenant's events that were replayed" })
  declare readonly checkedEvents: number;
  @Field(() => [String], { description: "What differs, in words; empty if it matches" })
  declare readonly differences: readonly string[];
}

export const BillingPeriodConnectionType = connectionType("BillingPeriodConnection", BillingPeriodType);
export const InvoiceConnectionType = connectionType("InvoiceConnection", InvoiceType);
