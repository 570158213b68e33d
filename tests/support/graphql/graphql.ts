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

export type TenantStatus =
  | 'ACTIVE'
  | 'CLOSED'
  | 'SUSPENDED';

export type TestClockStatus =
  | 'ADVANCING'
  | 'READY';

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