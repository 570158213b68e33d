import { Directive, Field, ID, InputType, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import {
  LIMIT_KIND_MEANINGS,
  LIMIT_KINDS,
  LIMIT_UNIT_MEANINGS,
  LIMIT_UNITS,
  QUOTA_WINDOWS,
  WINDOW_MEANINGS,
} from "#schema/vocabulary.js";
import { LIMIT_STATES, type LimitState } from "../rules/decision.js";

const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS, "The time over which a limit counts", WINDOW_MEANINGS);
const LimitUnit = enumOf("LimitUnit", LIMIT_UNITS, "What a limit counts", LIMIT_UNIT_MEANINGS);
const LimitKind = enumOf("LimitKind", LIMIT_KINDS, "What happens at a limit", LIMIT_KIND_MEANINGS);
const QuotaState = enumOf("QuotaState", LIMIT_STATES, "How near a limit is", {
  OK: "Below every threshold that warns",
  WARNING: "Usage and reservations have reached a threshold that warns",
  EXCEEDED: "Usage and reservations have reached the limit",
  REBUILDING: "HARD, and its counters were lost or do not answer: requests may be denied until they are rebuilt",
  DEGRADED: "SOFT, and its counters were lost or do not answer: requests are allowed",
});

@Directive("@shareable")
@ObjectType({ description: "A value of one of a meter's dimensions" })
export class DimensionMatch {
  @Field(() => String, { description: "The dimension's name" }) readonly dimension!: string;
  @Field(() => String, { description: "The value of the usage" }) readonly value!: string;
}

@InputType({ description: "A value of one of the meter's dimensions" })
export class DimensionMatchInput {
  @Field(() => String, { description: "The dimension's name, as in the meter's `dimensions`" })
  readonly dimension!: string;
  @Field(() => String, { description: "The value, compared exactly; at most 128 bytes" }) readonly value!: string;
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
  readonly window!: keyof typeof QuotaWindow;
  @Field(() => LimitKind, { description: "Whether it denies or only warns" }) readonly kind!: keyof typeof LimitKind;
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

@Directive('@key(fields: "ref")')
@ObjectType({ description: "The current state of a limit, with the numbers that decisions use" })
export class QuotaStatus {
  @Directive("@inaccessible")
  @Field(() => String, { description: "Reference for other services" })
  readonly ref!: string;
  @Field(() => QuotaLimit, { description: "The limit in force: the plan's, or its override" })
  readonly limit!: QuotaLimit;
  @Field(() => [DimensionMatch], {
    description: "Of a limit with `by`: the combination of values that these numbers are about; empty otherwise",
  })
  readonly dimensions!: readonly DimensionMatch[];
  @Field(() => DecimalScalar, { description: "Recorded usage in the window" }) readonly used!: string;
  @Field(() => DecimalScalar, { description: "Admitted by `consume`, but not yet settled by recorded usage" })
  readonly reserved!: string;
  @Field(() => DecimalScalar, {
    description: "What `consume` can still admit. After negative usage, more than the limit",
  })
  readonly remaining!: string;
  @Field(() => DateTimeScalar, {
    description: "Start of the window: of the day, week, month or billing period, or now minus the window's length",
  })
  readonly windowStart!: number;
  @Field(() => DateTimeScalar, { description: "When all usage that counts now will have left the window" })
  readonly resetAt!: number;
  @Field(() => QuotaState, { description: "How near the limit is" }) readonly state!: LimitState;
  @Field(() => Boolean, {
    description: "Whether the limit's meter is archived, so that recorded usage does not count against the limit",
  })
  readonly meterArchived!: boolean;
}

@Directive('@key(fields: "id")')
@ObjectType({ description: "A customer: its usage, limits, plan and invoices" })
export class Tenant {
  @Field(() => ID, { description: "Its id: the `subject` of its events" }) readonly id!: string;
  @Directive("@inaccessible")
  @Field(() => DateTimeScalar, { nullable: true, description: "A test tenant's clock in quota's copy" })
  readonly quotaClock!: number | null;
}

@ObjectType({ description: "A limit at the time of a denial" })
export class QuotaDenialLimit {
  @Field(() => String, { nullable: true, description: "The meter's key; null: the limit counts requests, or money" })
  readonly meter!: string | null;
  @Field(() => LimitUnit, { description: "Whether it counts a quantity or money" })
  readonly unit!: keyof typeof LimitUnit;
  @Field(() => String, { nullable: true, description: "Of a limit in money: ISO 4217; null: it counts a quantity" })
  readonly currency!: string | null;
  @Field(() => String, { description: "The time over which it counts" }) readonly window!: string;
  @Field(() => String, { description: "HARD or SOFT" }) readonly kind!: string;
  @Field(() => [DimensionMatch], { description: "Of a limit with `by`: the combination of values; empty otherwise" })
  readonly dimensions!: readonly DimensionMatch[];
  @Field(() => [DimensionMatch], { description: "Values that usage must have to count; empty: all usage counts" })
  readonly where!: readonly DimensionMatch[];
  @Field(() => DecimalScalar, { description: "The largest quantity within the window" }) readonly limit!: string;
  @Field(() => DecimalScalar, { description: "Recorded usage in the window" }) readonly used!: string;
  @Field(() => DecimalScalar, { description: "Admitted by `consume`, but not yet settled by recorded usage" })
  readonly reserved!: string;
  @Field(() => DecimalScalar, { description: "What was left" }) readonly remaining!: string;
  @Field(() => DateTimeScalar, { description: "When all usage that counted then has left the window" })
  readonly resetAt!: number;
  @Field(() => Boolean, { description: "Whether this limit denied the request" }) readonly denies!: boolean;
}

@ObjectType({ description: "A quantity of a meter" })
export class MeterAmount {
  @Field(() => String, { description: "The meter's key" }) readonly meter!: string;
  @Field(() => DecimalScalar, { description: "How much of it" }) readonly amount!: string;
}

@ObjectType({ description: "Why a `consume` was denied" })
export class QuotaDenial {
  @Field(() => String, { description: "The key of the request" }) readonly idempotencyKey!: string;
  @Field(() => DateTimeScalar, { description: "When it was denied" }) readonly at!: number;
  @Field(() => String, { nullable: true, description: "The requested meter; null: none, or several" })
  readonly meter!: string | null;
  @Field(() => DecimalScalar, { description: "The requested amount; 1 where `meter` is null" })
  readonly amount!: string;
  @Field(() => [MeterAmount], { description: "All that was requested together; empty: one request of no meter" })
  readonly usage!: readonly MeterAmount[];
  @Field(() => String, { description: "The code of the reason, as in the response, e.g. LIMIT_EXCEEDED" })
  readonly reason!: string;
  @Field(() => String, { description: "The reason in words" }) readonly explanation!: string;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When the request would fit if no other request came first; null if waiting does not help",
  })
  readonly retryAt!: number | null;
  @Field(() => [QuotaDenialLimit], { description: "All limits that applied to the request" })
  readonly limits!: readonly QuotaDenialLimit[];
}
