import { Field, ID, InputType } from "type-graphql";
import { DecimalScalar } from "#platform/graphql/scalars.js";
import type { MeterState, PriceState, QuotaLimitState } from "#schema/events/tenancy-changed.v1.js";
import type { NewMeter } from "../changes/meters.js";
import type { NewPlan } from "../changes/plans.js";
import type { PlanDraft } from "../rules/plan-version.js";
import { Aggregation, LimitKind, PriceModel, Proration, QuotaWindow } from "./enums.js";

@InputType()
export class CreateMeterInput {
  @Field(() => String) readonly key!: string;
  @Field(() => String) readonly name!: string;
  @Field(() => String) readonly eventType!: string;
  @Field(() => Aggregation) readonly aggregation!: MeterState["aggregation"];
  @Field(() => String, { nullable: true }) readonly valueProperty?: string | null;
  @Field(() => [String], { nullable: true, defaultValue: [] }) readonly dimensions?: string[] | null;
  @Field(() => String, { nullable: true }) readonly unit?: string | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Also count events that were recorded as unmetered, in periods that are not yet closed",
  })
  readonly backfill?: boolean | null;
}

@InputType()
class DimensionMatchInput {
  @Field(() => String) readonly dimension!: string;
  @Field(() => String) readonly value!: string;
}

@InputType()
class PriceTierInput {
  @Field(() => DecimalScalar, { nullable: true }) readonly upTo?: string | null;
  @Field(() => DecimalScalar) readonly unitAmount!: string;
  @Field(() => DecimalScalar, { nullable: true, defaultValue: "0" }) readonly flatAmount?: string | null;
}

@InputType({
  description:
    "Computed in this order: quantity / `divideBy` (rounded up if `roundUp`), minus `included`, priced by `model`, minus `discountPercent`, raised to `minimumAmount`, capped at `maximumAmount`, rounded once",
})
class PriceInput {
  @Field(() => String) readonly meter!: string;
  @Field(() => PriceModel) readonly model!: PriceState["model"];
  @Field(() => DecimalScalar, { nullable: true, defaultValue: "0" }) readonly included?: string | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly unitAmount?: string | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly packageSize?: string | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly ratePercent?: string | null;
  @Field(() => [PriceTierInput], { nullable: true }) readonly tiers?: PriceTierInput[] | null;
  @Field(() => DecimalScalar, { nullable: true, defaultValue: "1" }) readonly divideBy?: string | null;
  @Field(() => Boolean, { nullable: true, defaultValue: false }) readonly roundUp?: boolean | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly minimumAmount?: string | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly maximumAmount?: string | null;
  @Field(() => DecimalScalar, { nullable: true, defaultValue: "0" }) readonly discountPercent?: string | null;
  @Field(() => [DimensionMatchInput], { nullable: true, defaultValue: [] })
  readonly where?: DimensionMatchInput[] | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Claim the usage of the meter that no other price of the plan claims; excludes `where`",
  })
  readonly catchAll?: boolean | null;
}

@InputType()
class QuotaLimitInput {
  @Field(() => String, { nullable: true }) readonly meter?: string | null;
  @Field(() => QuotaWindow) readonly window!: QuotaLimitState["window"];
  @Field(() => LimitKind) readonly kind!: QuotaLimitState["kind"];
  @Field(() => DecimalScalar) readonly limit!: string;
  @Field(() => [DecimalScalar], { nullable: true, defaultValue: ["0.8"] }) readonly warnAt?: string[] | null;
}

@InputType()
export class PlanVersionInput {
  @Field(() => String) readonly currency!: string;
  @Field(() => DecimalScalar, { nullable: true, defaultValue: "0" }) readonly recurringFee?: string | null;
  @Field(() => Proration, {
    nullable: true,
    defaultValue: "NONE",
    description: "How the recurring fee of a partial first or last period is charged",
  })
  readonly recurringFeeProration?: keyof typeof Proration | null;
  @Field(() => DecimalScalar, { nullable: true, defaultValue: "0" }) readonly minimumCommit?: string | null;
  @Field(() => [PriceInput]) readonly prices!: PriceInput[];
  @Field(() => [QuotaLimitInput], { nullable: true, defaultValue: [] }) readonly limits?: QuotaLimitInput[] | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Whether every tenant may see this version; otherwise only tenants that have or had it may",
  })
  readonly public?: boolean | null;
}

@InputType()
export class CreatePlanInput {
  @Field(() => ID, { nullable: true }) readonly id?: string | null;
  @Field(() => String) readonly name!: string;
  @Field(() => PlanVersionInput) readonly version!: PlanVersionInput;
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
    limits: (input.limits ?? []).map(({ meter, window, kind, limit, warnAt }) => ({
      meter: meter ?? null,
      window,
      kind,
      limit,
      warnAt: warnAt ?? ["0.8"],
    })),
    // Absent when it is the default, as in what older releases stored.
    ...(input.public === true && { public: true }),
  };
}

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
