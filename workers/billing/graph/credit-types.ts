import "reflect-metadata";
import { Field, ID, InputType, Int, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { connectionType } from "#platform/graphql/page-types.js";
import { DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import { CREDIT_GRANT_STATUSES } from "#schema/vocabulary.js";

export const CreditGrantStatus = enumOf(
  "CreditGrantStatus",
  CREDIT_GRANT_STATUSES,
  "What became of a grant of credits",
  {
    ACTIVE: "Something is left of it",
    USED_UP: "All of it is drawn",
    EXPIRED: "It has expired: usage from then on draws nothing from it",
    VOIDED: "What was left of it was taken back",
  },
);

@ObjectType("CreditGrant", {
  description: "Prepaid credits that were granted to a tenant: they pay for usage that comes after them",
})
export class CreditGrantType {
  @Field(() => ID, { description: "Unique within the tenant" }) declare readonly id: string;
  @Field(() => ID, { description: "Whose it is" }) declare readonly tenantId: string;
  @Field(() => DecimalScalar, { description: "What was granted" }) declare readonly amount: string;
  @Field(() => String, { description: "ISO 4217 code: the tenant's currency" }) declare readonly currency: string;
  @Field(() => DecimalScalar, { description: "What usage has drawn from it" }) declare readonly drawn: string;
  @Field(() => DecimalScalar, { description: "What usage may still draw; 0 once it has expired or is voided" })
  declare readonly remaining: string;
  @Field(() => Int, { description: "Grants with a lower one are drawn first" }) declare readonly priority: number;
  @Field(() => String, { nullable: true, description: "Its position in the ledger: usage after it may draw from it" })
  declare readonly seq: string | null;
  @Field(() => DateTimeScalar, { description: "When it was granted, by the tenant's clock" })
  declare readonly grantedAt: number;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "Usage from then on draws nothing from it; null: it does not expire",
  })
  declare readonly expiresAt: number | null;
  @Field(() => CreditGrantStatus, { description: "What became of it" })
  declare readonly status: keyof typeof CreditGrantStatus;
  @Field(() => String, { description: "Why it was granted" }) declare readonly reason: string;
  @Field(() => String, { description: "Who granted it" }) declare readonly actor: string;
}

export const CreditGrantConnectionType = connectionType("CreditGrantConnection", CreditGrantType);

@ObjectType("Credits", {
  description: "A tenant's prepaid credits: granted = drawn + expired + voided + available, always",
})
export class CreditsType {
  declare readonly tenantId: string;
  /** What was recorded before this moment is known; the moment of the tenant's clock. */
  declare readonly recordedBefore: number;
  declare readonly at: number;
  @Field(() => String, { description: "ISO 4217 code; XXX: the tenant has no plan yet, and so no currency" })
  declare readonly currency: string;
  @Field(() => DecimalScalar, { description: "The sum of all grants" }) declare readonly granted: string;
  @Field(() => DecimalScalar, { description: "What pays for recorded usage" }) declare readonly drawn: string;
  @Field(() => DecimalScalar, { description: "What was left of grants when they expired" })
  declare readonly expired: string;
  @Field(() => DecimalScalar, { description: "What was left of grants when they were voided" })
  declare readonly voided: string;
  @Field(() => DecimalScalar, { description: "What usage may still draw" }) declare readonly available: string;
  @Field(() => DecimalScalar, {
    description: "What open reservations hold of `available`: nothing without a prepaid plan",
  })
  declare readonly reserved: string;
  @Field(() => DateTimeScalar, { description: "As of when" }) declare readonly asOf: number;
}

@InputType("GrantCreditsInput", { description: "Prepaid credits for a tenant, in its currency" })
export class GrantCreditsInput {
  @Field(() => ID, {
    nullable: true,
    description: "Makes a repeat safe: another grant with this id is a CONFLICT; default: generated",
  })
  declare readonly id: string | null | undefined;
  @Field(() => ID, { description: "The tenant's id" }) declare readonly tenantId: string;
  @Field(() => DecimalScalar, { description: "Above 0, with at most the currency's minor digits" })
  declare readonly amount: string;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "Usage from then on draws nothing from it; default: it does not expire",
  })
  declare readonly expiresAt: number | null | undefined;
  @Field(() => Int, { nullable: true, defaultValue: 0, description: "Grants with a lower one are drawn first" })
  declare readonly priority: number | null;
  @Field(() => String, { description: "Why, for the audit log and the tenant; at most 1,000 characters" })
  declare readonly reason: string;
}
