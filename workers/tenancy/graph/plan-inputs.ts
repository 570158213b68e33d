import { Field, ID, InputType } from "type-graphql";
import { DecimalScalar } from "#platform/graphql/scalars.js";
import type { MeterState, PriceState, QuotaLimitState } from "#schema/events/tenancy-changed.v1.js";
import type { NewMeter } from "../changes/meters.js";
import type { NewPlan } from "../changes/plans.js";
import type { PlanDraft } from "../rules/plan-version.js";
import { Aggregation, LimitKind, LimitUnit, PriceModel, Proration, QuotaWindow } from "./enums.js";

@InputType({
  description:
    "A meter: which events count, and how they become a quantity. A meter cannot be edited: create another one, and archive this one",
})
export class CreateMeterInput {
  @Field(() => String, {
    description:
      "The meter's id in events' totals, plans and limits: 1 to 64 letters, digits, `_`, `-` or `.`. It stays taken after the meter is archived. The same input again returns the existing meter; another one is a CONFLICT",
  })
  readonly key!: string;
  @Field(() => String, { description: "Its name for people, on invoices too" }) readonly name!: string;
  @Field(() => String, {
    description:
      "The `type` of the events that it counts, exactly. At most 256 bytes; types that start with `metrly.` are reserved",
  })
  readonly eventType!: string;
  @Field(() => Aggregation, { description: "How events become a quantity" })
  readonly aggregation!: MeterState["aggregation"];
  @Field(() => String, {
    nullable: true,
    description: "The top-level property of an event's `data` that it reads. Required except for COUNT, which has none",
  })
  readonly valueProperty?: string | null;
  @Field(() => [String], {
    nullable: true,
    defaultValue: [],
    description: "Top-level properties of `data` by which totals can be grouped and prices chosen; at most 10",
  })
  readonly dimensions?: string[] | null;
  @Field(() => String, {
    nullable: true,
    description: "One unit of the quantity in words, for invoices, e.g. `token`; at most 32 characters",
  })
  readonly unit?: string | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Also count events that were recorded as unmetered, in periods that are not yet closed",
  })
  readonly backfill?: boolean | null;
}

@InputType({ description: "A value of one of the meter's dimensions" })
export class DimensionMatchInput {
  @Field(() => String, { description: "The dimension's name, as in the meter's `dimensions`" })
  readonly dimension!: string;
  @Field(() => String, { description: "The value, compared exactly; at most 128 bytes" }) readonly value!: string;
}

@InputType({
  description: "A tier of a GRADUATED or VOLUME price. Tiers are given in ascending order; the last one has no end",
})
class PriceTierInput {
  @Field(() => DecimalScalar, {
    nullable: true,
    description: "The last quantity in the tier; null only in the last tier",
  })
  readonly upTo?: string | null;
  @Field(() => DecimalScalar, { description: "Price per unit, in the plan's currency" }) readonly unitAmount!: string;
  @Field(() => DecimalScalar, {
    nullable: true,
    defaultValue: "0",
    description: "Charged once if the tier is reached, in the plan's currency",
  })
  readonly flatAmount?: string | null;
}

@InputType({
  description:
    "Computed in this order: quantity / `divideBy` (rounded up if `roundUp`), minus `included`, priced by `model`, minus `discountPercent`, raised to `minimumAmount`, capped at `maximumAmount`, rounded once",
})
class PriceInput {
  @Field(() => String, { description: "The key of the meter whose usage it charges" }) readonly meter!: string;
  @Field(() => PriceModel, { description: "How the quantity becomes an amount" }) readonly model!: PriceState["model"];
  @Field(() => DecimalScalar, {
    nullable: true,
    defaultValue: "0",
    description: "Quantity that costs nothing, after `divideBy` and `roundUp`",
  })
  readonly included?: string | null;
  @Field(() => DecimalScalar, {
    nullable: true,
    description: "In the plan's currency: per unit (PER_UNIT), per package (PACKAGE), or once (FLAT)",
  })
  readonly unitAmount?: string | null;
  @Field(() => DecimalScalar, { nullable: true, description: "Units per package; only for PACKAGE" })
  readonly packageSize?: string | null;
  @Field(() => DecimalScalar, { nullable: true, description: "Per cent of the quantity; only for PERCENTAGE" })
  readonly ratePercent?: string | null;
  @Field(() => [PriceTierInput], { nullable: true, description: "Only for GRADUATED and VOLUME; at most 50" })
  readonly tiers?: PriceTierInput[] | null;
  @Field(() => DecimalScalar, {
    nullable: true,
    defaultValue: "1",
    description: "Divides the quantity first, e.g. 1000000 for a price per million",
  })
  readonly divideBy?: string | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Whether the divided quantity is rounded up to a whole number",
  })
  readonly roundUp?: boolean | null;
  @Field(() => DecimalScalar, { nullable: true, description: "What the line costs at least, in the plan's currency" })
  readonly minimumAmount?: string | null;
  @Field(() => DecimalScalar, { nullable: true, description: "What the line costs at most, in the plan's currency" })
  readonly maximumAmount?: string | null;
  @Field(() => DecimalScalar, {
    nullable: true,
    defaultValue: "0",
    description: "Per cent taken off the amount, from 0 to 100, before minimum and maximum",
  })
  readonly discountPercent?: string | null;
  @Field(() => [DimensionMatchInput], {
    nullable: true,
    defaultValue: [],
    description:
      "Dimension values that usage must have, all of them, for this price to claim it; empty: any usage of the meter. Two prices that could claim the same usage are refused",
  })
  readonly where?: DimensionMatchInput[] | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Whether it claims the usage of the meter that no other price of the plan claims; excludes `where`",
  })
  readonly catchAll?: boolean | null;
}

@InputType({ description: "A limit of a plan; at most one per meter, window, `by` and `where`" })
class QuotaLimitInput {
  @Field(() => String, {
    nullable: true,
    description: "The key of a COUNT or SUM meter; null: the limit counts requests, or money",
  })
  readonly meter?: string | null;
  @Field(() => LimitUnit, {
    nullable: true,
    defaultValue: "QUANTITY",
    description:
      "MONEY: the limit is on what all usage of the billing period costs in the plan's currency, rounded as on its invoice, without fee and minimum commitment. It needs the window BILLING_PERIOD and prices on COUNT and SUM meters, and has no `meter`, `by` or `where`",
  })
  readonly unit?: keyof typeof LimitUnit | null;
  @Field(() => QuotaWindow, { description: "The time over which it counts" })
  readonly window!: QuotaLimitState["window"];
  @Field(() => LimitKind, { description: "Whether it denies or only warns" }) readonly kind!: QuotaLimitState["kind"];
  @Field(() => DecimalScalar, {
    description: "The largest quantity, or amount of money, within the window; 0 with HARD denies everything",
  })
  readonly limit!: string;
  @Field(() => [String], {
    nullable: true,
    defaultValue: [],
    description:
      "Dimensions of the meter: each combination of their values has a counter of its own; at most 10. Of requests, which then need a window of SECOND or MINUTE, any dimensions that clients send",
  })
  readonly by?: string[] | null;
  @Field(() => [DimensionMatchInput], {
    nullable: true,
    defaultValue: [],
    description:
      "Dimension values that usage must have, all of them, to count; at most 10, none of a dimension in `by`",
  })
  readonly where?: DimensionMatchInput[] | null;
  @Field(() => [DecimalScalar], {
    nullable: true,
    defaultValue: ["0.8"],
    description: "Fractions of the limit, ascending, from above 0 to 1, at which a `quota.warning` is sent; at most 10",
  })
  readonly warnAt?: string[] | null;
  @Field(() => [DecimalScalar], {
    nullable: true,
    defaultValue: [],
    description: "Amounts above 0, ascending, at which a `quota.warning` is sent; at most 10",
  })
  readonly warnAtAmounts?: string[] | null;
  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      "An amount at each multiple of which a `quota.warning` is sent: of those that one event passes, the highest. At least a thousandth of the limit; default: none",
  })
  readonly warnEvery?: string | null;
}

@InputType({
  description:
    "The terms of one version of a plan: at most 100 prices and 20 limits. A published version never changes",
})
export class PlanVersionInput {
  @Field(() => String, {
    description: "ISO 4217 code in capitals, e.g. EUR. A tenant stays with the currency of its first plan",
  })
  readonly currency!: string;
  @Field(() => DecimalScalar, {
    nullable: true,
    defaultValue: "0",
    description: "Charged per billing period, whatever the usage, in the plan's currency",
  })
  readonly recurringFee?: string | null;
  @Field(() => Proration, {
    nullable: true,
    defaultValue: "NONE",
    description: "How the recurring fee of a partial first or last period is charged",
  })
  readonly recurringFeeProration?: keyof typeof Proration | null;
  @Field(() => DecimalScalar, {
    nullable: true,
    defaultValue: "0",
    description:
      "What the usage lines of a period cost at least together, in the plan's currency; a line of its own adds the rest",
  })
  readonly minimumCommit?: string | null;
  @Field(() => [PriceInput], { description: "The prices of usage. Usage that none of them claims is not charged" })
  readonly prices!: PriceInput[];
  @Field(() => [QuotaLimitInput], { nullable: true, defaultValue: [], description: "The limits on usage and requests" })
  readonly limits?: QuotaLimitInput[] | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Whether every tenant may see this version; otherwise only tenants that have or had it may",
  })
  readonly public?: boolean | null;
}

@InputType({ description: "A plan with its version 1" })
export class CreatePlanInput {
  @Field(() => ID, {
    nullable: true,
    description:
      "1 to 64 letters, digits, `_`, `-` or `.`; default: generated. The same input again returns the existing plan; another one is a CONFLICT",
  })
  readonly id?: string | null;
  @Field(() => String, { description: "Its name for people; at most 200 characters" }) readonly name!: string;
  @Field(() => PlanVersionInput, { description: "The terms of version 1" }) readonly version!: PlanVersionInput;
}

export function newMeter(input: CreateMeterInput): NewMeter {
  return {
    id: input.key,
    name: input.name,
    eventType: input.eventType,
    aggregation: input.aggregation,
    valueProperty: input.valueProperty ?? null,
    dimensions: input.dimensions ?? [],
    unit: input.unit ?? null,
    backfill: input.backfill ?? false,
  };
}

export function newPlan(input: CreatePlanInput): NewPlan {
  return { id: input.id ?? undefined, name: input.name, version: planTerms(input.version) };
}

/** An explicit null means the default, like an omitted field. */
export function planTerms(input: PlanVersionInput): PlanDraft {
  return {
    currency: input.currency,
    recurringFee: input.recurringFee ?? "0",
    ...(input.recurringFeeProration === "DAILY" && { recurringFeeProration: input.recurringFeeProration }),
    minimumCommit: input.minimumCommit ?? "0",
    prices: input.prices.map(priceTerms),
    limits: (input.limits ?? []).map(limitTerms),
    // Absent when it is the default, as in what older releases stored.
    ...(input.public === true && { public: true }),
  };
}

function limitTerms(input: QuotaLimitInput): QuotaLimitState {
  const { meter, unit, window, kind, limit, by, where, warnAt, warnAtAmounts, warnEvery } = input;
  return {
    meter: meter ?? null,
    ...unitTerms(unit),
    window,
    kind,
    limit,
    ...scopeTerms(by, where),
    warnAt: warnAt ?? ["0.8"],
    ...((warnAtAmounts ?? []).length > 0 && { warnAtAmounts: warnAtAmounts ?? [] }),
    ...(typeof warnEvery === "string" && { warnEvery }),
  };
}

/** Absent when it is the default, as in what older releases stored. */
export const unitTerms = (unit: keyof typeof LimitUnit | null | undefined): Pick<QuotaLimitState, "unit"> =>
  unit === "MONEY" ? { unit } : {};

/** Absent when they are empty, as in what older releases stored. */
export const scopeTerms = (
  by: readonly string[] | null | undefined,
  where: readonly DimensionMatchInput[] | null | undefined,
): Pick<QuotaLimitState, "by" | "where"> => ({
  ...((by ?? []).length > 0 && { by: [...(by ?? [])] }),
  ...((where ?? []).length > 0 && { where: (where ?? []).map(({ dimension, value }) => ({ dimension, value })) }),
});

function priceTerms(input: PriceInput): PriceState {
  return {
    meter: input.meter,
    model: input.model,
    included: input.included ?? "0",
    unitAmount: input.unitAmount ?? null,
    packageSize: input.packageSize ?? null,
    ratePercent: input.ratePercent ?? null,
    tiers: (input.tiers ?? []).map(({ upTo, unitAmount, flatAmount }) => ({
      upTo: upTo ?? null,
      unitAmount,
      flatAmount: flatAmount ?? "0",
    })),
    divideBy: input.divideBy ?? "1",
    roundUp: input.roundUp ?? false,
    minimumAmount: input.minimumAmount ?? null,
    maximumAmount: input.maximumAmount ?? null,
    discountPercent: input.discountPercent ?? "0",
    where: (input.where ?? []).map(({ dimension, value }) => ({ dimension, value })),
    ...(input.catchAll === true && { catchAll: true }),
  };
}
