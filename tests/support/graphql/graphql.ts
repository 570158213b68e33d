/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** How a meter's events become a quantity */
export type Aggregation =
  /** The number of events */
  | 'COUNT'
  /** The value of `valueProperty` in the event with the latest `time` */
  | 'LATEST'
  /** The highest value of `valueProperty` */
  | 'MAX'
  /** The sum of `valueProperty` */
  | 'SUM'
  /** The number of distinct values of `valueProperty` */
  | 'UNIQUE';

/** What an API key may do; a key has one or more scopes */
export type ApiKeyScope =
  /** Everything in the graph: as TENANT_ADMIN, or PLATFORM_ADMIN for a platform key */
  | 'ADMIN'
  /** Send usage, and look up events over HTTP */
  | 'INGEST'
  /** Ask for quota: `consume`, `check`, `release`, `batch` */
  | 'QUOTA'
  /** Read in the graph, as TENANT_VIEWER, and look up events over HTTP */
  | 'READ';

/** How far a period is on its way to an invoice */
export type BillingPeriodStatus =
  /** It is closed permanently: later changes become adjustments */
  | 'CLOSED'
  /** It waits for its invoice */
  | 'CLOSING'
  /** It has ended, and waits for late events (`graceDays`) */
  | 'GRACE'
  /** It has not ended */
  | 'OPEN';

/** A meter: which events count, and how they become a quantity. A meter cannot be edited: create another one, and archive this one */
export type CreateMeterInput = {
  /** How events become a quantity */
  readonly aggregation: Aggregation;
  /** Also count events that were recorded as unmetered, in periods that are not yet closed */
  readonly backfill?: boolean | null | undefined;
  /** Top-level properties of `data` by which totals can be grouped and prices chosen; at most 10 */
  readonly dimensions?: ReadonlyArray<string> | null | undefined;
  /** The `type` of the events that it counts, exactly. At most 256 bytes; types that start with `metrly.` are reserved */
  readonly eventType: string;
  /** The meter's id in events' totals, plans and limits: 1 to 64 letters, digits, `_`, `-` or `.`. It stays taken after the meter is archived. The same input again returns the existing meter; another one is a CONFLICT */
  readonly key: string;
  /** Its name for people, on invoices too */
  readonly name: string;
  /** One unit of the quantity in words, for invoices, e.g. `token`; at most 32 characters */
  readonly unit?: string | null | undefined;
  /** The top-level property of an event's `data` that it reads. Required except for COUNT, which has none */
  readonly valueProperty?: string | null | undefined;
};

/** A plan with its version 1 */
export type CreatePlanInput = {
  /** 1 to 64 letters, digits, `_`, `-` or `.`; default: generated. The same input again returns the existing plan; another one is a CONFLICT */
  readonly id?: string | null | undefined;
  /** Its name for people; at most 200 characters */
  readonly name: string;
  /** The terms of version 1 */
  readonly version: PlanVersionInput;
};

/** A tenant. With `testClock` it is a test tenant: the accepted times of its events, its periods and its quota windows follow that clock */
export type CreateTenantInput = {
  /** Day of the month, 1 to 28, on which its billing periods start, 00:00 UTC. It cannot be changed later */
  readonly billingAnchorDay?: number | null | undefined;
  /** The buyer on its invoices; default: the tenant's name, without an address */
  readonly buyer?: InvoicePartyInput | null | undefined;
  /** Days after the end of a period in which late events still count in it, 0 to 28; then it closes */
  readonly graceDays?: number | null | undefined;
  /** 1 to 64 letters, digits, `_`, `-` or `.`; default: generated. The same input again returns the existing tenant; another one is a CONFLICT */
  readonly id?: string | null | undefined;
  /** Its name for people; at most 200 characters */
  readonly name: string;
  /** Its first plan, in the newest version, from its first billing period on; default: none, so that usage is recorded and not charged */
  readonly planId?: string | null | undefined;
  /** A time in its first billing period; usage from before that period is refused. Default: now; at most 35 days back or 366 days ahead */
  readonly startsAt?: string | null | undefined;
  /** The time at which its clock stands, in the years 2000 to 2099; only `advanceTestClock` moves it. Default: a real tenant */
  readonly testClock?: string | null | undefined;
  /** A name of the IANA time zone database, e.g. `Europe/Berlin`: calendar windows of limits follow it. It cannot be changed later */
  readonly timeZone?: string | null | undefined;
};

/** Give either `tenantId` or `platform: true`. An endpoint of the platform receives `usage.unmetered`, `usage.unpriced` and its `eventTypes`, of all tenants */
export type CreateWebhookEndpointInput = {
  /** quota.warning, quota.exceeded, billing.period.closed, invoice.generated, credits.granted, credits.voided, webhook.endpoint.disabled; each once. Empty only for an operators' endpoint */
  readonly eventTypes: ReadonlyArray<string>;
  /** Whether it is an operators' endpoint, for all tenants; only for PLATFORM_ADMIN */
  readonly platform?: boolean | null | undefined;
  /** The tenant whose events it gets */
  readonly tenantId?: string | null | undefined;
  /** `https://…`, `mailto:…` or `slack+https://…`; `http` only where private targets are allowed */
  readonly url: string;
};

/** A value of one of the meter's dimensions */
export type DimensionMatchInput = {
  /** The dimension's name, as in the meter's `dimensions` */
  readonly dimension: string;
  /** The value, compared exactly; at most 128 bytes */
  readonly value: string;
};

/** Prepaid credits for a tenant, in its currency */
export type GrantCreditsInput = {
  /** Above 0, with at most the currency's minor digits */
  readonly amount: string;
  /** Usage from then on draws nothing from it; default: it does not expire */
  readonly expiresAt?: string | null | undefined;
  /** Makes a repeat safe: another grant with this id is a CONFLICT; default: generated */
  readonly id?: string | null | undefined;
  /** Grants with a lower one are drawn first */
  readonly priority?: number | null | undefined;
  /** Why, for the audit log and the tenant; at most 1,000 characters */
  readonly reason: string;
  /** The tenant's id */
  readonly tenantId: string;
};

/** What a line charges */
export type InvoiceLineKind =
  /** The difference that late usage or a void makes to a closed period */
  | 'ADJUSTMENT'
  /** What a grant of prepaid credits pays of the usage lines */
  | 'CREDIT'
  /** What usage lacks to the minimum commit */
  | 'MINIMUM_COMMIT'
  /** The recurring fee */
  | 'RECURRING'
  /** Usage of a meter, by one price */
  | 'USAGE';

/** A name and address on invoices */
export type InvoicePartyInput = {
  /** At most 8 of 100 characters, e.g. street, town, country, tax number */
  readonly addressLines?: ReadonlyArray<string> | null | undefined;
  /** Default: the tenant's name, also after it changes */
  readonly name?: string | null | undefined;
};

/** The status of an invoice */
export type InvoiceStatus =
  /** Issued; it never changes */
  | 'CLOSED';

/** Give either `tenantId` or `platform: true`. Keys of tenants with a test clock start with `mtr_test_`, all others with `mtr_live_` */
export type IssueApiKeyInput = {
  /** From when on it is refused; default: never. A key that expires issues only keys that do not outlive it */
  readonly expiresAt?: string | null | undefined;
  /** Its name for people; at most 200 characters */
  readonly name: string;
  /** Whether the key reaches all tenants; only platform admins issue such keys */
  readonly platform?: boolean | null | undefined;
  /** What it may do, each once. A key grants only scopes that it has itself */
  readonly scopes: ReadonlyArray<ApiKeyScope>;
  /** The only tenant that the key reaches */
  readonly tenantId?: string | null | undefined;
};

/** What happens at a limit */
export type LimitKind =
  /** `consume` denies what goes beyond the limit */
  | 'HARD'
  /** Only warns; `consume` allows */
  | 'SOFT';

/** What a limit counts */
export type LimitUnit =
  /** What all usage of the billing period costs, in the plan's currency */
  | 'MONEY'
  /** The quantity of a meter, or the number of requests */
  | 'QUANTITY';

/** The terms of one version of a plan: at most 100 prices and 20 limits. A published version never changes */
export type PlanVersionInput = {
  /** ISO 4217 code in capitals, e.g. EUR. A tenant stays with the currency of its first plan */
  readonly currency: string;
  /** The limits on usage and requests */
  readonly limits?: ReadonlyArray<QuotaLimitInput> | null | undefined;
  /** What the usage lines of a period cost at least together, in the plan's currency; a line of its own adds the rest */
  readonly minimumCommit?: string | null | undefined;
  /** The prices of usage. Usage that none of them claims is not charged */
  readonly prices: ReadonlyArray<PriceInput>;
  /** Whether every tenant may see this version; otherwise only tenants that have or had it may */
  readonly public?: boolean | null | undefined;
  /** Charged per billing period, whatever the usage, in the plan's currency */
  readonly recurringFee?: string | null | undefined;
  /** How the recurring fee of a partial first or last period is charged */
  readonly recurringFeeProration?: Proration | null | undefined;
};

/** Computed in this order: quantity / `divideBy` (rounded up if `roundUp`), minus `included`, priced by `model`, minus `discountPercent`, raised to `minimumAmount`, capped at `maximumAmount`, rounded once */
export type PriceInput = {
  /** Whether it claims the usage of the meter that no other price of the plan claims; excludes `where` */
  readonly catchAll?: boolean | null | undefined;
  /** Per cent taken off the amount, from 0 to 100, before minimum and maximum */
  readonly discountPercent?: string | null | undefined;
  /** Divides the quantity first, e.g. 1000000 for a price per million */
  readonly divideBy?: string | null | undefined;
  /** Quantity that costs nothing, after `divideBy` and `roundUp` */
  readonly included?: string | null | undefined;
  /** What the line costs at most, in the plan's currency */
  readonly maximumAmount?: string | null | undefined;
  /** The key of the meter whose usage it charges */
  readonly meter: string;
  /** What the line costs at least, in the plan's currency */
  readonly minimumAmount?: string | null | undefined;
  /** How the quantity becomes an amount */
  readonly model: PriceModel;
  /** Units per package; only for PACKAGE */
  readonly packageSize?: string | null | undefined;
  /** Per cent of the quantity; only for PERCENTAGE */
  readonly ratePercent?: string | null | undefined;
  /** Whether the divided quantity is rounded up to a whole number */
  readonly roundUp?: boolean | null | undefined;
  /** Only for GRADUATED and VOLUME; at most 50 */
  readonly tiers?: ReadonlyArray<PriceTierInput> | null | undefined;
  /** In the plan's currency: per unit (PER_UNIT), per package (PACKAGE), or once (FLAT) */
  readonly unitAmount?: string | null | undefined;
  /** Dimension values that usage must have, all of them, for this price to claim it; empty: any usage of the meter. Two prices that could claim the same usage are refused */
  readonly where?: ReadonlyArray<DimensionMatchInput> | null | undefined;
};

/** How a quantity becomes an amount */
export type PriceModel =
  /** `unitAmount` once, whatever the usage */
  | 'FLAT'
  /** Each tier prices the units in it */
  | 'GRADUATED'
  /** `unitAmount` for each package of `packageSize` begun */
  | 'PACKAGE'
  /** `ratePercent` of the quantity */
  | 'PERCENTAGE'
  /** `unitAmount` per unit */
  | 'PER_UNIT'
  /** The tier that the quantity falls into prices all units */
  | 'VOLUME';

/** A tier of a GRADUATED or VOLUME price. Tiers are given in ascending order; the last one has no end */
export type PriceTierInput = {
  /** Charged once if the tier is reached, in the plan's currency */
  readonly flatAmount?: string | null | undefined;
  /** Price per unit, in the plan's currency */
  readonly unitAmount: string;
  /** The last quantity in the tier; null only in the last tier */
  readonly upTo?: string | null | undefined;
};

/** How the recurring fee of a partial first or last period is charged */
export type Proration =
  /** By the day (UTC), including each day begun */
  | 'DAILY'
  /** In full */
  | 'NONE';

/** What an alert reports */
export type QuotaAlertKind =
  /** Usage has reached the limit */
  | 'EXCEEDED'
  /** Usage has crossed a threshold of the limit */
  | 'WARNING';

/** A limit of a plan; at most one per meter, window, `by` and `where` */
export type QuotaLimitInput = {
  /** Dimensions of the meter: each combination of their values has a counter of its own; at most 10. Of requests, which then need a window of SECOND or MINUTE, any dimensions that clients send */
  readonly by?: ReadonlyArray<string> | null | undefined;
  /** Whether it denies or only warns */
  readonly kind: LimitKind;
  /** The largest quantity, or amount of money, within the window; 0 with HARD denies everything */
  readonly limit: string;
  /** The key of a COUNT or SUM meter; null: the limit counts requests, or money */
  readonly meter?: string | null | undefined;
  /** MONEY: the limit is on what all usage of the billing period costs in the plan's currency, rounded as on its invoice, without fee and minimum commitment. It needs the window BILLING_PERIOD and prices on COUNT and SUM meters, and has no `meter`, `by` or `where` */
  readonly unit?: LimitUnit | null | undefined;
  /** Fractions of the limit, ascending, from above 0 to 1, at which a `quota.warning` is sent; at most 10 */
  readonly warnAt?: ReadonlyArray<string> | null | undefined;
  /** Amounts above 0, ascending, at which a `quota.warning` is sent; at most 10 */
  readonly warnAtAmounts?: ReadonlyArray<string> | null | undefined;
  /** An amount at each multiple of which a `quota.warning` is sent: of those that one event passes, the highest. At least a thousandth of the limit; default: none */
  readonly warnEvery?: string | null | undefined;
  /** Dimension values that usage must have, all of them, to count; at most 10, none of a dimension in `by` */
  readonly where?: ReadonlyArray<DimensionMatchInput> | null | undefined;
  /** The time over which it counts */
  readonly window: QuotaWindow;
};

/** How near a limit is */
export type QuotaState =
  /** SOFT, and its counters were lost or do not answer: requests are allowed */
  | 'DEGRADED'
  /** Usage and reservations have reached the limit */
  | 'EXCEEDED'
  /** Below every threshold that warns */
  | 'OK'
  /** HARD, and its counters were lost or do not answer: requests may be denied until they are rebuilt */
  | 'REBUILDING'
  /** Usage and reservations have reached a threshold that warns */
  | 'WARNING';

/** The time over which a limit counts */
export type QuotaWindow =
  /** The tenant's current billing period */
  | 'BILLING_PERIOD'
  /** The current day in the tenant's time zone */
  | 'CALENDAR_DAY'
  /** The current month in the tenant's time zone, from its first day */
  | 'CALENDAR_MONTH'
  /** The current week in the tenant's time zone, from Monday */
  | 'CALENDAR_WEEK'
  /** The last 24 hours */
  | 'DAY'
  /** The last 60 minutes */
  | 'HOUR'
  /** The last 60 seconds */
  | 'MINUTE'
  /** The last second */
  | 'SECOND';

/** Whether a tenant is served */
export type TenantStatus =
  /** Served */
  | 'ACTIVE'
  /** Ended permanently: `consume` denies, and usage from after the closing is refused */
  | 'CLOSED'
  /** `consume` denies; usage is recorded and charged */
  | 'SUSPENDED';

/** Whether all services have followed a test clock */
export type TestClockStatus =
  /** Not yet: ask again */
  | 'ADVANCING'
  /** They have: quotas, periods and invoices are those of its time */
  | 'READY';

/** What became of an event */
export type UsageEventStatus =
  /** Not counted: it waits for `resolveQuarantined` */
  | 'QUARANTINED'
  /** In the ledger, and counted */
  | 'RECORDED'
  /** Not counted, permanently: `resolveQuarantined` refused it */
  | 'REFUSED'
  /** In the ledger; no meter counted its type when it was recorded */
  | 'UNMETERED'
  /** In the ledger, and no longer counted (`voidEvent`) */
  | 'VOIDED';

/** What became of a delivery */
export type WebhookDeliveryStatus =
  /** A dead letter: it is not tried again, unless it is replayed */
  | 'DEAD'
  /** The receiver has accepted it */
  | 'DELIVERED'
  /** It waits for its next attempt */
  | 'PENDING';

/** Whether events are sent to an endpoint */
export type WebhookEndpointStatus =
  /** They are not: it was disabled by hand, or because its deliveries kept failing (`disabledReason`) */
  | 'DISABLED'
  /** They are */
  | 'ENABLED';

export type EndToEndTotalQueryVariables = Exact<{
  tenantId: string;
}>;


export type EndToEndTotalQuery = { readonly tenant: { readonly usageTotals: ReadonlyArray<{ readonly quantity: string }> } | null };

export type KillsGraphQueryVariables = Exact<{ [key: string]: never; }>;


export type KillsGraphQuery = { readonly meters: ReadonlyArray<{ readonly key: string }>, readonly tenant: { readonly alerts: { readonly nodes: ReadonlyArray<{ readonly id: string }> } } | null };

export type SoakGraphQueryVariables = Exact<{ [key: string]: never; }>;


export type SoakGraphQuery = { readonly tenant: { readonly usageTotals: ReadonlyArray<{ readonly meter: string, readonly quantity: string }>, readonly quotas: ReadonlyArray<{ readonly used: string, readonly remaining: string }> } | null };

export type SdkLastUseQueryVariables = Exact<{
  id: string;
}>;


export type SdkLastUseQuery = { readonly tenant: { readonly apiKeys: ReadonlyArray<{ readonly lastUsedAt: string | null }> } | null };

export type WebhooksCreateMutationVariables = Exact<{
  input: CreateWebhookEndpointInput;
}>;


export type WebhooksCreateMutation = { readonly createWebhookEndpoint: { readonly endpoint: { readonly id: string } } };

export type WebhooksTestMutationVariables = Exact<{
  id: string;
}>;


export type WebhooksTestMutation = { readonly sendTestWebhook: { readonly id: string } };

export type WebhooksEnableMutationVariables = Exact<{
  id: string;
}>;


export type WebhooksEnableMutation = { readonly updateWebhookEndpoint: { readonly id: string } };

export type WebhooksEndpointsQueryVariables = Exact<{
  id: string;
}>;


export type WebhooksEndpointsQuery = { readonly tenant: { readonly webhookEndpoints: ReadonlyArray<{ readonly id: string, readonly url: string }> } | null };

export type ReceiverDeliveriesQueryVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type ReceiverDeliveriesQuery = { readonly tenant: { readonly alerts: { readonly nodes: ReadonlyArray<{ readonly id: string }> }, readonly invoices: { readonly nodes: ReadonlyArray<{ readonly id: string }> }, readonly webhookEndpoints: ReadonlyArray<{ readonly deliveries: { readonly nodes: ReadonlyArray<{ readonly eventId: string, readonly eventType: string, readonly status: WebhookDeliveryStatus }>, readonly pageInfo: { readonly hasNextPage: boolean } } }> } | null };

export type DemoShowsQueryVariables = Exact<{ [key: string]: never; }>;


export type DemoShowsQuery = { readonly acme: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly state: QuotaState, readonly limit: { readonly kind: LimitKind, readonly limit: string } }>, readonly alerts: { readonly nodes: ReadonlyArray<{ readonly id: string }> }, readonly webhookEndpoints: ReadonlyArray<{ readonly deliveries: { readonly nodes: ReadonlyArray<{ readonly status: WebhookDeliveryStatus, readonly attempts: ReadonlyArray<{ readonly at: string }> }> } }> } | null, readonly globex: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly state: QuotaState, readonly limit: { readonly kind: LimitKind, readonly limit: string } }>, readonly alerts: { readonly nodes: ReadonlyArray<{ readonly id: string }> }, readonly webhookEndpoints: ReadonlyArray<{ readonly deliveries: { readonly nodes: ReadonlyArray<{ readonly status: WebhookDeliveryStatus, readonly attempts: ReadonlyArray<{ readonly at: string }> }> } }> } | null, readonly initech: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly state: QuotaState, readonly limit: { readonly kind: LimitKind, readonly limit: string } }>, readonly alerts: { readonly nodes: ReadonlyArray<{ readonly id: string }> }, readonly webhookEndpoints: ReadonlyArray<{ readonly deliveries: { readonly nodes: ReadonlyArray<{ readonly status: WebhookDeliveryStatus, readonly attempts: ReadonlyArray<{ readonly at: string }> }> } }> } | null };

export type ShownFragment = { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly state: QuotaState, readonly limit: { readonly kind: LimitKind, readonly limit: string } }>, readonly alerts: { readonly nodes: ReadonlyArray<{ readonly id: string }> }, readonly webhookEndpoints: ReadonlyArray<{ readonly deliveries: { readonly nodes: ReadonlyArray<{ readonly status: WebhookDeliveryStatus, readonly attempts: ReadonlyArray<{ readonly at: string }> }> } }> };

export type PolicyAuditQueryVariables = Exact<{
  after?: string | null | undefined;
}>;


export type PolicyAuditQuery = { readonly auditLog: { readonly nodes: ReadonlyArray<{ readonly action: string, readonly actor: string, readonly target: string }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type PolicyEventQueryVariables = Exact<{
  t: string;
  s: string;
  i: string;
}>;


export type PolicyEventQuery = { readonly event: { readonly status: UsageEventStatus } | null, readonly quarantinedEvents: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly status: UsageEventStatus }> } };

export type ArchivePolicyMeterMutationVariables = Exact<{
  key: string;
}>;


export type ArchivePolicyMeterMutation = { readonly archiveMeter: { readonly key: string } };

export type PolicyTestDeliveryMutationVariables = Exact<{
  endpointId: string;
}>;


export type PolicyTestDeliveryMutation = { readonly sendTestWebhook: { readonly id: string } };

export type PolicyGrantMutationVariables = Exact<{
  input: GrantCreditsInput;
}>;


export type PolicyGrantMutation = { readonly grantCredits: { readonly id: string } };

export type BackfillUnmeteredQueryVariables = Exact<{
  tenantId: string;
}>;


export type BackfillUnmeteredQuery = { readonly unmeteredTypes: ReadonlyArray<{ readonly eventType: string, readonly count: number }> };

export type TestClockAdvanceMutationVariables = Exact<{
  tenantId: string;
  to: string;
}>;


export type TestClockAdvanceMutation = { readonly advanceTestClock: { readonly testClock: string | null, readonly testClockStatus: TestClockStatus | null } };

export type TestClockClockQueryVariables = Exact<{
  tenantId: string;
}>;


export type TestClockClockQuery = { readonly tenant: { readonly testClock: string | null, readonly testClockStatus: TestClockStatus | null } | null };

export type TestClockInvoicesQueryVariables = Exact<{
  tenantId: string;
}>;


export type TestClockInvoicesQuery = { readonly tenant: { readonly invoices: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly total: { readonly amount: string }, readonly period: { readonly start: string }, readonly lines: ReadonlyArray<{ readonly kind: InvoiceLineKind, readonly quantity: string, readonly amount: { readonly amount: string } }> }> } } | null };

export type TestClockQuotaQueryVariables = Exact<{
  tenantId: string;
}>;


export type TestClockQuotaQuery = { readonly tenant: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly windowStart: string, readonly resetAt: string }> } | null };

export type WorldCreateMeterMutationVariables = Exact<{
  input: CreateMeterInput;
}>;


export type WorldCreateMeterMutation = { readonly createMeter: { readonly key: string } };

export type WorldCreatePlanMutationVariables = Exact<{
  input: CreatePlanInput;
}>;


export type WorldCreatePlanMutation = { readonly createPlan: { readonly id: string, readonly latest: { readonly version: number } | null } };

export type WorldCreateTenantMutationVariables = Exact<{
  input: CreateTenantInput;
}>;


export type WorldCreateTenantMutation = { readonly createTenant: { readonly id: string, readonly status: TenantStatus, readonly plan: { readonly version: number } | null } };

export type WorldIssueKeyMutationVariables = Exact<{
  input: IssueApiKeyInput;
}>;


export type WorldIssueKeyMutation = { readonly issueApiKey: { readonly secret: string, readonly apiKey: { readonly id: string, readonly prefix: string, readonly scopes: ReadonlyArray<ApiKeyScope> } } };

export type WorldClosePeriodMutationVariables = Exact<{
  tenantId: string;
  periodStart: string;
}>;


export type WorldClosePeriodMutation = { readonly closeBillingPeriod: { readonly start: string, readonly end: string, readonly status: BillingPeriodStatus } };

export type WorldAccountingQueryVariables = Exact<{
  tenantId: string;
}>;


export type WorldAccountingQuery = { readonly tenant: { readonly accounting: { readonly accepted: number, readonly counted: number, readonly duplicates: number, readonly unmetered: number, readonly quarantined: number, readonly inFlight: number } } | null };

export type WorldUsageQueryVariables = Exact<{
  tenantId: string;
  periodStart?: string | null | undefined;
}>;


export type WorldUsageQuery = { readonly tenant: { readonly usageTotals: ReadonlyArray<{ readonly meter: string, readonly quantity: string, readonly eventCount: number }> } | null };

export type WorldInvoicesQueryVariables = Exact<{
  tenantId: string;
}>;


export type WorldInvoicesQuery = { readonly tenant: { readonly invoices: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly number: string, readonly status: InvoiceStatus, readonly currency: string, readonly sha256: string, readonly document: string, readonly total: { readonly amount: string, readonly currency: string }, readonly period: { readonly start: string, readonly end: string, readonly status: BillingPeriodStatus }, readonly lines: ReadonlyArray<{ readonly kind: InvoiceLineKind, readonly meter: string | null, readonly quantity: string, readonly amount: { readonly amount: string }, readonly arithmetic: ReadonlyArray<{ readonly quantity: string, readonly unitAmount: string, readonly flatAmount: string, readonly amount: string }>, readonly plan: { readonly version: number, readonly plan: { readonly id: string } } }> }> } } | null };

export type WorldVerifyQueryVariables = Exact<{
  id: string;
}>;


export type WorldVerifyQuery = { readonly verifyInvoice: { readonly matches: boolean, readonly checkedEvents: number, readonly differences: ReadonlyArray<string> } };

export type WorldUpcomingQueryVariables = Exact<{
  tenantId: string;
}>;


export type WorldUpcomingQuery = { readonly tenant: { readonly upcomingInvoice: { readonly total: { readonly amount: string }, readonly lines: ReadonlyArray<{ readonly kind: InvoiceLineKind, readonly meter: string | null, readonly quantity: string, readonly amount: { readonly amount: string }, readonly adjusts: { readonly periodStart: string, readonly quantityBefore: string, readonly quantityAfter: string, readonly invoice: { readonly id: string } } | null }> } | null } | null };

export type WorldQuotasQueryVariables = Exact<{
  tenantId: string;
}>;


export type WorldQuotasQuery = { readonly tenant: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly remaining: string, readonly state: QuotaState, readonly limit: { readonly meter: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> } | null };

export type WorldChangePlanMutationVariables = Exact<{
  tenantId: string;
  planId: string;
}>;


export type WorldChangePlanMutation = { readonly changePlan: { readonly effectiveFrom: string, readonly plan: { readonly plan: { readonly id: string } } } };

export type WorldTenantPlanQueryVariables = Exact<{
  tenantId: string;
}>;


export type WorldTenantPlanQuery = { readonly tenant: { readonly plan: { readonly plan: { readonly id: string } } | null, readonly assignments: ReadonlyArray<{ readonly effectiveFrom: string, readonly effectiveTo: string | null, readonly plan: { readonly plan: { readonly id: string } } }> } | null };

export type WorldCreateEndpointMutationVariables = Exact<{
  input: CreateWebhookEndpointInput;
}>;


export type WorldCreateEndpointMutation = { readonly createWebhookEndpoint: { readonly secret: string, readonly endpoint: { readonly id: string, readonly status: WebhookEndpointStatus } } };

export type WorldLastAlertQueryVariables = Exact<{
  tenantId: string;
}>;


export type WorldLastAlertQuery = { readonly tenant: { readonly alerts: { readonly pageInfo: { readonly endCursor: string | null } } } | null };

export type WorldAlertsSubscriptionVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type WorldAlertsSubscription = { readonly quotaAlerts: { readonly id: string, readonly cursor: string, readonly tenantId: string, readonly kind: QuotaAlertKind, readonly meter: string | null, readonly window: QuotaWindow, readonly threshold: string, readonly limit: string, readonly used: string, readonly tenant: { readonly name: string } } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const ShownFragmentDoc = new TypedDocumentString(`
    fragment Shown on Tenant {
  quotas {
    limit {
      kind
      limit
    }
    used
    reserved
    state
  }
  alerts(first: 5) {
    nodes {
      id
    }
  }
  webhookEndpoints {
    deliveries(first: 20) {
      nodes {
        status
        attempts {
          at
        }
      }
    }
  }
}
    `, {"fragmentName":"Shown"}) as unknown as TypedDocumentString<ShownFragment, unknown>;
export const EndToEndTotalDocument = new TypedDocumentString(`
    query EndToEndTotal($tenantId: ID!) {
  tenant(id: $tenantId) {
    usageTotals(meter: "probes") {
      quantity
    }
  }
}
    `) as unknown as TypedDocumentString<EndToEndTotalQuery, EndToEndTotalQueryVariables>;
export const KillsGraphDocument = new TypedDocumentString(`
    query KillsGraph {
  meters {
    key
  }
  tenant(id: "tenant-0") {
    alerts(first: 1) {
      nodes {
        id
      }
    }
  }
}
    `) as unknown as TypedDocumentString<KillsGraphQuery, KillsGraphQueryVariables>;
export const SoakGraphDocument = new TypedDocumentString(`
    query SoakGraph {
  tenant(id: "tenant-0") {
    usageTotals {
      meter
      quantity
    }
    quotas {
      used
      remaining
    }
  }
}
    `) as unknown as TypedDocumentString<SoakGraphQuery, SoakGraphQueryVariables>;
export const SdkLastUseDocument = new TypedDocumentString(`
    query SdkLastUse($id: ID!) {
  tenant(id: $id) {
    apiKeys {
      lastUsedAt
    }
  }
}
    `) as unknown as TypedDocumentString<SdkLastUseQuery, SdkLastUseQueryVariables>;
export const WebhooksCreateDocument = new TypedDocumentString(`
    mutation WebhooksCreate($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) {
    endpoint {
      id
    }
  }
}
    `) as unknown as TypedDocumentString<WebhooksCreateMutation, WebhooksCreateMutationVariables>;
export const WebhooksTestDocument = new TypedDocumentString(`
    mutation WebhooksTest($id: ID!) {
  sendTestWebhook(endpointId: $id) {
    id
  }
}
    `) as unknown as TypedDocumentString<WebhooksTestMutation, WebhooksTestMutationVariables>;
export const WebhooksEnableDocument = new TypedDocumentString(`
    mutation WebhooksEnable($id: ID!) {
  updateWebhookEndpoint(id: $id, input: {status: ENABLED}) {
    id
  }
}
    `) as unknown as TypedDocumentString<WebhooksEnableMutation, WebhooksEnableMutationVariables>;
export const WebhooksEndpointsDocument = new TypedDocumentString(`
    query WebhooksEndpoints($id: ID!) {
  tenant(id: $id) {
    webhookEndpoints {
      id
      url
    }
  }
}
    `) as unknown as TypedDocumentString<WebhooksEndpointsQuery, WebhooksEndpointsQueryVariables>;
export const ReceiverDeliveriesDocument = new TypedDocumentString(`
    query ReceiverDeliveries($tenantId: ID!, $after: Cursor) {
  tenant(id: $tenantId) {
    alerts(first: 200) {
      nodes {
        id
      }
    }
    invoices(first: 200) {
      nodes {
        id
      }
    }
    webhookEndpoints {
      deliveries(first: 200, after: $after) {
        nodes {
          eventId
          eventType
          status
        }
        pageInfo {
          hasNextPage
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<ReceiverDeliveriesQuery, ReceiverDeliveriesQueryVariables>;
export const DemoShowsDocument = new TypedDocumentString(`
    query DemoShows {
  acme: tenant(id: "acme") {
    ...Shown
  }
  globex: tenant(id: "globex") {
    ...Shown
  }
  initech: tenant(id: "initech") {
    ...Shown
  }
}
    fragment Shown on Tenant {
  quotas {
    limit {
      kind
      limit
    }
    used
    reserved
    state
  }
  alerts(first: 5) {
    nodes {
      id
    }
  }
  webhookEndpoints {
    deliveries(first: 20) {
      nodes {
        status
        attempts {
          at
        }
      }
    }
  }
}`) as unknown as TypedDocumentString<DemoShowsQuery, DemoShowsQueryVariables>;
export const PolicyAuditDocument = new TypedDocumentString(`
    query PolicyAudit($after: Cursor) {
  auditLog(first: 200, after: $after) {
    nodes {
      action
      actor
      target
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `) as unknown as TypedDocumentString<PolicyAuditQuery, PolicyAuditQueryVariables>;
export const PolicyEventDocument = new TypedDocumentString(`
    query PolicyEvent($t: ID!, $s: String!, $i: String!) {
  event(tenantId: $t, source: $s, id: $i) {
    status
  }
  quarantinedEvents(tenantId: $t, first: 200) {
    nodes {
      id
      status
    }
  }
}
    `) as unknown as TypedDocumentString<PolicyEventQuery, PolicyEventQueryVariables>;
export const ArchivePolicyMeterDocument = new TypedDocumentString(`
    mutation ArchivePolicyMeter($key: String!) {
  archiveMeter(key: $key) {
    key
  }
}
    `) as unknown as TypedDocumentString<ArchivePolicyMeterMutation, ArchivePolicyMeterMutationVariables>;
export const PolicyTestDeliveryDocument = new TypedDocumentString(`
    mutation PolicyTestDelivery($endpointId: ID!) {
  sendTestWebhook(endpointId: $endpointId) {
    id
  }
}
    `) as unknown as TypedDocumentString<PolicyTestDeliveryMutation, PolicyTestDeliveryMutationVariables>;
export const PolicyGrantDocument = new TypedDocumentString(`
    mutation PolicyGrant($input: GrantCreditsInput!) {
  grantCredits(input: $input) {
    id
  }
}
    `) as unknown as TypedDocumentString<PolicyGrantMutation, PolicyGrantMutationVariables>;
export const BackfillUnmeteredDocument = new TypedDocumentString(`
    query BackfillUnmetered($tenantId: ID!) {
  unmeteredTypes(tenantId: $tenantId) {
    eventType
    count
  }
}
    `) as unknown as TypedDocumentString<BackfillUnmeteredQuery, BackfillUnmeteredQueryVariables>;
export const TestClockAdvanceDocument = new TypedDocumentString(`
    mutation TestClockAdvance($tenantId: ID!, $to: DateTime!) {
  advanceTestClock(tenantId: $tenantId, to: $to) {
    testClock
    testClockStatus
  }
}
    `) as unknown as TypedDocumentString<TestClockAdvanceMutation, TestClockAdvanceMutationVariables>;
export const TestClockClockDocument = new TypedDocumentString(`
    query TestClockClock($tenantId: ID!) {
  tenant(id: $tenantId) {
    testClock
    testClockStatus
  }
}
    `) as unknown as TypedDocumentString<TestClockClockQuery, TestClockClockQueryVariables>;
export const TestClockInvoicesDocument = new TypedDocumentString(`
    query TestClockInvoices($tenantId: ID!) {
  tenant(id: $tenantId) {
    invoices(first: 50) {
      nodes {
        id
        total {
          amount
        }
        period {
          start
        }
        lines {
          kind
          quantity
          amount {
            amount
          }
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<TestClockInvoicesQuery, TestClockInvoicesQueryVariables>;
export const TestClockQuotaDocument = new TypedDocumentString(`
    query TestClockQuota($tenantId: ID!) {
  tenant(id: $tenantId) {
    quotas {
      used
      windowStart
      resetAt
    }
  }
}
    `) as unknown as TypedDocumentString<TestClockQuotaQuery, TestClockQuotaQueryVariables>;
export const WorldCreateMeterDocument = new TypedDocumentString(`
    mutation WorldCreateMeter($input: CreateMeterInput!) {
  createMeter(input: $input) {
    key
  }
}
    `) as unknown as TypedDocumentString<WorldCreateMeterMutation, WorldCreateMeterMutationVariables>;
export const WorldCreatePlanDocument = new TypedDocumentString(`
    mutation WorldCreatePlan($input: CreatePlanInput!) {
  createPlan(input: $input) {
    id
    latest {
      version
    }
  }
}
    `) as unknown as TypedDocumentString<WorldCreatePlanMutation, WorldCreatePlanMutationVariables>;
export const WorldCreateTenantDocument = new TypedDocumentString(`
    mutation WorldCreateTenant($input: CreateTenantInput!) {
  createTenant(input: $input) {
    id
    status
    plan {
      version
    }
  }
}
    `) as unknown as TypedDocumentString<WorldCreateTenantMutation, WorldCreateTenantMutationVariables>;
export const WorldIssueKeyDocument = new TypedDocumentString(`
    mutation WorldIssueKey($input: IssueApiKeyInput!) {
  issueApiKey(input: $input) {
    secret
    apiKey {
      id
      prefix
      scopes
    }
  }
}
    `) as unknown as TypedDocumentString<WorldIssueKeyMutation, WorldIssueKeyMutationVariables>;
export const WorldClosePeriodDocument = new TypedDocumentString(`
    mutation WorldClosePeriod($tenantId: ID!, $periodStart: DateTime!) {
  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) {
    start
    end
    status
  }
}
    `) as unknown as TypedDocumentString<WorldClosePeriodMutation, WorldClosePeriodMutationVariables>;
export const WorldAccountingDocument = new TypedDocumentString(`
    query WorldAccounting($tenantId: ID!) {
  tenant(id: $tenantId) {
    accounting {
      accepted
      counted
      duplicates
      unmetered
      quarantined
      inFlight
    }
  }
}
    `) as unknown as TypedDocumentString<WorldAccountingQuery, WorldAccountingQueryVariables>;
export const WorldUsageDocument = new TypedDocumentString(`
    query WorldUsage($tenantId: ID!, $periodStart: DateTime) {
  tenant(id: $tenantId) {
    usageTotals(periodStart: $periodStart) {
      meter
      quantity
      eventCount
    }
  }
}
    `) as unknown as TypedDocumentString<WorldUsageQuery, WorldUsageQueryVariables>;
export const WorldInvoicesDocument = new TypedDocumentString(`
    query WorldInvoices($tenantId: ID!) {
  tenant(id: $tenantId) {
    invoices {
      nodes {
        id
        number
        status
        currency
        sha256
        document
        total {
          amount
          currency
        }
        period {
          start
          end
          status
        }
        lines {
          kind
          meter
          quantity
          amount {
            amount
          }
          arithmetic {
            quantity
            unitAmount
            flatAmount
            amount
          }
          plan {
            version
            plan {
              id
            }
          }
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<WorldInvoicesQuery, WorldInvoicesQueryVariables>;
export const WorldVerifyDocument = new TypedDocumentString(`
    query WorldVerify($id: ID!) {
  verifyInvoice(id: $id) {
    matches
    checkedEvents
    differences
  }
}
    `) as unknown as TypedDocumentString<WorldVerifyQuery, WorldVerifyQueryVariables>;
export const WorldUpcomingDocument = new TypedDocumentString(`
    query WorldUpcoming($tenantId: ID!) {
  tenant(id: $tenantId) {
    upcomingInvoice {
      total {
        amount
      }
      lines {
        kind
        meter
        quantity
        amount {
          amount
        }
        adjusts {
          invoice {
            id
          }
          periodStart
          quantityBefore
          quantityAfter
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<WorldUpcomingQuery, WorldUpcomingQueryVariables>;
export const WorldQuotasDocument = new TypedDocumentString(`
    query WorldQuotas($tenantId: ID!) {
  tenant(id: $tenantId) {
    quotas {
      limit {
        meter
        window
        kind
        limit
      }
      used
      reserved
      remaining
      state
    }
  }
}
    `) as unknown as TypedDocumentString<WorldQuotasQuery, WorldQuotasQueryVariables>;
export const WorldChangePlanDocument = new TypedDocumentString(`
    mutation WorldChangePlan($tenantId: ID!, $planId: ID!) {
  changePlan(tenantId: $tenantId, planId: $planId) {
    effectiveFrom
    plan {
      plan {
        id
      }
    }
  }
}
    `) as unknown as TypedDocumentString<WorldChangePlanMutation, WorldChangePlanMutationVariables>;
export const WorldTenantPlanDocument = new TypedDocumentString(`
    query WorldTenantPlan($tenantId: ID!) {
  tenant(id: $tenantId) {
    plan {
      plan {
        id
      }
    }
    assignments {
      effectiveFrom
      effectiveTo
      plan {
        plan {
          id
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<WorldTenantPlanQuery, WorldTenantPlanQueryVariables>;
export const WorldCreateEndpointDocument = new TypedDocumentString(`
    mutation WorldCreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) {
    secret
    endpoint {
      id
      status
    }
  }
}
    `) as unknown as TypedDocumentString<WorldCreateEndpointMutation, WorldCreateEndpointMutationVariables>;
export const WorldLastAlertDocument = new TypedDocumentString(`
    query WorldLastAlert($tenantId: ID!) {
  tenant(id: $tenantId) {
    alerts(first: 200) {
      pageInfo {
        endCursor
      }
    }
  }
}
    `) as unknown as TypedDocumentString<WorldLastAlertQuery, WorldLastAlertQueryVariables>;
export const WorldAlertsDocument = new TypedDocumentString(`
    subscription WorldAlerts($tenantId: ID!, $after: Cursor) {
  quotaAlerts(tenantId: $tenantId, after: $after) {
    id
    cursor
    tenantId
    kind
    meter
    window
    threshold
    limit
    used
    tenant {
      name
    }
  }
}
    `) as unknown as TypedDocumentString<WorldAlertsSubscription, WorldAlertsSubscriptionVariables>;