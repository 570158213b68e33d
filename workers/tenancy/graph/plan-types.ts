import { Directive, Field, ID, Int, ObjectType } from "type-graphql";
import { connectionType } from "#platform/graphql/page-types.js";
import { DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import type {
  MeterState,
  PlanState,
  PlanVersionState,
  PriceState,
  QuotaLimitState,
} from "#schema/events/tenancy-changed.v1.js";
import { isInMoney } from "#schema/limit-scope.js";
import { Aggregation, LimitKind, LimitUnit, PriceModel, Proration, QuotaWindow } from "./enums.js";

@ObjectType({ description: "Which events count, and how they become a quantity" })
export class Meter {
  @Field(() => String, { description: "Its id in totals, plans and limits" }) readonly key!: string;
  @Field(() => String, { description: "Its name for people" }) readonly name!: string;
  @Field(() => String, { description: "The `type` of the events that it counts" }) readonly eventType!: string;
  @Field(() => Aggregation, { description: "How events become a quantity" })
  readonly aggregation!: MeterState["aggregation"];
  @Field(() => String, { nullable: true, description: "The property of `data` that it reads; null for COUNT" })
  readonly valueProperty!: string | null;
  @Field(() => [String], { description: "Properties of `data` by which totals can be grouped and prices chosen" })
  readonly dimensions!: readonly string[];
  @Field(() => String, { nullable: true, description: "One unit of the quantity in words; null: none was given" })
  readonly unit!: string | null;
  @Field(() => Boolean, { description: "Whether it has stopped counting events" }) readonly archived!: boolean;
  @Field(() => DateTimeScalar, { nullable: true, description: "Since when it counts no recorded events" })
  readonly archivedAt!: number | null;
}

export function meterView({ id, archivedInVersion, archivedAt, ...state }: MeterState): Meter {
  return { ...state, key: id, archived: archivedInVersion !== null, archivedAt: archivedAt ?? null };
}

@Directive("@shareable")
@ObjectType({ description: "A value of one of a meter's dimensions" })
export class DimensionMatch {
  @Field(() => String, { description: "The dimension's name" }) readonly dimension!: string;
  @Field(() => String, { description: "The value of the usage" }) readonly value!: string;
}

@ObjectType({
  description:
    "`upTo` is inclusive, and null in the last tier. A flat amount is charged if its tier is reached; at quantity 0, that of the first tier is",
})
export class PriceTier {
  @Field(() => DecimalScalar, { nullable: true, description: "The last quantity in the tier; null: no end" })
  readonly upTo!: string | null;
  @Field(() => DecimalScalar, { description: "Price per unit, in the plan's currency" }) readonly unitAmount!: string;
  @Field(() => DecimalScalar, { description: "Charged once if the tier is reached, in the plan's currency" })
  readonly flatAmount!: string;
}

@ObjectType({
  description:
    "A price of a plan version. Computed in this order: quantity / `divideBy` (rounded up if `roundUp`), minus `included`, priced by `model`, minus `discountPercent`, raised to `minimumAmount`, capped at `maximumAmount`, rounded once",
})
export class Price {
  @Field(() => String, { description: "The key of the meter whose usage it charges" }) readonly meter!: string;
  @Field(() => PriceModel, { description: "How the quantity becomes an amount" }) readonly model!: PriceState["model"];
  @Field(() => DecimalScalar, { description: "Quantity that costs nothing, after `divideBy` and `roundUp`" })
  readonly included!: string;
  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      "In the plan's currency: per unit (PER_UNIT), per package (PACKAGE), or once (FLAT); null for other models",
  })
  readonly unitAmount!: string | null;
  @Field(() => DecimalScalar, { nullable: true, description: "Units per package; null except for PACKAGE" })
  readonly packageSize!: string | null;
  @Field(() => DecimalScalar, { nullable: true, description: "Per cent of the quantity; null except for PERCENTAGE" })
  readonly ratePercent!: string | null;
  @Field(() => [PriceTier], { description: "Ascending; empty except for GRADUATED and VOLUME" })
  readonly tiers!: readonly PriceTier[];
  @Field(() => DecimalScalar, { description: "Divides the quantity first, e.g. 1000000 for a price per million" })
  readonly divideBy!: string;
  @Field(() => Boolean, { description: "Whether the divided quantity is rounded up to a whole number" })
  readonly roundUp!: boolean;
  @Field(() => DecimalScalar, {
    nullable: true,
    description: "What the line costs at least, in the plan's currency; null: no minimum",
  })
  readonly minimumAmount!: string | null;
  @Field(() => DecimalScalar, {
    nullable: true,
    description: "What the line costs at most, in the plan's currency; null: no cap",
  })
  readonly maximumAmount!: string | null;
  @Field(() => DecimalScalar, {
    description: "Per cent taken off the amount, from 0 to 100, before minimum and maximum",
  })
  readonly discountPercent!: string;
  @Field(() => [DimensionMatch], {
    description:
      "Dimension values that usage must have, all of them; empty: any usage of the meter, or with `catchAll` the rest",
  })
  readonly where!: readonly DimensionMatch[];
  @Field(() => Boolean, {
    description: "Whether it claims the usage of the meter that no other price of the plan claims; excludes `where`",
  })
  readonly catchAll!: boolean;
}

@Directive("@shareable")
@ObjectType({ description: "A limit of a plan. Without a `meter`, it counts requests" })
export class QuotaLimit {
  @Field(() => String, {
    nullable: true,
    description: "The key of the meter; null: the limit counts requests, or money",
  })
  readonly meter!: string | null;
  @Field(() => LimitUnit, { description: "Whether it counts a quantity or money" })
  readonly unit!: keyof typeof LimitUnit;
  @Field(() => String, { nullable: true, description: "Of a limit in money: ISO 4217; null: it counts a quantity" })
  readonly currency!: string | null;
  @Field(() => QuotaWindow, { description: "The time over which it counts" })
  readonly window!: QuotaLimitState["window"];
  @Field(() => LimitKind, { description: "Whether it denies or only warns" }) readonly kind!: QuotaLimitState["kind"];
  @Field(() => DecimalScalar, {
    description: "The largest quantity, or amount of money, within the window; 0 with HARD denies everything",
  })
  readonly limit!: string;
  @Field(() => [String], {
    description: "Dimensions, each combination of whose values has a counter of its own; empty: one counter for all",
  })
  readonly by!: readonly string[];
  @Field(() => [DimensionMatch], { description: "Values that usage must have to count; empty: all usage counts" })
  readonly where!: readonly DimensionMatch[];
  @Field(() => [DecimalScalar], { description: "Fractions of the limit at which a `quota.warning` is sent" })
  readonly warnAt!: readonly string[];
  @Field(() => [DecimalScalar], { description: "Amounts at which a `quota.warning` is sent" })
  readonly warnAtAmounts!: readonly string[];
  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      "A `quota.warning` is sent at each multiple of this amount, of those that one event passes at the highest; where an override raises the limit beyond a thousand of them, at fewer; null: at none",
  })
  readonly warnEvery!: string | null;
}

@Directive('@key(fields: "id")')
@ObjectType({ description: "The terms of a plan. A published version never changes; another price is another version" })
export class PlanVersion {
  @Field(() => ID, { description: "`planId@version`" }) readonly id!: string;
  @Field(() => Plan, { description: "The plan that it is a version of" }) readonly plan!: Plan;
  @Field(() => Int, { description: "1, 2, 3 …: its number within the plan" }) readonly version!: number;
  @Field(() => DateTimeScalar, { description: "When it was published" }) readonly publishedAt!: number;
  @Field(() => String, { description: "ISO 4217 code in capitals, e.g. EUR" }) readonly currency!: string;
  @Field(() => DecimalScalar, { description: "Charged per billing period, whatever the usage, in the plan's currency" })
  readonly recurringFee!: string;
  @Field(() => Proration, { description: "How the recurring fee of a partial first or last period is charged" })
  readonly recurringFeeProration!: keyof typeof Proration;
  @Field(() => DecimalScalar, {
    description:
      "What the usage lines of a period cost at least together, in the plan's currency; a line of its own adds the rest",
  })
  readonly minimumCommit!: string;
  @Field(() => [Price], { description: "The prices of usage. Usage that none of them claims is not charged" })
  readonly prices!: readonly Price[];
  @Field(() => [QuotaLimit], { description: "The limits on usage and requests" })
  readonly limits!: readonly QuotaLimit[];
  @Field(() => Boolean, { description: "Whether every tenant may see it" }) readonly public!: boolean;
}

@ObjectType({
  description:
    "A plan, whose terms are its versions. Tenants see only the versions that are public and those that they have or had",
})
export class Plan {
  @Field(() => ID, { description: "Its id" }) readonly id!: string;
  @Field(() => String, { description: "Its name for people" }) readonly name!: string;
  @Field(() => [PlanVersion], { description: "In the order of their publication" })
  readonly versions!: readonly PlanVersion[];
  @Field(() => PlanVersion, { nullable: true, description: "The newest version that the caller may see" })
  readonly latest!: PlanVersion | null;
  @Field(() => Boolean, { description: "Whether it can no longer be assigned; tenants that have it keep it" })
  readonly archived!: boolean;
}

export const PlanConnection = connectionType("PlanConnection", Plan);

/** A plan and its versions refer to each other, since queries can walk both ways. `seen`: those that the caller may see. */
export function planView(state: PlanState, seen: readonly PlanVersionState[] = state.versions): Plan {
  const versions: PlanVersion[] = [];
  const plan: Plan = {
    id: state.id,
    name: state.name,
    archived: state.archived,
    versions,
    get latest() {
      return versions.at(-1) ?? null;
    },
  };
  for (const version of seen)
    versions.push({
      ...version,
      recurringFeeProration: version.recurringFeeProration ?? "NONE",
      prices: version.prices.map((price) => ({ ...price, catchAll: price.catchAll === true })),
      limits: version.limits.map((limit) => ({
        ...limit,
        unit: limit.unit ?? "QUANTITY",
        currency: isInMoney(limit) ? version.currency : null,
        by: limit.by ?? [],
        where: limit.where ?? [],
        warnAtAmounts: limit.warnAtAmounts ?? [],
        warnEvery: limit.warnEvery ?? null,
      })),
      public: version.public === true,
      id: planVersionId(state.id, version.version),
      plan,
    });
  return plan;
}

/** Null: the plan has no such version among those `seen`. */
export function planVersionView(
  state: PlanState | undefined,
  version: number,
  seen?: readonly PlanVersionState[],
): PlanVersion | null {
  if (state === undefined) return null;
  return planView(state, seen).versions.find((candidate) => candidate.version === version) ?? null;
}

/** The reference of a plan version for other subgraphs: `{ __typename: "PlanVersion", id: "planId@version" }`. */
export const planVersionId = (planId: string, version: number): string => `${planId}@${version}`;

/** Undefined: not the id of a plan version. */
export function parsePlanVersionId(id: unknown): { planId: string; version: number } | undefined {
  const match = typeof id === "string" ? /^([^@]+)@([1-9]\d{0,8})$/.exec(id) : null;
  return match?.[1] === undefined ? undefined : { planId: match[1], version: Number(match[2]) };
}
