/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** COUNT: the number of events. SUM, MAX: the sum and the highest value of `valueProperty`. UNIQUE: the number of its distinct values. LATEST: its value in the event with the latest `time` */
export type Aggregation =
  | 'COUNT'
  | 'LATEST'
  | 'MAX'
  | 'SUM'
  | 'UNIQUE';

export type ApiKeyScope =
  | 'ADMIN'
  | 'INGEST'
  | 'QUOTA'
  | 'READ';

/** OPEN: has not ended. GRACE: waits for late events. CLOSING: waits for its invoice. CLOSED: permanently */
export type BillingPeriodStatus =
  | 'CLOSED'
  | 'CLOSING'
  | 'GRACE'
  | 'OPEN';

export type CreateMeterInput = {
  readonly aggregation: Aggregation;
  /** Also count events that were recorded as unmetered, in periods that are not yet closed */
  readonly backfill?: boolean | null | undefined;
  readonly dimensions?: ReadonlyArray<string> | null | undefined;
  readonly eventType: string;
  readonly key: string;
  readonly name: string;
  readonly unit?: string | null | undefined;
  readonly valueProperty?: string | null | undefined;
};

export type CreatePlanInput = {
  readonly id?: string | null | undefined;
  readonly name: string;
  readonly version: PlanVersionInput;
};

/** `startsAt`: a time in the first billing period, from which on `planId` applies (default: now; at most 35 days back). `testClock`: creates a test tenant, whose clock only `advanceTestClock` moves; the accepted times of its events, its periods and its quota windows follow that clock */
export type CreateTenantInput = {
  readonly billingAnchorDay?: number | null | undefined;
  /** The buyer on its invoices; default: the tenant's name, without an address */
  readonly buyer?: InvoicePartyInput | null | undefined;
  readonly graceDays?: number | null | undefined;
  readonly id?: string | null | undefined;
  readonly name: string;
  readonly planId?: string | null | undefined;
  readonly startsAt?: string | null | undefined;
  readonly testClock?: string | null | undefined;
};

/** Give either `tenantId` or `platform: true`. An endpoint of the platform receives `usage.unmetered`, `usage.unpriced` and its `eventTypes`, of all tenants */
export type CreateWebhookEndpointInput = {
  readonly eventTypes: ReadonlyArray<string>;
  readonly platform?: boolean | null | undefined;
  readonly tenantId?: string | null | undefined;
  readonly url: string;
};

export type DimensionMatchInput = {
  readonly dimension: string;
  readonly value: string;
};

export type Granularity =
  | 'DAY'
  | 'HOUR'
  | 'PERIOD';

export type InvoiceLineKind =
  | 'ADJUSTMENT'
  | 'MINIMUM_COMMIT'
  | 'RECURRING'
  | 'USAGE';

/** Without a `name`, the buyer has the tenant's name, and follows it. `addressLines`: at most 8 of 100 characters, e.g. street, town, country, tax number */
export type InvoicePartyInput = {
  readonly addressLines?: ReadonlyArray<string> | null | undefined;
  readonly name?: string | null | undefined;
};

export type InvoiceStatus =
  | 'CLOSED';

/** Give either `tenantId` or `platform: true`. Scopes are limited to those of the issuer. Keys of tenants with a test clock start with `mtr_test_`, all others with `mtr_live_` */
export type IssueApiKeyInput = {
  readonly expiresAt?: string | null | undefined;
  readonly name: string;
  readonly platform?: boolean | null | undefined;
  readonly scopes: ReadonlyArray<ApiKeyScope>;
  readonly tenantId?: string | null | undefined;
};

/** HARD: denies requests beyond the limit. SOFT: only warns */
export type LimitKind =
  | 'HARD'
  | 'SOFT';

export type PlanVersionInput = {
  readonly currency: string;
  readonly limits?: ReadonlyArray<QuotaLimitInput> | null | undefined;
  readonly minimumCommit?: string | null | undefined;
  readonly prices: ReadonlyArray<PriceInput>;
  /** Whether every tenant may see this version; otherwise only tenants that have or had it may */
  readonly public?: boolean | null | undefined;
  readonly recurringFee?: string | null | undefined;
  /** How the recurring fee of a partial first or last period is charged */
  readonly recurringFeeProration?: Proration | null | undefined;
};

/** Computed in this order: quantity / `divideBy` (rounded up if `roundUp`), minus `included`, priced by `model`, minus `discountPercent`, raised to `minimumAmount`, capped at `maximumAmount`, rounded once */
export type PriceInput = {
  /** Claim the usage of the meter that no other price of the plan claims; excludes `where` */
  readonly catchAll?: boolean | null | undefined;
  readonly discountPercent?: string | null | undefined;
  readonly divideBy?: string | null | undefined;
  readonly included?: string | null | undefined;
  readonly maximumAmount?: string | null | undefined;
  readonly meter: string;
  readonly minimumAmount?: string | null | undefined;
  readonly model: PriceModel;
  readonly packageSize?: string | null | undefined;
  readonly ratePercent?: string | null | undefined;
  readonly roundUp?: boolean | null | undefined;
  readonly tiers?: ReadonlyArray<PriceTierInput> | null | undefined;
  readonly unitAmount?: string | null | undefined;
  readonly where?: ReadonlyArray<DimensionMatchInput> | null | undefined;
};

/** FLAT: `unitAmount` once. PER_UNIT: `unitAmount` per unit. GRADUATED: each tier prices the units in it. VOLUME: the tier that the quantity falls into prices all units. PACKAGE: `unitAmount` for each package of `packageSize` begun. PERCENTAGE: `ratePercent` of the quantity */
export type PriceModel =
  | 'FLAT'
  | 'GRADUATED'
  | 'PACKAGE'
  | 'PERCENTAGE'
  | 'PER_UNIT'
  | 'VOLUME';

export type PriceTierInput = {
  readonly flatAmount?: string | null | undefined;
  readonly unitAmount: string;
  readonly upTo?: string | null | undefined;
};

/** NONE: in full. DAILY: by the day (UTC), including each day begun */
export type Proration =
  | 'DAILY'
  | 'NONE';

export type QuotaAlertKind =
  | 'EXCEEDED'
  | 'WARNING';

export type QuotaLimitInput = {
  readonly kind: LimitKind;
  readonly limit: string;
  readonly meter?: string | null | undefined;
  readonly warnAt?: ReadonlyArray<string> | null | undefined;
  readonly window: QuotaWindow;
};

export type QuotaState =
  | 'DEGRADED'
  | 'EXCEEDED'
  | 'OK'
  | 'REBUILDING'
  | 'WARNING';

export type QuotaWindow =
  | 'BILLING_PERIOD'
  | 'DAY'
  | 'HOUR'
  | 'MINUTE'
  | 'SECOND';

export type Role =
  | 'PLATFORM_ADMIN'
  | 'TENANT_ADMIN'
  | 'TENANT_VIEWER';

export type TenantStatus =
  | 'ACTIVE'
  | 'CLOSED'
  | 'SUSPENDED';

export type UpdateWebhookEndpointInput = {
  readonly eventTypes?: ReadonlyArray<string> | null | undefined;
  readonly status?: WebhookEndpointStatus | null | undefined;
  readonly url?: string | null | undefined;
};

export type UsageEventStatus =
  | 'QUARANTINED'
  | 'RECORDED'
  | 'REFUSED'
  | 'UNMETERED'
  | 'VOIDED';

export type WebhookDeliveryStatus =
  | 'DEAD'
  | 'DELIVERED'
  | 'PENDING';

export type WebhookEndpointStatus =
  | 'DISABLED'
  | 'ENABLED';

export type TenantIdsQueryVariables = Exact<{
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

export type DemoFirstPeriodsQueryVariables = Exact<{
  tenantId: string;
}>;


export type DemoFirstPeriodsQuery = { readonly tenant: { readonly billingPeriods: { readonly nodes: ReadonlyArray<{ readonly start: string, readonly end: string, readonly status: BillingPeriodStatus }> } } | null };

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

export type InvoiceQueryVariables = Exact<{
  id: string;
}>;


export type InvoiceQuery = { readonly invoice: { readonly document: string, readonly sha256: string, readonly generatedAt: string } | null };

export type DenialQueryVariables = Exact<{
  tenantId: string;
  key: string;
}>;


export type DenialQuery = { readonly tenant: { readonly quotaDenial: { readonly at: string, readonly meter: string | null, readonly amount: string, readonly reason: string, readonly explanation: string, readonly retryAt: string | null, readonly limits: ReadonlyArray<{ readonly meter: string | null, readonly window: string, readonly kind: string, readonly limit: string, readonly used: string, readonly reserved: string, readonly remaining: string, readonly resetAt: string, readonly denies: boolean }> } | null } | null };

export type EventQueryVariables = Exact<{
  tenantId: string;
  source: string;
  id: string;
}>;


export type EventQuery = { readonly event: { readonly id: string, readonly source: string, readonly type: string, readonly time: string, readonly receivedAt: string, readonly recordedAt: string | null, readonly status: UsageEventStatus, readonly seq: string | null, readonly duplicates: number, readonly quarantineReason: string | null, readonly voidReason: string | null, readonly data: unknown } | null };

export type InvoicesQueryVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type InvoicesQuery = { readonly tenant: { readonly invoices: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly number: string, readonly status: InvoiceStatus, readonly period: { readonly start: string, readonly end: string }, readonly total: { readonly amount: string, readonly currency: string } }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } } | null };

export type InvoiceLinesQueryVariables = Exact<{
  id: string;
}>;


export type InvoiceLinesQuery = { readonly invoice: { readonly number: string, readonly status: InvoiceStatus, readonly period: { readonly start: string, readonly end: string }, readonly total: { readonly amount: string, readonly currency: string }, readonly lines: ReadonlyArray<{ readonly kind: InvoiceLineKind, readonly description: string, readonly meter: string | null, readonly quantity: string, readonly amount: { readonly amount: string } }> } | null };

export type QuotasQueryVariables = Exact<{
  tenantId: string;
}>;


export type QuotasQuery = { readonly tenant: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly remaining: string, readonly resetAt: string, readonly state: QuotaState, readonly limit: { readonly meter: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> } | null };

export type TenantsQueryVariables = Exact<{
  after?: string | null | undefined;
}>;


export type TenantsQuery = { readonly tenants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly name: string, readonly status: TenantStatus, readonly testClock: string | null, readonly plan: { readonly version: number, readonly plan: { readonly id: string } } | null }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type TenantQueryVariables = Exact<{
  id: string;
}>;


export type TenantQuery = { readonly tenant: { readonly id: string, readonly name: string, readonly status: TenantStatus, readonly currency: string | null, readonly billingAnchorDay: number, readonly graceDays: number, readonly startsAt: string, readonly createdAt: string, readonly testClock: string | null, readonly plan: { readonly version: number, readonly plan: { readonly id: string } } | null } | null };

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
  after?: string | null | undefined;
}>;


export type PeriodsQuery = { readonly tenant: { readonly billingPeriods: { readonly nodes: ReadonlyArray<{ readonly start: string, readonly end: string }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } } | null };

export type VerifyQueryVariables = Exact<{
  id: string;
}>;


export type VerifyQuery = { readonly verifyInvoice: { readonly matches: boolean, readonly expectedSha256: string, readonly checkedEvents: number, readonly differences: ReadonlyArray<string> } };

export type AlertsSubscriptionVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type AlertsSubscription = { readonly quotaAlerts: { readonly cursor: string, readonly tenantId: string, readonly kind: QuotaAlertKind, readonly meter: string | null, readonly window: QuotaWindow, readonly windowStart: string, readonly threshold: string, readonly limit: string, readonly used: string, readonly at: string } };

export type WatchedTenantsQueryVariables = Exact<{
  first: number;
}>;


export type WatchedTenantsQuery = { readonly tenants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly status: TenantStatus, readonly accounting: { readonly accepted: number, readonly inFlight: number, readonly quarantined: number }, readonly quotas: ReadonlyArray<{ readonly state: QuotaState, readonly used: string, readonly reserved: string, readonly limit: { readonly meter: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> }>, readonly pageInfo: { readonly hasNextPage: boolean } } };

export type WatchedFragment = { readonly id: string, readonly status: TenantStatus, readonly accounting: { readonly accepted: number, readonly inFlight: number, readonly quarantined: number }, readonly quotas: ReadonlyArray<{ readonly state: QuotaState, readonly used: string, readonly reserved: string, readonly limit: { readonly meter: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> };

export type WatchedTenantQueryVariables = Exact<{
  tenantId: string;
}>;


export type WatchedTenantQuery = { readonly tenant: { readonly id: string, readonly status: TenantStatus, readonly accounting: { readonly accepted: number, readonly inFlight: number, readonly quarantined: number }, readonly quotas: ReadonlyArray<{ readonly state: QuotaState, readonly used: string, readonly reserved: string, readonly limit: { readonly meter: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> } | null };

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
      window
      kind
      limit
    }
  }
}
    `, {"fragmentName":"Watched"}) as unknown as TypedDocumentString<WatchedFragment, unknown>;
export const TenantIdsDocument = new TypedDocumentString(`
    query TenantIds($after: Cursor) {
  tenants(first: 200, after: $after) {
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
export const InvoiceDocument = new TypedDocumentString(`
    query Invoice($id: ID!) {
  invoice(id: $id) {
    document
    sha256
    generatedAt
  }
}
    `) as unknown as TypedDocumentString<InvoiceQuery, InvoiceQueryVariables>;
export const DenialDocument = new TypedDocumentString(`
    query Denial($tenantId: ID!, $key: String!) {
  tenant(id: $tenantId) {
    quotaDenial(idempotencyKey: $key) {
      at
      meter
      amount
      reason
      explanation
      retryAt
      limits {
        meter
        window
        kind
        limit
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
}
    `) as unknown as TypedDocumentString<EventQuery, EventQueryVariables>;
export const InvoicesDocument = new TypedDocumentString(`
    query Invoices($tenantId: ID!, $after: Cursor) {
  tenant(id: $tenantId) {
    invoices(first: 100, after: $after) {
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
export const InvoiceLinesDocument = new TypedDocumentString(`
    query InvoiceLines($id: ID!) {
  invoice(id: $id) {
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
    lines {
      kind
      description
      meter
      quantity
      amount {
        amount
      }
    }
  }
}
    `) as unknown as TypedDocumentString<InvoiceLinesQuery, InvoiceLinesQueryVariables>;
export const QuotasDocument = new TypedDocumentString(`
    query Quotas($tenantId: ID!) {
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
      resetAt
      state
    }
  }
}
    `) as unknown as TypedDocumentString<QuotasQuery, QuotasQueryVariables>;
export const TenantsDocument = new TypedDocumentString(`
    query Tenants($after: Cursor) {
  tenants(first: 100, after: $after) {
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
    query Periods($tenantId: ID!, $after: Cursor) {
  tenant(id: $tenantId) {
    billingPeriods(first: 200, after: $after) {
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
    window
    windowStart
    threshold
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