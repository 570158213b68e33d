import { Directive, Field, ID, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import { LIMIT_KINDS, QUOTA_WINDOWS } from "#schema/vocabulary.js";
import { LIMIT_STATES, type LimitState } from "../rules/decision.js";

const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS);
const LimitKind = enumOf("LimitKind", LIMIT_KINDS, "HARD: denies requests beyond the limit. SOFT: only warns");
const QuotaState = enumOf("QuotaState", LIMIT_STATES);

@Directive("@shareable")
@ObjectType({ description: "Without a `meter`, it counts requests" })
export class QuotaLimit {
  @Field(() => String, { nullable: true }) readonly meter!: string | null;
  @Field(() => QuotaWindow) readonly window!: keyof typeof QuotaWindow;
  @Field(() => LimitKind) readonly kind!: keyof typeof LimitKind;
  @Field(() => DecimalScalar) readonly limit!: string;
  @Field(() => [DecimalScalar]) readonly warnAt!: readonly string[];
}

@Directive('@key(fields: "ref")')
@ObjectType({ description: "The current state of a limit, with the numbers that decisions use" })
export class QuotaStatus {
  @Directive("@inaccessible")
  @Field(() => String, { description: "Reference for other services" })
  readonly ref!: string;
  @Field(() => QuotaLimit) readonly limit!: QuotaLimit;
  @Field(() => DecimalScalar) readonly used!: string;
  @Field(() => DecimalScalar, { description: "Admitted by `consume`, but not yet settled by recorded usage" })
  readonly reserved!: string;
  @Field(() => DecimalScalar, { description: "After negative usage, more than the limit" })
  readonly remaining!: string;
  @Field(() => DateTimeScalar) readonly windowStart!: number;
  @Field(() => DateTimeScalar, { description: "When all usage that counts now will have left the window" })
  readonly resetAt!: number;
  @Field(() => QuotaState) readonly state!: LimitState;
  @Field(() => Boolean, {
    description: "Whether the limit's meter is archived, so that recorded usage does not count against the limit",
  })
  readonly meterArchived!: boolean;
}

@Directive('@key(fields: "id")')
@ObjectType()
export class Tenant {
  @Field(() => ID) readonly id!: string;
  @Directive("@inaccessible")
  @Field(() => DateTimeScalar, { nullable: true, description: "A test tenant's clock in quota's copy" })
  readonly quotaClock!: number | null;
}

@ObjectType({ description: "A limit at the time of a denial" })
export class QuotaDenialLimit {
  @Field(() => String, { nullable: true }) readonly meter!: string | null;
  @Field(() => String) readonly window!: string;
  @Field(() => String) readonly kind!: string;
  @Field(() => DecimalScalar) readonly limit!: string;
  @Field(() => DecimalScalar) readonly used!: string;
  @Field(() => DecimalScalar) readonly reserved!: string;
  @Field(() => DecimalScalar) readonly remaining!: string;
  @Field(() => DateTimeScalar) readonly resetAt!: number;
  @Field(() => Boolean, { description: "Whether this limit denied the request" }) readonly denies!: boolean;
}

@ObjectType({ description: "Why a `consume` was denied" })
export class QuotaDenial {
  @Field(() => String) readonly idempotencyKey!: string;
  @Field(() => DateTimeScalar) readonly at!: number;
  @Field(() => String, { nullable: true }) readonly meter!: string | null;
  @Field(() => DecimalScalar) readonly amount!: string;
  @Field(() => String) readonly reason!: string;
  @Field(() => String, { description: "The reason in words" }) readonly explanation!: string;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When the request would fit if no other request came first; null if waiting does not help",
  })
  readonly retryAt!: number | null;
  @Field(() => [QuotaDenialLimit]) readonly limits!: readonly QuotaDenialLimit[];
}
