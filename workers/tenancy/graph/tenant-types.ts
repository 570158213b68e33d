import { Directive, Field, ID, InputType, Int, ObjectType } from "type-graphql";
import { connectionType } from "#platform/graphql/page-types.js";
import { DateTimeScalar } from "#platform/graphql/scalars.js";
import type { ApiKeyState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { PartyText } from "#schema/party.js";
import type { Identity } from "#schema/policy.js";
import { timeZoneOf } from "#schema/tenancy-history.js";
import { currentBuyer } from "../rules/buyer.js";
import { ApiKeyScope, Role, TenantStatus, ViewerKind } from "./enums.js";
import { PlanVersion } from "./plan-types.js";

@Directive("@shareable")
@ObjectType({ description: "A name and address on invoices" })
export class InvoiceParty {
  @Field(() => String, { description: "The name in the first line" }) readonly name!: string;
  @Field(() => [String], { description: "The lines below the name, in order" })
  readonly addressLines!: readonly string[];
}

/** `plan`, `assignments` and `apiKeys` are resolved on demand. */
@Directive('@key(fields: "id")')
@ObjectType({ description: "A customer: its usage, limits, plan and invoices" })
export class Tenant {
  @Field(() => ID, { description: "Its id: the `subject` of its events" }) readonly id!: string;
  @Field(() => String, { description: "Its name for people" }) readonly name!: string;
  @Field(() => InvoiceParty, { description: "The buyer on its invoices from now on" }) readonly buyer!: PartyText;
  @Field(() => TenantStatus, { description: "Whether it is active, suspended or closed" })
  readonly status!: TenantState["status"];
  @Field(() => DateTimeScalar, { description: "When it was created" }) readonly createdAt!: number;
  @Field(() => Int, { description: "Day of month (1..28) on which billing periods start, 00:00 UTC" })
  readonly billingAnchorDay!: number;
  @Field(() => Int, {
    description: "Days after the end of a period in which late events still count in it; then it closes",
  })
  readonly graceDays!: number;
  @Field(() => DateTimeScalar, { description: "Start of the first billing period" }) readonly startsAt!: number;
  @Field(() => String, { nullable: true, description: "ISO 4217; set by the first plan, never changes" })
  readonly currency!: string | null;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "The time of a test tenant, which only `advanceTestClock` moves; null: a real tenant",
  })
  readonly testClock!: number | null;
  @Field(() => String, {
    description:
      "Its time zone, a name of the IANA database: calendar windows of limits follow it; billing periods are UTC",
  })
  readonly timeZone!: string;

  readonly state!: TenantState;
}

export function tenantView(state: TenantState): Tenant {
  return {
    ...state,
    buyer: currentBuyer(state),
    graceDays: state.graceDays.at(-1)?.days ?? 0,
    timeZone: timeZoneOf(state),
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

@ObjectType({ description: "A plan version of a tenant, and when it applies" })
export class PlanAssignment {
  @Field(() => PlanVersion, { description: "The plan version" }) readonly plan!: PlanVersion;
  @Field(() => DateTimeScalar, { description: "Start of the first billing period to which it applies" })
  readonly effectiveFrom!: number;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "Start of the first billing period to which it no longer applies; null: no end is planned",
  })
  readonly effectiveTo!: number | null;
}

@ObjectType({ description: "An API key, without its secret" })
export class ApiKey {
  @Field(() => ID, { description: "Its id, for `revokeApiKey` and `rotateApiKey`; not the secret" })
  readonly id!: string;
  @Field(() => ID, {
    nullable: true,
    description: "The tenant that it is bound to; null: a platform key, for all tenants",
  })
  readonly tenantId!: string | null;
  @Field(() => String, { description: "Its name for people" }) readonly name!: string;
  @Field(() => String, { description: "The first characters of the secret, to recognize it" }) readonly prefix!: string;
  @Field(() => [ApiKeyScope], { description: "What it may do" }) readonly scopes!: ApiKeyState["scopes"];
  @Field(() => Boolean, { description: "Whether its tenant has a test clock" }) readonly test!: boolean;
  @Field(() => DateTimeScalar, { description: "When it was issued" }) readonly createdAt!: number;
  @Field(() => DateTimeScalar, { nullable: true, description: "From when on it is refused; null: never" })
  readonly expiresAt!: number | null;
  @Field(() => DateTimeScalar, { nullable: true, description: "When it was revoked; null: it was not" })
  readonly revokedAt!: number | null;
}

/** Without the hash. `lastUsedAt` is resolved on demand. */
export function apiKeyView({ hash: _, ...state }: ApiKeyState): ApiKey {
  return state;
}

@ObjectType({ description: "A new key with its secret, which is never shown again" })
export class IssuedApiKey {
  @Field(() => ApiKey, { description: "The key" }) readonly apiKey!: ApiKey;
  @Field(() => String, {
    description: "What a client sends as `Authorization: Bearer <secret>`; only its hash is stored",
  })
  readonly secret!: string;
}

@ObjectType({ description: "The caller, by its credential" })
export class Viewer {
  @Field(() => ViewerKind, { description: "A person or a key" }) readonly kind!: keyof typeof ViewerKind;
  @Field(() => ID, { description: "The id of the key, or the subject of the token" }) readonly id!: string;
  @Field(() => ID, { nullable: true, description: "The only tenant that it reaches; null: all tenants" })
  readonly tenantId!: string | null;
  @Field(() => [Role], { description: "What it may do in the graph; empty: nothing but this" })
  readonly roles!: Identity["roles"];
}

@ObjectType({ description: "A change, and who made it. Entries are never changed or deleted" })
export class AuditEntry {
  @Field(() => DateTimeScalar, { description: "When" }) readonly at!: number;
  @Field(() => String, { description: "Who, as `kind:id`, e.g. `user:…` or `api_key:key_…`" }) readonly actor!: string;
  @Field(() => String, { description: "What, as `thing.verb`, e.g. `tenant.changePlan`" }) readonly action!: string;
  @Field(() => String, { description: "What was changed, as `kind:id`, e.g. `tenant:acme`" }) readonly target!: string;
  /** For the fields that are resolved on demand. */
  readonly id!: number;
}

export const AuditEntryConnection = connectionType("AuditEntryConnection", AuditEntry);

@InputType({
  description: "A name and address on invoices",
})
export class InvoicePartyInput {
  @Field(() => String, { nullable: true, description: "Default: the tenant's name, also after it changes" })
  readonly name?: string | null;
  @Field(() => [String], {
    nullable: true,
    defaultValue: [],
    description: "At most 8 of 100 characters, e.g. street, town, country, tax number",
  })
  readonly addressLines?: string[] | null;
}

@InputType({
  description:
    "A tenant. With `testClock` it is a test tenant: the accepted times of its events, its periods and its quota windows follow that clock",
})
export class CreateTenantInput {
  @Field(() => ID, {
    nullable: true,
    description:
      "1 to 64 letters, digits, `_`, `-` or `.`; default: generated. The same input again returns the existing tenant; another one is a CONFLICT",
  })
  readonly id?: string | null;
  @Field(() => String, { description: "Its name for people; at most 200 characters" }) readonly name!: string;
  @Field(() => InvoicePartyInput, {
    nullable: true,
    description: "The buyer on its invoices; default: the tenant's name, without an address",
  })
  readonly buyer?: InvoicePartyInput | null;
  @Field(() => ID, {
    nullable: true,
    description:
      "Its first plan, in the newest version, from its first billing period on; default: none, so that usage is recorded and not charged",
  })
  readonly planId?: string | null;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      "A time in its first billing period; usage from before that period is refused. Default: now; at most 35 days back or 366 days ahead",
  })
  readonly startsAt?: number | null;
  @Field(() => Int, {
    nullable: true,
    defaultValue: 1,
    description: "Day of the month, 1 to 28, on which its billing periods start, 00:00 UTC. It cannot be changed later",
  })
  readonly billingAnchorDay?: number | null;
  @Field(() => Int, {
    nullable: true,
    defaultValue: 3,
    description: "Days after the end of a period in which late events still count in it, 0 to 28; then it closes",
  })
  readonly graceDays?: number | null;
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      "The time at which its clock stands, in the years 2000 to 2099; only `advanceTestClock` moves it. Default: a real tenant",
  })
  readonly testClock?: number | null;
  @Field(() => String, {
    nullable: true,
    defaultValue: "UTC",
    description:
      "A name of the IANA time zone database, e.g. `Europe/Berlin`: calendar windows of limits follow it. It cannot be changed later",
  })
  readonly timeZone?: string | null;
}

@InputType({ description: "What to change; an omitted field stays as it is" })
export class UpdateTenantInput {
  @Field(() => String, { nullable: true, description: "Its name for people; at most 200 characters" }) readonly name?:
    | string
    | null;
  @Field(() => Int, {
    nullable: true,
    description:
      "Days after the end of a period in which late events still count in it, 0 to 28; for periods that close after this",
  })
  readonly graceDays?: number | null;
  @Field(() => InvoicePartyInput, { nullable: true, description: "Replaces the whole buyer, from the next invoice on" })
  readonly buyer?: InvoicePartyInput | null;
}

@InputType({
  description:
    "Give either `tenantId` or `platform: true`. Keys of tenants with a test clock start with `mtr_test_`, all others with `mtr_live_`",
})
export class IssueApiKeyInput {
  @Field(() => ID, { nullable: true, description: "The only tenant that the key reaches" }) readonly tenantId?:
    | string
    | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Whether the key reaches all tenants; only platform admins issue such keys",
  })
  readonly platform?: boolean | null;
  @Field(() => String, { description: "Its name for people; at most 200 characters" }) readonly name!: string;
  @Field(() => [ApiKeyScope], { description: "What it may do, each once. A key grants only scopes that it has itself" })
  readonly scopes!: ApiKeyState["scopes"];
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      "From when on it is refused; default: never. A key that expires issues only keys that do not outlive it",
  })
  readonly expiresAt?: number | null;
}
