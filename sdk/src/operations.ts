/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { Operation } from "./operation.js";
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

export type DimensionMatchInput = {
  readonly dimension: string;
  readonly value: string;
};

export type Granularity =
  | 'DAY'
  | 'HOUR'
  | 'PERIOD';

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

export type TenantQueryVariables = Exact<{
  id: string;
}>;


export type TenantQuery = { readonly tenant: { readonly id: string, readonly name: string, readonly status: TenantStatus, readonly currency: string | null, readonly testClock: string | null, readonly plan: { readonly version: number, readonly plan: { readonly id: string, readonly name: string } } | null } | null };

export type TenantsQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type TenantsQuery = { readonly tenants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly name: string, readonly status: TenantStatus }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } };

export type CreateTenantMutationVariables = Exact<{
  input: CreateTenantInput;
}>;


export type CreateTenantMutation = { readonly createTenant: { readonly id: string, readonly name: string, readonly status: TenantStatus } };

export type ChangePlanMutationVariables = Exact<{
  tenantId: string;
  planId: string;
  version?: number | null | undefined;
}>;


export type ChangePlanMutation = { readonly changePlan: { readonly effectiveFrom: string, readonly plan: { readonly version: number, readonly plan: { readonly id: string } } } };

export type IssueApiKeyMutationVariables = Exact<{
  input: IssueApiKeyInput;
}>;


export type IssueApiKeyMutation = { readonly issueApiKey: { readonly secret: string, readonly apiKey: { readonly id: string, readonly prefix: string } } };

export type RevokeApiKeyMutationVariables = Exact<{
  id: string;
}>;


export type RevokeApiKeyMutation = { readonly revokeApiKey: { readonly id: string, readonly revokedAt: string | null } };

export type CreateMeterMutationVariables = Exact<{
  input: CreateMeterInput;
}>;


export type CreateMeterMutation = { readonly createMeter: { readonly key: string, readonly name: string, readonly eventType: string, readonly aggregation: Aggregation } };

export type CreatePlanMutationVariables = Exact<{
  input: CreatePlanInput;
}>;


export type CreatePlanMutation = { readonly createPlan: { readonly id: string, readonly name: string, readonly latest: { readonly version: number } | null } };

export type UsageTotalsQueryVariables = Exact<{
  tenantId: string;
  meter?: string | null | undefined;
  periodStart?: string | null | undefined;
  granularity?: Granularity | null | undefined;
  groupBy?: ReadonlyArray<string> | string | null | undefined;
}>;


export type UsageTotalsQuery = { readonly tenant: { readonly usageTotals: ReadonlyArray<{ readonly meter: string, readonly from: string, readonly to: string, readonly quantity: string, readonly eventCount: number, readonly dimensions: ReadonlyArray<{ readonly dimension: string, readonly value: string }> }> } | null };

export type QuotasQueryVariables = Exact<{
  tenantId: string;
}>;


export type QuotasQuery = { readonly tenant: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly remaining: string, readonly resetAt: string, readonly state: QuotaState, readonly limit: { readonly meter: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> } | null };

export type InvoicesQueryVariables = Exact<{
  tenantId: string;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type InvoicesQuery = { readonly tenant: { readonly invoices: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly number: string, readonly status: InvoiceStatus, readonly period: { readonly start: string, readonly end: string }, readonly total: { readonly amount: string, readonly currency: string } }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } } | null };

export type UpcomingInvoiceQueryVariables = Exact<{
  tenantId: string;
}>;


export type UpcomingInvoiceQuery = { readonly tenant: { readonly upcomingInvoice: { readonly total: { readonly amount: string, readonly currency: string } } | null } | null };

export type VoidEventMutationVariables = Exact<{
  tenantId: string;
  source: string;
  id: string;
  reason: string;
}>;


export type VoidEventMutation = { readonly voidEvent: { readonly id: string, readonly source: string } };

export type SetQuotaOverrideMutationVariables = Exact<{
  tenantId: string;
  meter?: string | null | undefined;
  window: QuotaWindow;
  limit: string;
  until: string;
  reason: string;
}>;


export type SetQuotaOverrideMutation = { readonly setQuotaOverride: { readonly state: QuotaState } };

export type QuotaAlertsSubscriptionVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type QuotaAlertsSubscription = { readonly quotaAlerts: { readonly cursor: string, readonly tenantId: string, readonly kind: QuotaAlertKind, readonly meter: string | null, readonly window: QuotaWindow, readonly windowStart: string, readonly threshold: string, readonly limit: string, readonly used: string, readonly at: string } };

export type InvoiceGeneratedSubscriptionVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type InvoiceGeneratedSubscription = { readonly invoiceGenerated: { readonly cursor: string, readonly invoice: { readonly id: string, readonly number: string, readonly total: { readonly amount: string, readonly currency: string } } } };

export const tenant: Operation<TenantQuery, TenantQueryVariables> = `query Tenant($id: ID!) {
  tenant(id: $id) {
    id
    name
    status
    currency
    testClock
    plan {
      version
      plan {
        id
        name
      }
    }
  }
}`;

export const tenants: Operation<TenantsQuery, TenantsQueryVariables> = `query Tenants($first: Int, $after: Cursor) {
  tenants(first: $first, after: $after) {
    nodes {
      id
      name
      status
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}`;

export const createTenant: Operation<CreateTenantMutation, CreateTenantMutationVariables> = `mutation CreateTenant($input: CreateTenantInput!) {
  createTenant(input: $input) {
    id
    name
    status
  }
}`;

export const changePlan: Operation<ChangePlanMutation, ChangePlanMutationVariables> = `mutation ChangePlan($tenantId: ID!, $planId: ID!, $version: Int) {
  changePlan(tenantId: $tenantId, planId: $planId, version: $version) {
    effectiveFrom
    plan {
      version
      plan {
        id
      }
    }
  }
}`;

export const issueApiKey: Operation<IssueApiKeyMutation, IssueApiKeyMutationVariables> = `mutation IssueApiKey($input: IssueApiKeyInput!) {
  issueApiKey(input: $input) {
    apiKey {
      id
      prefix
    }
    secret
  }
}`;

export const revokeApiKey: Operation<RevokeApiKeyMutation, RevokeApiKeyMutationVariables> = `mutation RevokeApiKey($id: ID!) {
  revokeApiKey(id: $id) {
    id
    revokedAt
  }
}`;

export const createMeter: Operation<CreateMeterMutation, CreateMeterMutationVariables> = `mutation CreateMeter($input: CreateMeterInput!) {
  createMeter(input: $input) {
    key
    name
    eventType
    aggregation
  }
}`;

export const createPlan: Operation<CreatePlanMutation, CreatePlanMutationVariables> = `mutation CreatePlan($input: CreatePlanInput!) {
  createPlan(input: $input) {
    id
    name
    latest {
      version
    }
  }
}`;

export const usageTotals: Operation<UsageTotalsQuery, UsageTotalsQueryVariables> = `query UsageTotals($tenantId: ID!, $meter: String, $periodStart: DateTime, $granularity: Granularity, $groupBy: [String!]) {
  tenant(id: $tenantId) {
    usageTotals(
      meter: $meter
      periodStart: $periodStart
      granularity: $granularity
      groupBy: $groupBy
    ) {
      meter
      from
      to
      quantity
      eventCount
      dimensions {
        dimension
        value
      }
    }
  }
}`;

export const quotas: Operation<QuotasQuery, QuotasQueryVariables> = `query Quotas($tenantId: ID!) {
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
}`;

export const invoices: Operation<InvoicesQuery, InvoicesQueryVariables> = `query Invoices($tenantId: ID!, $first: Int, $after: Cursor) {
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
}`;

export const upcomingInvoice: Operation<UpcomingInvoiceQuery, UpcomingInvoiceQueryVariables> = `query UpcomingInvoice($tenantId: ID!) {
  tenant(id: $tenantId) {
    upcomingInvoice {
      total {
        amount
        currency
      }
    }
  }
}`;

export const voidEvent: Operation<VoidEventMutation, VoidEventMutationVariables> = `mutation VoidEvent($tenantId: ID!, $source: String!, $id: String!, $reason: String!) {
  voidEvent(tenantId: $tenantId, source: $source, id: $id, reason: $reason) {
    id
    source
  }
}`;

export const setQuotaOverride: Operation<SetQuotaOverrideMutation, SetQuotaOverrideMutationVariables> = `mutation SetQuotaOverride($tenantId: ID!, $meter: String, $window: QuotaWindow!, $limit: Decimal!, $until: DateTime!, $reason: String!) {
  setQuotaOverride(
    tenantId: $tenantId
    meter: $meter
    window: $window
    limit: $limit
    until: $until
    reason: $reason
  ) {
    state
  }
}`;

export const quotaAlerts: Operation<QuotaAlertsSubscription, QuotaAlertsSubscriptionVariables> = `subscription QuotaAlerts($tenantId: ID!, $after: Cursor) {
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
}`;

export const invoiceGenerated: Operation<InvoiceGeneratedSubscription, InvoiceGeneratedSubscriptionVariables> = `subscription InvoiceGenerated($tenantId: ID!, $after: Cursor) {
  invoiceGenerated(tenantId: $tenantId, after: $after) {
    cursor
    invoice {
      id
      number
      total {
        amount
        currency
      }
    }
  }
}`;