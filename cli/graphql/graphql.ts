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

/** What became of a grant of credits */
export type CreditGrantStatus =
  /** Something is left of it */
  | 'ACTIVE'
  /** It has expired: usage from then on draws nothing from it */
  | 'EXPIRED'
  /** All of it is drawn */
  | 'USED_UP'
  /** What was left of it was taken back */
  | 'VOIDED';

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

/** The span of time of each total */
export type Granularity =
  /** A day (UTC) */
  | 'DAY'
  /** An hour (UTC) */
  | 'HOUR'
  /** A billing period */
  | 'PERIOD';

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

/** What a caller may do in the graph; each role includes those after it */
export type Role =
  /** Everything, for all tenants: create tenants, meters and plans, change plans, void events, close periods */
  | 'PLATFORM_ADMIN'
  /** Of its tenant: issue, rotate and revoke keys, manage webhook endpoints, read the audit log */
  | 'TENANT_ADMIN'
  /** Read only: usage, limits, invoices, alerts and events of its tenant (or of all tenants, if it is bound to none), meters and plans. No keys, endpoints or audit log, and no changes */
  | 'TENANT_VIEWER';

/** Whether a tenant is served */
export type TenantStatus =
  /** Served */
  | 'ACTIVE'
  /** Ended permanently: `consume` denies, and usage from after the closing is refused */
  | 'CLOSED'
  /** `consume` denies; usage is recorded and charged */
  | 'SUSPENDED';

/** How a threshold is meant */
export type ThresholdKind =
  /** As an amount */
  | 'AMOUNT'
  /** As a share of the limit */
  | 'SHARE';

/** What to change; an omitted field stays as it is */
export type UpdateWebhookEndpointInput = {
  /** Replaces all of its event types */
  readonly eventTypes?: ReadonlyArray<string> | null | undefined;
  /** ENABLED: send again, after it was disabled. DISABLED: send nothing */
  readonly status?: WebhookEndpointStatus | null | undefined;
  /** Its new address */
  readonly url?: string | null | undefined;
};

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

export type TenantIdsQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type TenantIdsQuery = { readonly tenants: { readonly nodes: ReadonlyArray<{ readonly id: string }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type ApiKeysQueryVariables = Exact<{
  tenantId: string;
}>;


export type ApiKeysQuery = { readonly tenant: { readonly apiKeys: ReadonlyArray<{ readonly id: string, readonly name: string, readonly prefix: string, readonly scopes: ReadonlyArray<ApiKeyScope>, readonly createdAt: string, readonly expiresAt: string | null, readonly lastUsedAt: string | null, readonly revokedAt: string | null }> } | null };

export type IssueApiKeyMutationVariables = Exact<{
  input: IssueApiKeyInput;
}>;


export type IssueApiKeyMutation = { readonly issueApiKey: { readonly secret: string, readonly apiKey: { readonly id: string, readonly name: string, readonly scopes: ReadonlyArray<ApiKeyScope>, readonly expiresAt: string | null } } };

export type RotateApiKeyMutationVariables = Exact<{
  id: string;
  graceSeconds: number;
}>;


export type RotateApiKeyMutation = { readonly rotateApiKey: { readonly secret: string, readonly apiKey: { readonly id: string, readonly name: string, readonly scopes: ReadonlyArray<ApiKeyScope>, readonly expiresAt: string | null } } };

export type RevokeApiKeyMutationVariables = Exact<{
  id: string;
}>;


export type RevokeApiKeyMutation = { readonly revokeApiKey: { readonly id: string, readonly revokedAt: string | null } };

export type DemoCreateMeterMutationVariables = Exact<{
  input: CreateMeterInput;
}>;


export type DemoCreateMeterMutation = { readonly createMeter: { readonly key: string } };

export type DemoCreatePlanMutationVariables = Exact<{
  input: CreatePlanInput;
}>;


export type DemoCreatePlanMutation = { readonly createPlan: { readonly id: string } };

export type DemoCreateTenantMutationVariables = Exact<{
  input: CreateTenantInput;
}>;


export type DemoCreateTenantMutation = { readonly createTenant: { readonly id: string } };

export type DemoIssueKeyMutationVariables = Exact<{
  input: IssueApiKeyInput;
}>;


export type DemoIssueKeyMutation = { readonly issueApiKey: { readonly secret: string } };

export type DemoClosePeriodMutationVariables = Exact<{
  tenantId: string;
  periodStart: string;
}>;


export type DemoClosePeriodMutation = { readonly closeBillingPeriod: { readonly status: BillingPeriodStatus } };

export type DemoGrantCreditsMutationVariables = Exact<{
  input: GrantCreditsInput;
}>;


export type DemoGrantCreditsMutation = { readonly grantCredits: { readonly id: string } };

export type DemoFirstPeriodsQueryVariables = Exact<{
  tenantId: string;
}>;


export type DemoFirstPeriodsQuery = { readonly tenant: { readonly billingPeriods: { readonly nodes: ReadonlyArray<{ readonly start: string, readonly end: string, readonly status: BillingPeriodStatus }> } } | null };

export type DemoCatalogQueryVariables = Exact<{ [key: string]: never; }>;


export type DemoCatalogQuery = { readonly meters: ReadonlyArray<{ readonly key: string }>, readonly plans: { readonly nodes: ReadonlyArray<{ readonly id: string }> } };

export type DemoTenantQueryVariables = Exact<{
  id: string;
}>;


export type DemoTenantQuery = { readonly tenant: { readonly id: string } | null };

export type DemoInvoicesQueryVariables = Exact<{
  tenantId: string;
}>;


export type DemoInvoicesQuery = { readonly tenant: { readonly invoices: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly number: string, readonly total: { readonly amount: string, readonly currency: string } }> } } | null };

export type DemoEndpointsQueryVariables = Exact<{
  tenantId: string;
}>;


export type DemoEndpointsQuery = { readonly tenant: { readonly webhookEndpoints: ReadonlyArray<{ readonly id: string, readonly url: string }> } | null };

export type DemoCreateEndpointMutationVariables = Exact<{
  input: CreateWebhookEndpointInput;
}>;


export type DemoCreateEndpointMutation = { readonly createWebhookEndpoint: { readonly endpoint: { readonly id: string } } };

export type DemoUpdateEndpointMutationVariables = Exact<{
  id: string;
  input: UpdateWebhookEndpointInput;
}>;


export type DemoUpdateEndpointMutation = { readonly updateWebhookEndpoint: { readonly id: string } };

export type DemoTestEndpointMutationVariables = Exact<{
  id: string;
}>;


export type DemoTestEndpointMutation = { readonly sendTestWebhook: { readonly id: string } };

export type DemoQuotasQueryVariables = Exact<{
  tenantId: string;
}>;


export type DemoQuotasQuery = { readonly tenant: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly limit: { readonly meter: string | null, readonly window: QuotaWindow } }> } | null };

export type WhoAsksQueryVariables = Exact<{ [key: string]: never; }>;


export type WhoAsksQuery = { readonly viewer: { readonly id: string, readonly roles: ReadonlyArray<Role> } };

export type UnbilledTenantsQueryVariables = Exact<{
  after?: string | null | undefined;
}>;


export type UnbilledTenantsQuery = { readonly tenants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly accounting: { readonly unmetered: number }, readonly upcomingInvoice: { readonly unpricedUsage: ReadonlyArray<{ readonly meter: string, readonly quantity: string, readonly dimensions: ReadonlyArray<{ readonly value: string }> }> } | null }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type UnmeteredOfQueryVariables = Exact<{
  tenantId: string;
}>;


export type UnmeteredOfQuery = { readonly unmeteredTypes: ReadonlyArray<{ readonly eventType: string, readonly count: number }> };

export type DenialQueryVariables = Exact<{
  tenantId: string;
  key: string;
}>;


export type DenialQuery = { readonly tenant: { readonly quotaDenial: { readonly at: string, readonly meter: string | null, readonly amount: string, readonly reason: string, readonly explanation: string, readonly retryAt: string | null, readonly usage: ReadonlyArray<{ readonly meter: string, readonly amount: string }>, readonly limits: ReadonlyArray<{ readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: string, readonly kind: string, readonly limit: string, readonly used: string, readonly reserved: string, readonly remaining: string, readonly resetAt: string, readonly denies: boolean, readonly dimensions: ReadonlyArray<{ readonly dimension: string, readonly value: string }>, readonly where: ReadonlyArray<{ readonly dimension: string, readonly value: string }> }> } | null } | null };

export type MetersQueryVariables = Exact<{ [key: string]: never; }>;


export type MetersQuery = { readonly meters: ReadonlyArray<{ readonly key: string, readonly name: string, readonly eventType: string, readonly aggregation: Aggregation, readonly valueProperty: string | null, readonly dimensions: ReadonlyArray<string>, readonly unit: string | null }> };

export type PlansQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type PlansQuery = { readonly plans: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly name: string, readonly archived: boolean, readonly latest: { readonly version: number, readonly currency: string, readonly recurringFee: string } | null }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type CreditsQueryVariables = Exact<{
  tenantId: string;
  asOf?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type CreditsQuery = { readonly tenant: { readonly credits: { readonly currency: string, readonly granted: string, readonly drawn: string, readonly expired: string, readonly voided: string, readonly available: string, readonly asOf: string, readonly grants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly amount: string, readonly drawn: string, readonly remaining: string, readonly priority: number, readonly status: CreditGrantStatus, readonly grantedAt: string, readonly expiresAt: string | null, readonly reason: string }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } } } | null };

export type GrantCreditsMutationVariables = Exact<{
  input: GrantCreditsInput;
}>;


export type GrantCreditsMutation = { readonly grantCredits: { readonly id: string, readonly tenantId: string, readonly amount: string, readonly currency: string, readonly drawn: string, readonly remaining: string, readonly priority: number, readonly status: CreditGrantStatus, readonly grantedAt: string, readonly expiresAt: string | null, readonly reason: string } };

export type VoidCreditsMutationVariables = Exact<{
  tenantId: string;
  grantId: string;
  reason: string;
}>;


export type VoidCreditsMutation = { readonly voidCredits: { readonly id: string, readonly tenantId: string, readonly amount: string, readonly currency: string, readonly drawn: string, readonly remaining: string, readonly status: CreditGrantStatus } };

export type EventQueryVariables = Exact<{
  tenantId: string;
  source: string;
  id: string;
}>;


export type EventQuery = { readonly event: { readonly id: string, readonly source: string, readonly type: string, readonly time: string, readonly receivedAt: string, readonly recordedAt: string | null, readonly status: UsageEventStatus, readonly seq: string | null, readonly duplicates: number, readonly quarantineReason: string | null, readonly voidReason: string | null, readonly data: unknown } | null, readonly tenant: { readonly id: string } | null };

export type InvoicesQueryVariables = Exact<{
  tenantId: string;
  first: number;
  after?: string | null | undefined;
}>;


export type InvoicesQuery = { readonly tenant: { readonly invoices: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly number: string, readonly status: InvoiceStatus, readonly period: { readonly start: string, readonly end: string }, readonly total: { readonly amount: string, readonly currency: string } }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } } | null };

export type QuotasQueryVariables = Exact<{
  tenantId: string;
  dimensions?: ReadonlyArray<DimensionMatchInput> | DimensionMatchInput | null | undefined;
}>;


export type QuotasQuery = { readonly tenant: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly remaining: string, readonly resetAt: string, readonly state: QuotaState, readonly limit: { readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string, readonly by: ReadonlyArray<string>, readonly where: ReadonlyArray<{ readonly dimension: string, readonly value: string }> }, readonly dimensions: ReadonlyArray<{ readonly dimension: string, readonly value: string }> }> } | null };

export type TenantsQueryVariables = Exact<{
  first: number;
  after?: string | null | undefined;
}>;


export type TenantsQuery = { readonly tenants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly name: string, readonly status: TenantStatus, readonly testClock: string | null, readonly plan: { readonly version: number, readonly plan: { readonly id: string } } | null }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type TenantQueryVariables = Exact<{
  id: string;
}>;


export type TenantQuery = { readonly tenant: { readonly id: string, readonly name: string, readonly status: TenantStatus, readonly currency: string | null, readonly billingAnchorDay: number, readonly graceDays: number, readonly startsAt: string, readonly createdAt: string, readonly timeZone: string, readonly testClock: string | null, readonly plan: { readonly version: number, readonly plan: { readonly id: string } } | null } | null };

export type CreateTenantMutationVariables = Exact<{
  input: CreateTenantInput;
}>;


export type CreateTenantMutation = { readonly createTenant: { readonly id: string } };

export type UsageQueryVariables = Exact<{
  tenantId: string;
  groupBy?: ReadonlyArray<string> | string | null | undefined;
  meter?: string | null | undefined;
  periodStart?: string | null | undefined;
}>;


export type UsageQuery = { readonly tenant: { readonly usageTotals: ReadonlyArray<{ readonly meter: string, readonly from: string, readonly to: string, readonly quantity: string, readonly eventCount: number, readonly lastEventAt: string | null, readonly dimensions: ReadonlyArray<{ readonly dimension: string, readonly value: string }> }>, readonly days: ReadonlyArray<{ readonly meter: string, readonly from: string, readonly quantity: string, readonly dimensions: ReadonlyArray<{ readonly dimension: string, readonly value: string }> }> } | null };

export type BucketsQueryVariables = Exact<{
  tenantId: string;
  groupBy?: ReadonlyArray<string> | string | null | undefined;
  meter?: string | null | undefined;
  periodStart?: string | null | undefined;
  granularity: Granularity;
}>;


export type BucketsQuery = { readonly tenant: { readonly usageTotals: ReadonlyArray<{ readonly meter: string, readonly from: string, readonly to: string, readonly quantity: string, readonly eventCount: number, readonly lastEventAt: string | null, readonly dimensions: ReadonlyArray<{ readonly dimension: string, readonly value: string }> }> } | null };

export type PeriodsQueryVariables = Exact<{
  tenantId: string;
  first: number;
  after?: string | null | undefined;
}>;


export type PeriodsQuery = { readonly tenant: { readonly billingPeriods: { readonly nodes: ReadonlyArray<{ readonly start: string, readonly end: string }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } } | null };

export type InvoicePartQueryVariables = Exact<{
  id: string;
  part: number;
}>;


export type InvoicePartQuery = { readonly invoice: { readonly status: InvoiceStatus, readonly sha256: string, readonly generatedAt: string, readonly documentPart: string | null } | null };

export type VerifyQueryVariables = Exact<{
  id: string;
}>;


export type VerifyQuery = { readonly verifyInvoice: { readonly matches: boolean, readonly expectedSha256: string, readonly checkedEvents: number, readonly differences: ReadonlyArray<string> } };

export type AlertsSubscriptionVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type AlertsSubscription = { readonly quotaAlerts: { readonly cursor: string, readonly tenantId: string, readonly kind: QuotaAlertKind, readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: QuotaWindow, readonly windowStart: string, readonly threshold: string, readonly thresholdKind: ThresholdKind, readonly limit: string, readonly used: string, readonly at: string, readonly dimensions: ReadonlyArray<{ readonly dimension: string, readonly value: string }> } };

export type WatchedTenantsQueryVariables = Exact<{
  first: number;
}>;


export type WatchedTenantsQuery = { readonly tenants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly status: TenantStatus, readonly accounting: { readonly accepted: number, readonly inFlight: number, readonly quarantined: number }, readonly quotas: ReadonlyArray<{ readonly state: QuotaState, readonly used: string, readonly reserved: string, readonly limit: { readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> }>, readonly pageInfo: { readonly hasNextPage: boolean } } };

export type WatchedFragment = { readonly id: string, readonly status: TenantStatus, readonly accounting: { readonly accepted: number, readonly inFlight: number, readonly quarantined: number }, readonly quotas: ReadonlyArray<{ readonly state: QuotaState, readonly used: string, readonly reserved: string, readonly limit: { readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> };

export type WatchedTenantQueryVariables = Exact<{
  tenantId: string;
}>;


export type WatchedTenantQuery = { readonly tenant: { readonly id: string, readonly status: TenantStatus, readonly accounting: { readonly accepted: number, readonly inFlight: number, readonly quarantined: number }, readonly quotas: ReadonlyArray<{ readonly state: QuotaState, readonly used: string, readonly reserved: string, readonly limit: { readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> } | null };

export type DeadLettersQueryVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type DeadLettersQuery = { readonly tenant: { readonly webhookEndpoints: ReadonlyArray<{ readonly id: string, readonly deliveries: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly eventId: string, readonly eventType: string, readonly deadReason: string | null, readonly attempts: ReadonlyArray<{ readonly at: string, readonly responseStatus: number | null, readonly error: string | null }> }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } }> } | null };

export type PlatformDeadLettersQueryVariables = Exact<{
  after?: string | null | undefined;
}>;


export type PlatformDeadLettersQuery = { readonly platformWebhookEndpoints: ReadonlyArray<{ readonly id: string, readonly deliveries: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly eventId: string, readonly eventType: string, readonly deadReason: string | null, readonly attempts: ReadonlyArray<{ readonly at: string, readonly responseStatus: number | null, readonly error: string | null }> }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } }> };

export type ReplayMutationVariables = Exact<{
  id: string;
}>;


export type ReplayMutation = { readonly replayWebhookDelivery: { readonly id: string, readonly status: WebhookDeliveryStatus } };

export type ReplayAllMutationVariables = Exact<{
  endpointId: string;
}>;


export type ReplayAllMutation = { readonly replayDeadLetters: number };

export type CreateEndpointMutationVariables = Exact<{
  input: CreateWebhookEndpointInput;
}>;


export type CreateEndpointMutation = { readonly createWebhookEndpoint: { readonly secret: string, readonly endpoint: { readonly id: string } } };

export type DeleteEndpointMutationVariables = Exact<{
  id: string;
}>;


export type DeleteEndpointMutation = { readonly deleteWebhookEndpoint: boolean };

export type TestEndpointMutationVariables = Exact<{
  id: string;
}>;


export type TestEndpointMutation = { readonly sendTestWebhook: { readonly id: string } };

export type ListenMutationVariables = Exact<{
  input: CreateWebhookEndpointInput;
}>;


export type ListenMutation = { readonly createWebhookEndpoint: { readonly secret: string, readonly endpoint: { readonly id: string } } };

export type StopListeningMutationVariables = Exact<{
  id: string;
}>;


export type StopListeningMutation = { readonly deleteWebhookEndpoint: boolean };

export type EndpointListQueryVariables = Exact<{
  tenantId: string;
}>;


export type EndpointListQuery = { readonly tenant: { readonly webhookEndpoints: ReadonlyArray<{ readonly id: string, readonly url: string, readonly eventTypes: ReadonlyArray<string>, readonly status: WebhookEndpointStatus, readonly disabledReason: string | null }> } | null };

export type PlatformEndpointListQueryVariables = Exact<{ [key: string]: never; }>;


export type PlatformEndpointListQuery = { readonly platformWebhookEndpoints: ReadonlyArray<{ readonly id: string, readonly url: string, readonly eventTypes: ReadonlyArray<string>, readonly status: WebhookEndpointStatus, readonly disabledReason: string | null }> };

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
export const WatchedFragmentDoc = new TypedDocumentString(`
    fragment Watched on Tenant {
  id
  status
  accounting {
    accepted
    inFlight
    quarantined
  }
  quotas {
    state
    used
    reserved
    limit {
      meter
      unit
      currency
      window
      kind
      limit
    }
  }
}
    `, {"fragmentName":"Watched"}) as unknown as TypedDocumentString<WatchedFragment, unknown>;
export const TenantIdsDocument = new TypedDocumentString(`
    query TenantIds($first: Int!, $after: Cursor) {
  tenants(first: $first, after: $after) {
    nodes {
      id
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `) as unknown as TypedDocumentString<TenantIdsQuery, TenantIdsQueryVariables>;
export const ApiKeysDocument = new TypedDocumentString(`
    query ApiKeys($tenantId: ID!) {
  tenant(id: $tenantId) {
    apiKeys {
      id
      name
      prefix
      scopes
      createdAt
      expiresAt
      lastUsedAt
      revokedAt
    }
  }
}
    `) as unknown as TypedDocumentString<ApiKeysQuery, ApiKeysQueryVariables>;
export const IssueApiKeyDocument = new TypedDocumentString(`
    mutation IssueApiKey($input: IssueApiKeyInput!) {
  issueApiKey(input: $input) {
    secret
    apiKey {
      id
      name
      scopes
      expiresAt
    }
  }
}
    `) as unknown as TypedDocumentString<IssueApiKeyMutation, IssueApiKeyMutationVariables>;
export const RotateApiKeyDocument = new TypedDocumentString(`
    mutation RotateApiKey($id: ID!, $graceSeconds: Int!) {
  rotateApiKey(id: $id, graceSeconds: $graceSeconds) {
    secret
    apiKey {
      id
      name
      scopes
      expiresAt
    }
  }
}
    `) as unknown as TypedDocumentString<RotateApiKeyMutation, RotateApiKeyMutationVariables>;
export const RevokeApiKeyDocument = new TypedDocumentString(`
    mutation RevokeApiKey($id: ID!) {
  revokeApiKey(id: $id) {
    id
    revokedAt
  }
}
    `) as unknown as TypedDocumentString<RevokeApiKeyMutation, RevokeApiKeyMutationVariables>;
export const DemoCreateMeterDocument = new TypedDocumentString(`
    mutation DemoCreateMeter($input: CreateMeterInput!) {
  createMeter(input: $input) {
    key
  }
}
    `) as unknown as TypedDocumentString<DemoCreateMeterMutation, DemoCreateMeterMutationVariables>;
export const DemoCreatePlanDocument = new TypedDocumentString(`
    mutation DemoCreatePlan($input: CreatePlanInput!) {
  createPlan(input: $input) {
    id
  }
}
    `) as unknown as TypedDocumentString<DemoCreatePlanMutation, DemoCreatePlanMutationVariables>;
export const DemoCreateTenantDocument = new TypedDocumentString(`
    mutation DemoCreateTenant($input: CreateTenantInput!) {
  createTenant(input: $input) {
    id
  }
}
    `) as unknown as TypedDocumentString<DemoCreateTenantMutation, DemoCreateTenantMutationVariables>;
export const DemoIssueKeyDocument = new TypedDocumentString(`
    mutation DemoIssueKey($input: IssueApiKeyInput!) {
  issueApiKey(input: $input) {
    secret
  }
}
    `) as unknown as TypedDocumentString<DemoIssueKeyMutation, DemoIssueKeyMutationVariables>;
export const DemoClosePeriodDocument = new TypedDocumentString(`
    mutation DemoClosePeriod($tenantId: ID!, $periodStart: DateTime!) {
  closeBillingPeriod(tenantId: $tenantId, periodStart: $periodStart) {
    status
  }
}
    `) as unknown as TypedDocumentString<DemoClosePeriodMutation, DemoClosePeriodMutationVariables>;
export const DemoGrantCreditsDocument = new TypedDocumentString(`
    mutation DemoGrantCredits($input: GrantCreditsInput!) {
  grantCredits(input: $input) {
    id
  }
}
    `) as unknown as TypedDocumentString<DemoGrantCreditsMutation, DemoGrantCreditsMutationVariables>;
export const DemoFirstPeriodsDocument = new TypedDocumentString(`
    query DemoFirstPeriods($tenantId: ID!) {
  tenant(id: $tenantId) {
    billingPeriods(first: 200) {
      nodes {
        start
        end
        status
      }
    }
  }
}
    `) as unknown as TypedDocumentString<DemoFirstPeriodsQuery, DemoFirstPeriodsQueryVariables>;
export const DemoCatalogDocument = new TypedDocumentString(`
    query DemoCatalog {
  meters {
    key
  }
  plans(first: 200) {
    nodes {
      id
    }
  }
}
    `) as unknown as TypedDocumentString<DemoCatalogQuery, DemoCatalogQueryVariables>;
export const DemoTenantDocument = new TypedDocumentString(`
    query DemoTenant($id: ID!) {
  tenant(id: $id) {
    id
  }
}
    `) as unknown as TypedDocumentString<DemoTenantQuery, DemoTenantQueryVariables>;
export const DemoInvoicesDocument = new TypedDocumentString(`
    query DemoInvoices($tenantId: ID!) {
  tenant(id: $tenantId) {
    invoices {
      nodes {
        id
        number
        total {
          amount
          currency
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<DemoInvoicesQuery, DemoInvoicesQueryVariables>;
export const DemoEndpointsDocument = new TypedDocumentString(`
    query DemoEndpoints($tenantId: ID!) {
  tenant(id: $tenantId) {
    webhookEndpoints {
      id
      url
    }
  }
}
    `) as unknown as TypedDocumentString<DemoEndpointsQuery, DemoEndpointsQueryVariables>;
export const DemoCreateEndpointDocument = new TypedDocumentString(`
    mutation DemoCreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) {
    endpoint {
      id
    }
  }
}
    `) as unknown as TypedDocumentString<DemoCreateEndpointMutation, DemoCreateEndpointMutationVariables>;
export const DemoUpdateEndpointDocument = new TypedDocumentString(`
    mutation DemoUpdateEndpoint($id: ID!, $input: UpdateWebhookEndpointInput!) {
  updateWebhookEndpoint(id: $id, input: $input) {
    id
  }
}
    `) as unknown as TypedDocumentString<DemoUpdateEndpointMutation, DemoUpdateEndpointMutationVariables>;
export const DemoTestEndpointDocument = new TypedDocumentString(`
    mutation DemoTestEndpoint($id: ID!) {
  sendTestWebhook(endpointId: $id) {
    id
  }
}
    `) as unknown as TypedDocumentString<DemoTestEndpointMutation, DemoTestEndpointMutationVariables>;
export const DemoQuotasDocument = new TypedDocumentString(`
    query DemoQuotas($tenantId: ID!) {
  tenant(id: $tenantId) {
    quotas {
      limit {
        meter
        window
      }
      used
      reserved
    }
  }
}
    `) as unknown as TypedDocumentString<DemoQuotasQuery, DemoQuotasQueryVariables>;
export const WhoAsksDocument = new TypedDocumentString(`
    query WhoAsks {
  viewer {
    id
    roles
  }
}
    `) as unknown as TypedDocumentString<WhoAsksQuery, WhoAsksQueryVariables>;
export const UnbilledTenantsDocument = new TypedDocumentString(`
    query UnbilledTenants($after: Cursor) {
  tenants(first: 50, after: $after) {
    nodes {
      id
      accounting {
        unmetered
      }
      upcomingInvoice {
        unpricedUsage {
          meter
          dimensions {
            value
          }
          quantity
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `) as unknown as TypedDocumentString<UnbilledTenantsQuery, UnbilledTenantsQueryVariables>;
export const UnmeteredOfDocument = new TypedDocumentString(`
    query UnmeteredOf($tenantId: ID!) {
  unmeteredTypes(tenantId: $tenantId) {
    eventType
    count
  }
}
    `) as unknown as TypedDocumentString<UnmeteredOfQuery, UnmeteredOfQueryVariables>;
export const DenialDocument = new TypedDocumentString(`
    query Denial($tenantId: ID!, $key: String!) {
  tenant(id: $tenantId) {
    quotaDenial(idempotencyKey: $key) {
      at
      meter
      amount
      usage {
        meter
        amount
      }
      reason
      explanation
      retryAt
      limits {
        meter
        unit
        currency
        window
        kind
        limit
        dimensions {
          dimension
          value
        }
        where {
          dimension
          value
        }
        used
        reserved
        remaining
        resetAt
        denies
      }
    }
  }
}
    `) as unknown as TypedDocumentString<DenialQuery, DenialQueryVariables>;
export const MetersDocument = new TypedDocumentString(`
    query Meters {
  meters {
    key
    name
    eventType
    aggregation
    valueProperty
    dimensions
    unit
  }
}
    `) as unknown as TypedDocumentString<MetersQuery, MetersQueryVariables>;
export const PlansDocument = new TypedDocumentString(`
    query Plans($first: Int!, $after: Cursor) {
  plans(first: $first, after: $after) {
    nodes {
      id
      name
      archived
      latest {
        version
        currency
        recurringFee
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `) as unknown as TypedDocumentString<PlansQuery, PlansQueryVariables>;
export const CreditsDocument = new TypedDocumentString(`
    query Credits($tenantId: ID!, $asOf: DateTime, $after: Cursor) {
  tenant(id: $tenantId) {
    credits(asOf: $asOf) {
      currency
      granted
      drawn
      expired
      voided
      available
      asOf
      grants(first: 200, after: $after) {
        nodes {
          id
          amount
          drawn
          remaining
          priority
          status
          grantedAt
          expiresAt
          reason
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<CreditsQuery, CreditsQueryVariables>;
export const GrantCreditsDocument = new TypedDocumentString(`
    mutation GrantCredits($input: GrantCreditsInput!) {
  grantCredits(input: $input) {
    id
    tenantId
    amount
    currency
    drawn
    remaining
    priority
    status
    grantedAt
    expiresAt
    reason
  }
}
    `) as unknown as TypedDocumentString<GrantCreditsMutation, GrantCreditsMutationVariables>;
export const VoidCreditsDocument = new TypedDocumentString(`
    mutation VoidCredits($tenantId: ID!, $grantId: ID!, $reason: String!) {
  voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) {
    id
    tenantId
    amount
    currency
    drawn
    remaining
    status
  }
}
    `) as unknown as TypedDocumentString<VoidCreditsMutation, VoidCreditsMutationVariables>;
export const EventDocument = new TypedDocumentString(`
    query Event($tenantId: ID!, $source: String!, $id: String!) {
  event(tenantId: $tenantId, source: $source, id: $id) {
    id
    source
    type
    time
    receivedAt
    recordedAt
    status
    seq
    duplicates
    quarantineReason
    voidReason
    data
  }
  tenant(id: $tenantId) {
    id
  }
}
    `) as unknown as TypedDocumentString<EventQuery, EventQueryVariables>;
export const InvoicesDocument = new TypedDocumentString(`
    query Invoices($tenantId: ID!, $first: Int!, $after: Cursor) {
  tenant(id: $tenantId) {
    invoices(first: $first, after: $after) {
      nodes {
        id
        number
        status
        period {
          start
          end
        }
        total {
          amount
          currency
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `) as unknown as TypedDocumentString<InvoicesQuery, InvoicesQueryVariables>;
export const QuotasDocument = new TypedDocumentString(`
    query Quotas($tenantId: ID!, $dimensions: [DimensionMatchInput!]) {
  tenant(id: $tenantId) {
    quotas(dimensions: $dimensions) {
      limit {
        meter
        unit
        currency
        window
        kind
        limit
        by
        where {
          dimension
          value
        }
      }
      dimensions {
        dimension
        value
      }
      used
      reserved
      remaining
      resetAt
      state
    }
  }
}
    `) as unknown as TypedDocumentString<QuotasQuery, QuotasQueryVariables>;
export const TenantsDocument = new TypedDocumentString(`
    query Tenants($first: Int!, $after: Cursor) {
  tenants(first: $first, after: $after) {
    nodes {
      id
      name
      status
      testClock
      plan {
        version
        plan {
          id
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `) as unknown as TypedDocumentString<TenantsQuery, TenantsQueryVariables>;
export const TenantDocument = new TypedDocumentString(`
    query Tenant($id: ID!) {
  tenant(id: $id) {
    id
    name
    status
    currency
    billingAnchorDay
    graceDays
    startsAt
    createdAt
    timeZone
    testClock
    plan {
      version
      plan {
        id
      }
    }
  }
}
    `) as unknown as TypedDocumentString<TenantQuery, TenantQueryVariables>;
export const CreateTenantDocument = new TypedDocumentString(`
    mutation CreateTenant($input: CreateTenantInput!) {
  createTenant(input: $input) {
    id
  }
}
    `) as unknown as TypedDocumentString<CreateTenantMutation, CreateTenantMutationVariables>;
export const UsageDocument = new TypedDocumentString(`
    query Usage($tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime) {
  tenant(id: $tenantId) {
    usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart) {
      meter
      from
      to
      quantity
      eventCount
      lastEventAt
      dimensions {
        dimension
        value
      }
    }
    days: usageTotals(
      groupBy: $groupBy
      meter: $meter
      periodStart: $periodStart
      granularity: DAY
    ) {
      meter
      from
      quantity
      dimensions {
        dimension
        value
      }
    }
  }
}
    `) as unknown as TypedDocumentString<UsageQuery, UsageQueryVariables>;
export const BucketsDocument = new TypedDocumentString(`
    query Buckets($tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime, $granularity: Granularity!) {
  tenant(id: $tenantId) {
    usageTotals(
      groupBy: $groupBy
      meter: $meter
      periodStart: $periodStart
      granularity: $granularity
    ) {
      meter
      from
      to
      quantity
      eventCount
      lastEventAt
      dimensions {
        dimension
        value
      }
    }
  }
}
    `) as unknown as TypedDocumentString<BucketsQuery, BucketsQueryVariables>;
export const PeriodsDocument = new TypedDocumentString(`
    query Periods($tenantId: ID!, $first: Int!, $after: Cursor) {
  tenant(id: $tenantId) {
    billingPeriods(first: $first, after: $after) {
      nodes {
        start
        end
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `) as unknown as TypedDocumentString<PeriodsQuery, PeriodsQueryVariables>;
export const InvoicePartDocument = new TypedDocumentString(`
    query InvoicePart($id: ID!, $part: Int!) {
  invoice(id: $id) {
    status
    sha256
    generatedAt
    documentPart(part: $part)
  }
}
    `) as unknown as TypedDocumentString<InvoicePartQuery, InvoicePartQueryVariables>;
export const VerifyDocument = new TypedDocumentString(`
    query Verify($id: ID!) {
  verifyInvoice(id: $id) {
    matches
    expectedSha256
    checkedEvents
    differences
  }
}
    `) as unknown as TypedDocumentString<VerifyQuery, VerifyQueryVariables>;
export const AlertsDocument = new TypedDocumentString(`
    subscription Alerts($tenantId: ID!, $after: Cursor) {
  quotaAlerts(tenantId: $tenantId, after: $after) {
    cursor
    tenantId
    kind
    meter
    unit
    currency
    window
    dimensions {
      dimension
      value
    }
    windowStart
    threshold
    thresholdKind
    limit
    used
    at
  }
}
    `) as unknown as TypedDocumentString<AlertsSubscription, AlertsSubscriptionVariables>;
export const WatchedTenantsDocument = new TypedDocumentString(`
    query WatchedTenants($first: Int!) {
  tenants(first: $first) {
    nodes {
      ...Watched
    }
    pageInfo {
      hasNextPage
    }
  }
}
    fragment Watched on Tenant {
  id
  status
  accounting {
    accepted
    inFlight
    quarantined
  }
  quotas {
    state
    used
    reserved
    limit {
      meter
      unit
      currency
      window
      kind
      limit
    }
  }
}`) as unknown as TypedDocumentString<WatchedTenantsQuery, WatchedTenantsQueryVariables>;
export const WatchedTenantDocument = new TypedDocumentString(`
    query WatchedTenant($tenantId: ID!) {
  tenant(id: $tenantId) {
    ...Watched
  }
}
    fragment Watched on Tenant {
  id
  status
  accounting {
    accepted
    inFlight
    quarantined
  }
  quotas {
    state
    used
    reserved
    limit {
      meter
      unit
      currency
      window
      kind
      limit
    }
  }
}`) as unknown as TypedDocumentString<WatchedTenantQuery, WatchedTenantQueryVariables>;
export const DeadLettersDocument = new TypedDocumentString(`
    query DeadLetters($tenantId: ID!, $after: Cursor) {
  tenant(id: $tenantId) {
    webhookEndpoints {
      id
      deliveries(first: 200, after: $after, status: DEAD) {
        nodes {
          id
          eventId
          eventType
          deadReason
          attempts {
            at
            responseStatus
            error
          }
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<DeadLettersQuery, DeadLettersQueryVariables>;
export const PlatformDeadLettersDocument = new TypedDocumentString(`
    query PlatformDeadLetters($after: Cursor) {
  platformWebhookEndpoints {
    id
    deliveries(first: 200, after: $after, status: DEAD) {
      nodes {
        id
        eventId
        eventType
        deadReason
        attempts {
          at
          responseStatus
          error
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `) as unknown as TypedDocumentString<PlatformDeadLettersQuery, PlatformDeadLettersQueryVariables>;
export const ReplayDocument = new TypedDocumentString(`
    mutation Replay($id: ID!) {
  replayWebhookDelivery(id: $id) {
    id
    status
  }
}
    `) as unknown as TypedDocumentString<ReplayMutation, ReplayMutationVariables>;
export const ReplayAllDocument = new TypedDocumentString(`
    mutation ReplayAll($endpointId: ID!) {
  replayDeadLetters(endpointId: $endpointId)
}
    `) as unknown as TypedDocumentString<ReplayAllMutation, ReplayAllMutationVariables>;
export const CreateEndpointDocument = new TypedDocumentString(`
    mutation CreateEndpoint($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) {
    endpoint {
      id
    }
    secret
  }
}
    `) as unknown as TypedDocumentString<CreateEndpointMutation, CreateEndpointMutationVariables>;
export const DeleteEndpointDocument = new TypedDocumentString(`
    mutation DeleteEndpoint($id: ID!) {
  deleteWebhookEndpoint(id: $id)
}
    `) as unknown as TypedDocumentString<DeleteEndpointMutation, DeleteEndpointMutationVariables>;
export const TestEndpointDocument = new TypedDocumentString(`
    mutation TestEndpoint($id: ID!) {
  sendTestWebhook(endpointId: $id) {
    id
  }
}
    `) as unknown as TypedDocumentString<TestEndpointMutation, TestEndpointMutationVariables>;
export const ListenDocument = new TypedDocumentString(`
    mutation Listen($input: CreateWebhookEndpointInput!) {
  createWebhookEndpoint(input: $input) {
    endpoint {
      id
    }
    secret
  }
}
    `) as unknown as TypedDocumentString<ListenMutation, ListenMutationVariables>;
export const StopListeningDocument = new TypedDocumentString(`
    mutation StopListening($id: ID!) {
  deleteWebhookEndpoint(id: $id)
}
    `) as unknown as TypedDocumentString<StopListeningMutation, StopListeningMutationVariables>;
export const EndpointListDocument = new TypedDocumentString(`
    query EndpointList($tenantId: ID!) {
  tenant(id: $tenantId) {
    webhookEndpoints {
      id
      url
      eventTypes
      status
      disabledReason
    }
  }
}
    `) as unknown as TypedDocumentString<EndpointListQuery, EndpointListQueryVariables>;
export const PlatformEndpointListDocument = new TypedDocumentString(`
    query PlatformEndpointList {
  platformWebhookEndpoints {
    id
    url
    eventTypes
    status
    disabledReason
  }
}
    `) as unknown as TypedDocumentString<PlatformEndpointListQuery, PlatformEndpointListQueryVariables>;