import { Directive, Field, ID, InputType, Int, ObjectType } from "type-graphql";
import { enumOf } from "#platform/graphql/enums.js";
import { connectionType } from "#platform/graphql/page-types.js";
import { CursorScalar, DateTimeScalar, DecimalScalar, JsonScalar } from "#platform/graphql/scalars.js";
import {
  LIMIT_UNIT_MEANINGS,
  LIMIT_UNITS,
  QUOTA_WINDOWS,
  THRESHOLD_KINDS,
  WINDOW_MEANINGS,
} from "#schema/vocabulary.js";
import {
  DELIVERY_STATUSES,
  type DeliveryStatus,
  ENDPOINT_STATUSES,
  type Endpoint,
  type EndpointStatus,
} from "../store/endpoints.js";

const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS, "The time over which a limit counts", WINDOW_MEANINGS);
const QuotaAlertKind = enumOf("QuotaAlertKind", ["WARNING", "EXCEEDED"], "What an alert reports", {
  WARNING: "Usage has crossed a threshold of the limit",
  EXCEEDED: "Usage has reached the limit",
});
const LimitUnit = enumOf("LimitUnit", LIMIT_UNITS, "What a limit counts", LIMIT_UNIT_MEANINGS);
const ThresholdKind = enumOf("ThresholdKind", THRESHOLD_KINDS, "How a threshold is meant", {
  SHARE: "As a share of the limit",
  AMOUNT: "As an amount",
});
export const WebhookEndpointStatus = enumOf(
  "WebhookEndpointStatus",
  ENDPOINT_STATUSES,
  "Whether events are sent to an endpoint",
  {
    ENABLED: "They are",
    DISABLED: "They are not: it was disabled by hand, or because its deliveries kept failing (`disabledReason`)",
  },
);
export const WebhookDeliveryStatus = enumOf("WebhookDeliveryStatus", DELIVERY_STATUSES, "What became of a delivery", {
  PENDING: "It waits for its next attempt",
  DELIVERED: "The receiver has accepted it",
  DEAD: "A dead letter: it is not tried again, unless it is replayed",
});

/** Tenancy's entity, extended by this service. */
@Directive('@key(fields: "id")')
@ObjectType("Tenant", { description: "A customer: its usage, limits, plan and invoices" })
export class TenantType {
  @Field(() => ID, { description: "Its id: the `subject` of its events" }) readonly id!: string;
}

/** Billing's entity, referenced by its key. */
@Directive('@key(fields: "id", resolvable: false)')
@ObjectType("Invoice", {
  description: "The invoice of a closed period. It never changes: late usage becomes an adjustment on a later one",
})
export class InvoiceType {
  @Field(() => ID, { description: "`inv_<tenant>_<ordinal>`" }) readonly id!: string;
}

@Directive("@shareable")
@ObjectType("DimensionMatch", { description: "A value of one of a meter's dimensions" })
export class DimensionMatchType {
  @Field(() => String, { description: "The dimension's name" }) readonly dimension!: string;
  @Field(() => String, { description: "The value of the usage" }) readonly value!: string;
}

@ObjectType("QuotaAlert", {
  description: "Usage has crossed a threshold of a limit; reported once per window and threshold",
})
export class QuotaAlertType {
  @Field(() => ID, { description: "Its id here; in webhooks, look for its `sequence`" }) readonly id!: string;
  @Field(() => String, { description: "1, 2, 3 …: position among the tenant's alerts" }) readonly sequence!: string;
  @Field(() => CursorScalar, { description: "For `after` in `alerts` and `quotaAlerts`" })
  readonly cursor!: string;
  @Field(() => ID, { description: "The tenant's id" }) readonly tenantId!: string;
  @Field(() => QuotaAlertKind, { description: "Whether a threshold or the limit was reached" })
  readonly kind!: keyof typeof QuotaAlertKind;
  @Field(() => String, { nullable: true, description: "Null if the limit counts requests, or money" })
  readonly meter!: string | null;
  @Field(() => LimitUnit, { description: "Whether the limit counts a quantity or money" })
  readonly unit!: keyof typeof LimitUnit;
  @Field(() => String, { nullable: true, description: "Of a limit in money: ISO 4217; null: it counts a quantity" })
  readonly currency!: string | null;
  @Field(() => QuotaWindow, { description: "The window of the limit" }) readonly window!: keyof typeof QuotaWindow;
  @Field(() => [DimensionMatchType], {
    description: "Of a limit with `by`: the combination of values that it is about; empty otherwise",
  })
  readonly dimensions!: readonly DimensionMatchType[];
  @Field(() => [DimensionMatchType], {
    description: "Of a limit with `where`: the values that usage must have to count; empty otherwise",
  })
  readonly where!: readonly DimensionMatchType[];
  @Field(() => DateTimeScalar, {
    description:
      "Start of the second, minute, hour or day (UTC), of the calendar's day, week or month, or of the billing period in which it happened",
  })
  readonly windowStart!: Date;
  @Field(() => DecimalScalar, { description: "What was crossed: a fraction of the limit, or an amount, of money too" })
  readonly threshold!: string;
  @Field(() => ThresholdKind, { description: "Whether `threshold` is a share of the limit or an amount" })
  readonly thresholdKind!: keyof typeof ThresholdKind;
  @Field(() => DecimalScalar, { description: "The limit in force" }) readonly limit!: string;
  @Field(() => DecimalScalar, { description: "Usage when it crossed the threshold" }) readonly used!: string;
  @Field(() => DateTimeScalar, { description: "When it was noticed" }) readonly at!: Date;
  @Field(() => TenantType, { description: "The tenant" }) readonly tenant!: TenantType;
}

export const QuotaAlertConnectionType = connectionType("QuotaAlertConnection", QuotaAlertType);

@ObjectType("InvoiceGenerated", { description: "An invoice was issued" })
export class InvoiceGeneratedType {
  @Field(() => String, { description: "1, 2, 3 …: position among the tenant's invoices" }) readonly sequence!: string;
  @Field(() => CursorScalar, { description: "For `after` of `invoiceGenerated`" }) readonly cursor!: string;
  @Field(() => InvoiceType, { description: "The invoice" }) readonly invoice!: InvoiceType;
}

@ObjectType("WebhookAttempt", { description: "One attempt to deliver" })
export class WebhookAttemptType {
  @Field(() => DateTimeScalar, { description: "When it began" }) readonly at!: Date;
  @Field(() => Int, { description: "How long it took, in milliseconds" }) readonly durationMs!: number;
  @Field(() => Int, { nullable: true, description: "The HTTP status; null if there was no response" })
  readonly responseStatus!: number | null;
  @Field(() => String, { nullable: true, description: "What went wrong; null: nothing" }) readonly error!:
    | string
    | null;
  @Directive("@cost(weight: 2)")
  @Field(() => String, { nullable: true, description: "At most the first 4 KiB" })
  readonly responseBody!: string | null;
}

@ObjectType("WebhookDelivery", { description: "One event on its way to one endpoint" })
export class WebhookDeliveryType {
  @Field(() => ID, { description: "Its id (`whd_…`)" }) readonly id!: string;
  @Field(() => String, { description: "1, 2, 3 …: position among the endpoint's deliveries, including dead letters" })
  readonly endpointSequence!: string;
  @Field(() => String, { description: "The event's id, the `webhook-id` of each attempt: receivers process it once" })
  readonly eventId!: string;
  @Field(() => String, { description: "The event's type, e.g. invoice.generated" }) readonly eventType!: string;
  @Field(() => WebhookDeliveryStatus, { description: "Whether it is waiting, delivered, or a dead letter" })
  readonly status!: DeliveryStatus;
  @Field(() => String, { nullable: true, description: "Why it became a dead letter" })
  readonly deadReason!: string | null;
  @Field(() => [WebhookAttemptType], { description: "Its attempts so far, in order" })
  readonly attempts!: readonly WebhookAttemptType[];
  @Field(() => DateTimeScalar, { nullable: true, description: "When the next attempt is due; null: none is" })
  readonly nextAttemptAt!: Date | null;
  @Directive("@cost(weight: 5)")
  @Field(() => JsonScalar, { description: "The body that is sent" })
  readonly payload!: unknown;
}

export const WebhookDeliveryConnectionType = connectionType("WebhookDeliveryConnection", WebhookDeliveryType);

@ObjectType("WebhookEndpoint", { description: "Where notifications go: a webhook, a mail address or a Slack channel" })
export class WebhookEndpointType implements Endpoint {
  readonly tenantId!: string;
  @Field(() => ID, { description: "Its id (`whe_…`)" }) readonly id!: string;
  @Field(() => String, { description: "Its address, which may itself be a secret" }) readonly url!: string;
  @Field(() => [String], { description: "The types of events that it gets" }) readonly eventTypes!: readonly string[];
  @Field(() => WebhookEndpointStatus, { description: "Whether events are sent to it" })
  readonly status!: EndpointStatus;
  @Field(() => String, { nullable: true, description: "Why it was disabled" })
  readonly disabledReason!: string | null;
  @Field(() => DateTimeScalar, { description: "When it was created; it gets nothing from before" })
  readonly createdAt!: Date;
}

@ObjectType("WebhookEndpointWithSecret", { description: "An endpoint with its signing secret" })
export class WebhookEndpointWithSecretType {
  @Field(() => WebhookEndpointType, { description: "The endpoint" }) readonly endpoint!: WebhookEndpointType;
  @Field(() => String, { description: "`whsec_…`, for Standard Webhooks libraries; shown only once" })
  readonly secret!: string;
}

@InputType("CreateWebhookEndpointInput", {
  description:
    "Give either `tenantId` or `platform: true`. An endpoint of the platform receives `usage.unmetered`, `usage.unpriced` and its `eventTypes`, of all tenants",
})
export class CreateWebhookEndpointInput {
  @Field(() => ID, { nullable: true, description: "The tenant whose events it gets" }) readonly tenantId?:
    | string
    | null;
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: "Whether it is an operators' endpoint, for all tenants; only for PLATFORM_ADMIN",
  })
  readonly platform?: boolean | null;
  @Field(() => String, {
    description: "`https://…`, `mailto:…` or `slack+https://…`; `http` only where private targets are allowed",
  })
  readonly url!: string;
  @Field(() => [String], {
    description:
      "quota.warning, quota.exceeded, billing.period.closed, invoice.generated, credits.granted, credits.voided, webhook.endpoint.disabled; each once. Empty only for an operators' endpoint",
  })
  readonly eventTypes!: readonly string[];
}

@InputType("UpdateWebhookEndpointInput", { description: "What to change; an omitted field stays as it is" })
export class UpdateWebhookEndpointInput {
  @Field(() => String, { nullable: true, description: "Its new address" }) readonly url?: string | null;
  @Field(() => [String], { nullable: true, description: "Replaces all of its event types" }) readonly eventTypes?:
    | readonly string[]
    | null;
  @Field(() => WebhookEndpointStatus, {
    nullable: true,
    description: "ENABLED: send again, after it was disabled. DISABLED: send nothing",
  })
  readonly status?: EndpointStatus | null;
}
