/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { Operation } from "./operation.js";
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


export type QuotasQuery = { readonly tenant: { readonly quotas: ReadonlyArray<{ readonly used: string, readonly reserved: string, readonly remaining: string, readonly resetAt: string, readonly state: QuotaState, readonly limit: { readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: QuotaWindow, readonly kind: LimitKind, readonly limit: string } }> } | null };

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

export type CreditsQueryVariables = Exact<{
  tenantId: string;
  asOf?: string | null | undefined;
}>;


export type CreditsQuery = { readonly tenant: { readonly credits: { readonly currency: string, readonly granted: string, readonly drawn: string, readonly expired: string, readonly voided: string, readonly available: string, readonly reserved: string, readonly asOf: string } } | null };

export type CreditGrantsQueryVariables = Exact<{
  tenantId: string;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type CreditGrantsQuery = { readonly tenant: { readonly credits: { readonly grants: { readonly nodes: ReadonlyArray<{ readonly id: string, readonly amount: string, readonly currency: string, readonly drawn: string, readonly remaining: string, readonly priority: number, readonly status: CreditGrantStatus, readonly grantedAt: string, readonly expiresAt: string | null, readonly reason: string }>, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null } } } } | null };

export type GrantCreditsMutationVariables = Exact<{
  input: GrantCreditsInput;
}>;


export type GrantCreditsMutation = { readonly grantCredits: { readonly id: string, readonly amount: string, readonly currency: string, readonly remaining: string, readonly status: CreditGrantStatus } };

export type VoidCreditsMutationVariables = Exact<{
  tenantId: string;
  grantId: string;
  reason: string;
}>;


export type VoidCreditsMutation = { readonly voidCredits: { readonly id: string, readonly drawn: string, readonly status: CreditGrantStatus } };

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
  unit?: LimitUnit | null | undefined;
  window: QuotaWindow;
  kind?: LimitKind | null | undefined;
  by?: ReadonlyArray<string> | string | null | undefined;
  where?: ReadonlyArray<DimensionMatchInput> | DimensionMatchInput | null | undefined;
  limit: string;
  until: string;
  reason: string;
}>;


export type SetQuotaOverrideMutation = { readonly setQuotaOverride: { readonly state: QuotaState } };

export type QuotaAlertsSubscriptionVariables = Exact<{
  tenantId: string;
  after?: string | null | undefined;
}>;


export type QuotaAlertsSubscription = { readonly quotaAlerts: { readonly cursor: string, readonly tenantId: string, readonly kind: QuotaAlertKind, readonly meter: string | null, readonly unit: LimitUnit, readonly currency: string | null, readonly window: QuotaWindow, readonly windowStart: string, readonly threshold: string, readonly thresholdKind: ThresholdKind, readonly limit: string, readonly used: string, readonly at: string } };

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
        unit
        currency
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

export const credits: Operation<CreditsQuery, CreditsQueryVariables> = `query Credits($tenantId: ID!, $asOf: DateTime) {
  tenant(id: $tenantId) {
    credits(asOf: $asOf) {
      currency
      granted
      drawn
      expired
      voided
      available
      reserved
      asOf
    }
  }
}`;

export const creditGrants: Operation<CreditGrantsQuery, CreditGrantsQueryVariables> = `query CreditGrants($tenantId: ID!, $first: Int, $after: Cursor) {
  tenant(id: $tenantId) {
    credits {
      grants(first: $first, after: $after) {
        nodes {
          id
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
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
}`;

export const grantCredits: Operation<GrantCreditsMutation, GrantCreditsMutationVariables> = `mutation GrantCredits($input: GrantCreditsInput!) {
  grantCredits(input: $input) {
    id
    amount
    currency
    remaining
    status
  }
}`;

export const voidCredits: Operation<VoidCreditsMutation, VoidCreditsMutationVariables> = `mutation VoidCredits($tenantId: ID!, $grantId: ID!, $reason: String!) {
  voidCredits(tenantId: $tenantId, grantId: $grantId, reason: $reason) {
    id
    drawn
    status
  }
}`;

export const voidEvent: Operation<VoidEventMutation, VoidEventMutationVariables> = `mutation VoidEvent($tenantId: ID!, $source: String!, $id: String!, $reason: String!) {
  voidEvent(tenantId: $tenantId, source: $source, id: $id, reason: $reason) {
    id
    source
  }
}`;

export const setQuotaOverride: Operation<SetQuotaOverrideMutation, SetQuotaOverrideMutationVariables> = `mutation SetQuotaOverride($tenantId: ID!, $meter: String, $unit: LimitUnit, $window: QuotaWindow!, $kind: LimitKind, $by: [String!], $where: [DimensionMatchInput!], $limit: Decimal!, $until: DateTime!, $reason: String!) {
  setQuotaOverride(
    tenantId: $tenantId
    meter: $meter
    unit: $unit
    window: $window
    kind: $kind
    by: $by
    where: $where
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
    unit
    currency
    window
    windowStart
    threshold
    thresholdKind
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