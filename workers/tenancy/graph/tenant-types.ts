import { Directive, Field, ID, InputType, Int, ObjectType } from "type-graphql";
import { connectionType } from "#platform/graphql/page-types.js";
import { DateTimeScalar, JsonScalar } from "#platform/graphql/scalars.js";
import type { ApiKeyState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { PartyText } from "#schema/party.js";
import type { Identity } from "#schema/policy.js";
import { currentBuyer } from "../rules/buyer.js";
import type { AuditRecord } from "../store/store.js";
import { ApiKeyScope, Role, TenantStatus, ViewerKind } from "./enums.js";
import { PlanVersion } from "./plan-types.js";

@Directive("@shareable")
@ObjectType({ description: "A name and address on invoices" })
export class InvoiceParty {
  @Field(() => String) readonly name!: string;
  @Field(() => [String]) readonly addressLines!: readonly string[];
}

/** `plan`, `assignments` and `apiKeys` are resolved on demand. */
@Directive('@key(fields: "id")')
@ObjectType()
export class Tenant {
  @Field(() => ID) readonly id!: string;
  @Field(() => String) readonly name!: string;
  @Field(() => InvoiceParty, { description: "The buyer on its invoices from now on" }) readonly buyer!: PartyText;
  @Field(() => TenantStatus) readonly status!: TenantState["status"];
  @Field(() => DateTimeScalar) readonly createdAt!: number;
  @Field(() => Int, { description: "Day of month (1..28) on which billing periods start, 00:00 UTC" })
  readonly billingAnchorDay!: number;
  @Field(() => Int) readonly graceDays!: number;
  @Field(() => DateTimeScalar, { description: "Start of the first billing period" }) readonly startsAt!: number;
  @Field(() => String, { nullable: true, description: "ISO 4217; set by the first plan, never changes" })
  readonly currency!: string | null;
  @Field(() => DateTimeScalar, { nullable: true }) readonly testClock!: number | null;

  readonly state!: TenantState;
}

export function tenantView(state: TenantState): Tenant {
  return {
    ...state,
    buyer: currentBuyer(state),
    graceDays: state.graceDays.at(-1)?.days ?? 0,
    state,
  };
}

/** Quota's entity: tenancy only refers to it. */
@Directive('@key(fields: "ref", resolvable: false)')
@ObjectType()
export class QuotaStatus {
  @Directive("@inaccessible")
  @Field(() => String)
  readonly ref!: string;
}

export const TenantConnection = connectionType("TenantConnection", Tenant);

@ObjectType()
export class PlanAssignment {
  @Field(() => PlanVersion) readonly plan!: PlanVersion;
  @Field(() => DateTimeScalar) readonly effectiveFrom!: number;
  @Field(() => DateTimeScalar, { nullable: true }) readonly effectiveTo!: number | null;
}

@ObjectType()
export class ApiKey {
  @Field(() => ID) readonly id!: string;
  @Field(() => ID, { nullable: true }) readonly tenantId!: string | null;
  @Field(() => String) readonly name!: string;
  @Field(() => String) readonly prefix!: string;
  @Field(() => [ApiKeyScope]) readonly scopes!: ApiKeyState["scopes"];
  @Field(() => Boolean) readonly test!: boolean;
  @Field(() => DateTimeScalar) readonly createdAt!: number;
  @Field(() => DateTimeScalar, { nullable: true }) readonly expiresAt!: number | null;
  @Field(() => DateTimeScalar, { nullable: true }) readonly revokedAt!: number | null;
}

/** Without the hash. `lastUsedAt` is resolved on demand. */
export function apiKeyView({ hash: _, ...state }: ApiKeyState): ApiKey {
  return state;
}

@ObjectType({ description: "`secret` is never shown again" })
export class IssuedApiKey {
  @Field(() => ApiKey) readonly apiKey!: ApiKey;
  @Field(() => String) readonly secret!: string;
}

@ObjectType()
export class Viewer {
  @Field(() => ViewerKind) readonly kind!: keyof typeof ViewerKind;
  @Field(() => ID) readonly id!: string;
  @Field(() => ID, { nullable: true }) readonly tenantId!: string | null;
  @Field(() => [Role]) readonly roles!: Identity["roles"];
}

@ObjectType()
export class AuditEntry {
  @Field(() => DateTimeScalar) readonly at!: number;
  @Field(() => String) readonly actor!: string;
  @Field(() => String) readonly action!: string;
  @Field(() => String) readonly target!: string;
  @Directive("@cost(weight: 20)")
  @Field(() => JsonScalar, { nullable: true })
  readonly before!: AuditRecord["before"];
  @Directive("@cost(weight: 20)")
  @Field(() => JsonScalar, { nullable: true })
  readonly after!: AuditRecord["after"];
}

export const AuditEntryConnection = connectionType("AuditEntryConnection", AuditEntry);

@InputType({
  description:
    "Without a `name`, the buyer has the tenant's name, and follows it. `addressLines`: at most 8 of 100 characters, e.g. street, town, country, tax number",
})
export class InvoicePartyInput {
  @Field(() => String, { nullable: true }) readonly name?: string | null;
  @Field(() => [String], { nullable: true, defaultValue: [] }) readonly addressLines?: string[] | null;
}

@InputType({
  description:
    "`startsAt`: a time in the first billing period, from which on `planId` applies (default: now; at most 35 days back). `testClock`: creates a test tenant, whose clock only `advanceTestClock` moves; the accepted times of its events, its periods and its quota windows follow that clock",
})
export class CreateTenantInput {
  @Field(() => ID, { nullable: true }) readonly id?: string | null;
  @Field(() => String) readonly name!: string;
  @Field(() => InvoicePartyInput, {
    nullable: true,
    description: "The buyer on its invoices; default: the tenant's name, without an address",
  })
  readonly buyer?: InvoicePartyInput | null;
  @Field(() => ID, { nullable: true }) readonly planId?: string | null;
  @Field(() => DateTimeScalar, { nullable: true }) readonly startsAt?: number | null;
  @Field(() => Int, { nullable: true, defaultValue: 1 }) readonly billingAnchorDay?: number | null;
  @Field(() => Int, { nullable: true, defaultValue: 3 }) readonly graceDays?: number | null;
  @Field(() => DateTimeScalar, { nullable: true }) readonly testClock?: number | null;
}

@InputType()
export class UpdateTenantInput {
  @Field(() => String, { nullable: true }) readonly name?: string | null;
  @Field(() => Int, { nullable: true }) readonly graceDays?: number | null;
  @Field(() => InvoicePartyInput, { nullable: true, description: "Replaces the whole buyer, from the next invoice on" })
  readonly buyer?: InvoicePartyInput | null;
}

@InputType({
  description:
    "Give either `tenantId` or `platform: true`. Scopes are limited to those of the issuer. Keys of tenants with a test clock start with `mtr_test_`, all others with `mtr_live_`",
})
export class IssueApiKeyInput {
  @Field(() => ID, { nullable: true }) readonly tenantId?: string | null;
  @Field(() => Boolean, { nullable: true, defaultValue: false }) readonly platform?: boolean | null;
  @Field(() => String) readonly name!: string;
  @Field(() => [ApiKeyScope]) readonly scopes!: ApiKeyState["scopes"];
  @Field(() => DateTimeScalar, { nullable: true }) readonly expiresAt?: number | null;
}
