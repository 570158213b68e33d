import { Directive, Field, ID, InputType, Int, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { connectionType } from "#platform/graphql/page-types.js";
import { CursorScalar, DateTimeScalar, DecimalScalar, JsonScalar } from "#platform/graphql/scalars.js";
import { QUOTA_WINDOWS } from "#schema/vocabulary.js";
import {
  DELIVERY_STATUSES,
  type DeliveryStatus,
  ENDPOINT_STATUSES,
  type Endpoint,
  type EndpointStatus,
} from "../store/endpoints.js";

const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS);
const QuotaAlertKind = enumOf("QuotaAlertKind", ["WARNING", "EXCEEDED"]);
export const WebhookEndpointStatus = enumOf("WebhookEndpointStatus", ENDPOINT_STATUSES);
export const WebhookDeliveryStatus = enumOf("WebhookDeliveryStatus", DELIVERY_STATUSES);

/** Tenancy's entity, extended by this service. */
@Directive('@key(fields: "id")')
@ObjectType("Tenant")
export class TenantType {
  @Field(() => ID) readonly id!: string;
}

/** Billing's entity, referenced by its key. */
@Directive('@key(fields: "id", resolvable: false)')
@ObjectType("Invoice")
export class InvoiceType {
  @Field(() => ID) readonly id!: string;
}

@ObjectType("QuotaAlert")
export class QuotaAlertType {
  @Field(() => ID) readonly id!: string;
  @Field(() => String, { description: "1, 2, 3 …: position among the tenant's alerts" }) readonly sequence!: string;
  @Field(() => CursorScalar, { description: "For `after` in `alerts` and `quotaAlerts`" })
  readonly cursor!: string;
  @Field(() => ID) readonly tenantId!: string;
  @Field(() => QuotaAlertKind) readonly kind!: keyof typeof QuotaAlertKind;
  @Field(() => String, { nullable: true, description: "Null if the limit counts requests" })
  readonly meter!: string | null;
  @Field(() => QuotaWindow) readonly window!: keyof typeof QuotaWindow;
  @Field(() => DateTimeScalar) readonly windowStart!: Date;
  @Field(() => DecimalScalar, { description: "The fraction of the limit that was crossed" })
  readonly threshold!: string;
  @Field(() => DecimalScalar) readonly limit!: string;
  @Field(() => DecimalScalar) readonly used!: string;
  @Field(() => DateTimeScalar) readonly at!: Date;
  @Field(() => TenantType) readonly tenant!: TenantType;
}

export const QuotaAlertConnectionType = connectionType("QuotaAlertConnection", QuotaAlertType);

@ObjectType("InvoiceGenerated")
export class InvoiceGeneratedType {
  @Field(() => String, { description: "1, 2, 3 …: position among the tenant's invoices" }) readonly sequence!: string;
  @Field(() => CursorScalar) readonly cursor!: string;
  @Field(() => InvoiceType) readonly invoice!: InvoiceType;
}

@ObjectType("WebhookAttempt")
export class WebhookAttemptType {
  @Field(() => DateTimeScalar) readonly at!: Date;
  @Field(() => Int) readonly durationMs!: number;
  @Field(() => Int, { nullable: true, description: "Null if there was no response" }) readonly responseStatus!:
    | number
    | null;
  @Field(() => String, { nullable: true }) readonly error!: string | null;
  @Directive("@cost(weight: 2)")
  @Field(() => String, { nullable: true, description: "At most the first 4 KiB" })
  readonly responseBody!: string | null;
}

@ObjectType("WebhookDelivery")
export class WebhookDeliveryType {
  @Field(() => ID) readonly id!: string;
  @Field(() => String, { description: "1, 2, 3 …: position among the endpoint's deliveries, including dead letters" })
  readonly endpointSequence!: string;
  @Field(() => String) readonly eventId!: string;
  @Field(() => String) readonly eventType!: string;
  @Field(() => WebhookDeliveryStatus) readonly status!: DeliveryStatus;
  @Field(() => String, { nullable: true, description: "Why it became a dead letter" })
  readonly deadReason!: string | null;
  @Field(() => [WebhookAttemptType]) readonly attempts!: readonly WebhookAttemptType[];
  @Field(() => DateTimeScalar, { nullable: true }) readonly nextAttemptAt!: Date | null;
  @Directive("@cost(weight: 5)")
  @Field(() => JsonScalar)
  readonly payload!: unknown;
}

export const WebhookDeliveryConnectionType = connectionType("WebhookDeliveryConnection", WebhookDeliveryType);

@ObjectType("WebhookEndpoint")
export class WebhookEndpointType implements Endpoint {
  readonly tenantId!: string;
  @Field(() => ID) readonly id!: string;
  @Field(() => String) readonly url!: string;
  @Field(() => [String]) readonly eventTypes!: readonly string[];
  @Field(() => WebhookEndpointStatus) readonly status!: EndpointStatus;
  @Field(() => String, { nullable: true, description: "Why it was disabled" })
  readonly disabledReason!: string | null;
  @Field(() => DateTimeScalar) readonly createdAt!: Date;
}

@ObjectType("WebhookEndpointWithSecret")
export class WebhookEndpointWithSecretType {
  @Field(() => WebhookEndpointType) readonly endpoint!: WebhookEndpointType;
  @Field(() => String, { description: "`whsec_…`, for Standard Webhooks libraries; shown only once" })
  readonly secret!: string;
}

@InputType("CreateWebhookEndpointInput", {
  description:
    "Give either `tenantId` or `platform: true`. An endpoint of the platform receives `usage.unmetered`, `usage.unpriced` and its `eventTypes`, of all tenants",
})
export class CreateWebhookEndpointInput {
  @Field(() => ID, { nullable: true }) readonly tenantId?: string | null;
  @Field(() => Boolean, { nullable: true, defaultValue: false }) readonly platform?: boolean | null;
  @Field(() => String) readonly url!: string;
  @Field(() => [String]) readonly eventTypes!: readonly string[];
}

@InputType("UpdateWebhookEndpointInput")
export class UpdateWebhookEndpointInput {
  @Field(() => String, { nullable: true }) readonly url?: string | null;
  @Field(() => [String], { nullable: true }) readonly eventTypes?: readonly string[] | null;
  @Field(() => WebhookEndpointStatus, { nullable: true }) readonly status?: EndpointStatus | null;
}
