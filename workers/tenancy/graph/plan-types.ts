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
import { Aggregation, LimitKind, PriceModel, Proration, QuotaWindow } from "./enums.js";

@ObjectType()
export class Meter {
  @Field(() => String) readonly key!: string;
  @Field(() => String) readonly name!: string;
  @Field(() => String) readonly eventType!: string;
  @Field(() => Aggregation) readonly aggregation!: MeterState["aggregation"];
  @Field(() => String, { nullable: true, description: "The property of `data` that it reads; null for COUNT" })
  readonly valueProperty!: string | null;
  @Field(() => [String]) readonly dimensions!: readonly string[];
  @Field(() => String, { nullable: true }) readonly unit!: string | null;
  @Field(() => Boolean, { description: "Whether it has stopped counting events" }) readonly archived!: boolean;
  @Field(() => DateTimeScalar, { nullable: true, description: "Since when it counts no recorded events" })
  readonly archivedAt!: number | null;
}

export function meterView({ id, archivedInVersion, archivedAt, ...state }: MeterState): Meter {
  return { ...state, key: id, archived: archivedInVersion !== null, archivedAt: archivedAt ?? null };
}

@Directive("@shareable")
@ObjectType()
export class DimensionMatch {
  @Field(() => String) readonly dimension!: string;
  @Field(() => String) readonly value!: string;
}

@ObjectType({
  description:
    "`upTo` is inclusive, and null in the last tier. A flat amount is charged if its tier is reached; at quantity 0, that of the first tier is",
})
export class PriceTier {
  @Field(() => DecimalScalar, { nullable: true }) readonly upTo!: string | null;
  @Field(() => DecimalScalar) readonly unitAmount!: string;
  @Field(() => DecimalScalar) readonly flatAmount!: string;
}

@ObjectType()
export class Price {
  @Field(() => String) readonly meter!: string;
  @Field(() => PriceModel) readonly model!: PriceState["model"];
  @Field(() => DecimalScalar) readonly included!: string;
  @Field(() => DecimalScalar, { nullable: true }) readonly unitAmount!: string | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly packageSize!: string | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly ratePercent!: string | null;
  @Field(() => [PriceTier]) readonly tiers!: readonly PriceTier[];
  @Field(() => DecimalScalar) readonly divideBy!: string;
  @Field(() => Boolean) readonly roundUp!: boolean;
  @Field(() => DecimalScalar, { nullable: true }) readonly minimumAmount!: string | null;
  @Field(() => DecimalScalar, { nullable: true }) readonly maximumAmount!: string | null;
  @Field(() => DecimalScalar) readonly discountPercent!: string;
  @Field(() => [DimensionMatch]) readonly where!: readonly DimensionMatch[];
  @Field(() => Boolean, {
    description: "Whether it claims the usage of the meter that no other price of the plan claims",
  })
  readonly catchAll!: boolean;
}

@Directive("@shareable")
@ObjectType({ description: "Without a `meter`, it counts requests" })
export class QuotaLimit {
  @Field(() => String, { nullable: true }) readonly meter!: string | null;
  @Field(() => QuotaWindow) readonly window!: QuotaLimitState["window"];
  @Field(() => LimitKind) readonly kind!: QuotaLimitState["kind"];
  @Field(() => DecimalScalar) readonly limit!: string;
  @Field(() => [DecimalScalar]) readonly warnAt!: readonly string[];
}

@Directive('@key(fields: "id")')
@ObjectType({ description: "A published version never changes" })
export class PlanVersion {
  @Field(() => ID, { description: "`planId@version`" }) readonly id!: string;
  @Field(() => Plan) readonly plan!: Plan;
  @Field(() => Int) readonly version!: number;
  @Field(() => DateTimeScalar) readonly publishedAt!: number;
  @Field(() => String) readonly currency!: string;
  @Field(() => DecimalScalar) readonly recurringFee!: string;
  @Field(() => Proration, { description: "How the recurring fee of a partial first or last period is charged" })
  readonly recurringFeeProration!: keyof typeof Proration;
  @Field(() => DecimalScalar) readonly minimumCommit!: string;
  @Field(() => [Price]) readonly prices!: readonly Price[];
  @Field(() => [QuotaLimit]) readonly limits!: readonly QuotaLimit[];
  @Field(() => Boolean, { description: "Whether every tenant may see it" }) readonly public!: boolean;
}

@ObjectType({ description: "Tenants see only the versions that are public and those that they have or had" })
export class Plan {
  @Field(() => ID) readonly id!: string;
  @Field(() => String) readonly name!: string;
  @Field(() => [PlanVersion]) readonly versions!: readonly PlanVersion[];
  @Field(() => PlanVersion, { nullable: true }) readonly latest!: PlanVersion | null;
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
