import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "#kernel/duration.js";

// The closed sets of the product: contracts, GraphQL enums, tables by member and SQL parameters derive from them. The compiler
// names every place that must follow a new member; tests/systems/vocabulary proves it.

/** How a meter aggregates events into a quantity. */
export const AGGREGATIONS = ["COUNT", "SUM", "MAX", "UNIQUE", "LATEST"] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

/** Aggregations that sum each event's own value: only these can have limits, and quota counts no others. */
const ADDITIVE: Readonly<Record<Aggregation, boolean>> = {
  COUNT: true,
  SUM: true,
  MAX: false,
  UNIQUE: false,
  LATEST: false,
};
export const isAdditive = (aggregation: Aggregation): boolean => ADDITIVE[aggregation];

export const PRICE_MODELS = ["FLAT", "PER_UNIT", "GRADUATED", "VOLUME", "PACKAGE", "PERCENTAGE"] as const;
export type PriceModel = (typeof PRICE_MODELS)[number];

/** Sliding windows of limits, shortest first. */
export const SLIDING_WINDOWS = ["SECOND", "MINUTE", "HOUR", "DAY"] as const;
export type SlidingWindow = (typeof SLIDING_WINDOWS)[number];
/** Length of each sliding window, ms. */
export const WINDOW_MS: Readonly<Record<SlidingWindow, number>> = {
  SECOND: SECOND_MS,
  MINUTE: MINUTE_MS,
  HOUR: HOUR_MS,
  DAY: DAY_MS,
};
/** Windows of the calendar in the tenant's time zone, shortest first. */
export const CALENDAR_WINDOWS = ["CALENDAR_DAY", "CALENDAR_WEEK", "CALENDAR_MONTH"] as const;
export type CalendarWindow = (typeof CALENDAR_WINDOWS)[number];
/** Windows with a start and an end, which all usage of the time between counts in. */
export const PERIOD_WINDOWS = [...CALENDAR_WINDOWS, "BILLING_PERIOD"] as const;
export type PeriodWindow = (typeof PERIOD_WINDOWS)[number];
/** Every window that a limit may have. */
export const QUOTA_WINDOWS = [...SLIDING_WINDOWS, ...PERIOD_WINDOWS] as const;
export type QuotaWindow = (typeof QUOTA_WINDOWS)[number];
/** For readers of the graph. */
export const WINDOW_MEANINGS: Readonly<Record<QuotaWindow, string>> = {
  SECOND: "The last second",
  MINUTE: "The last 60 seconds",
  HOUR: "The last 60 minutes",
  DAY: "The last 24 hours",
  CALENDAR_DAY: "The current day in the tenant's time zone",
  CALENDAR_WEEK: "The current week in the tenant's time zone, from Monday",
  CALENDAR_MONTH: "The current month in the tenant's time zone, from its first day",
  BILLING_PERIOD: "The tenant's current billing period",
};

const PERIODS: ReadonlySet<string> = new Set(PERIOD_WINDOWS);
export const isPeriodWindow = (window: QuotaWindow): window is PeriodWindow => PERIODS.has(window);

export const LIMIT_UNITS = ["QUANTITY", "MONEY"] as const;
export type LimitUnit = (typeof LIMIT_UNITS)[number];
/** For readers of the graph. */
export const LIMIT_UNIT_MEANINGS: Readonly<Record<LimitUnit, string>> = {
  QUANTITY: "The quantity of a meter, or the number of requests",
  MONEY: "What all usage of the billing period costs, in the plan's currency",
};

export const LIMIT_KINDS = ["SOFT", "HARD"] as const;
export type LimitKind = (typeof LIMIT_KINDS)[number];
/** For readers of the graph. */
export const LIMIT_KIND_MEANINGS: Readonly<Record<LimitKind, string>> = {
  SOFT: "Only warns; `consume` allows",
  HARD: "`consume` denies what goes beyond the limit",
};
/** Whether a limit denies requests beyond it; otherwise it only warns. */
const DENIES: Readonly<Record<LimitKind, boolean>> = { SOFT: false, HARD: true };
export const isDenying = (kind: LimitKind): boolean => DENIES[kind];

export const TENANT_STATUSES = ["ACTIVE", "SUSPENDED", "CLOSED"] as const;
export type TenantStatus = (typeof TENANT_STATUSES)[number];
/** Whether a tenant in this status has ended: it is immutable, and its usage is refused. */
const ENDED: Readonly<Record<TenantStatus, boolean>> = { ACTIVE: false, SUSPENDED: false, CLOSED: true };
export const hasEnded = (status: TenantStatus): boolean => ENDED[status];

/** How an alert's threshold is meant: as a share of the limit, or as an amount. */
export const THRESHOLD_KINDS = ["SHARE", "AMOUNT"] as const;
export type ThresholdKind = (typeof THRESHOLD_KINDS)[number];

/** The permissions of an API key. */
export const API_KEY_SCOPES = ["INGEST", "QUOTA", "READ", "ADMIN"] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];

/** The roles of an identity in the graph, by the table in `policy.ts`. */
export const ROLES = ["PLATFORM_ADMIN", "TENANT_ADMIN", "TENANT_VIEWER"] as const;
export type Role = (typeof ROLES)[number];

/** The kinds of callers that the graph shows: a person or a key. Services call each other too. */
export const VIEWER_KINDS = ["USER", "API_KEY"] as const;
export const IDENTITY_KINDS = [...VIEWER_KINDS, "SERVICE"] as const;

/** A period is open, waits for late events, waits for its invoice, and is then closed permanently. */
export const BILLING_PERIOD_STATUSES = ["OPEN", "GRACE", "CLOSING", "CLOSED"] as const;
export type BillingPeriodStatus = (typeof BILLING_PERIOD_STATUSES)[number];

export const CHARGE_KINDS = ["RECURRING", "USAGE", "MINIMUM_COMMIT"] as const;
export type ChargeKind = (typeof CHARGE_KINDS)[number];
/** What a line is about: a charge, or what prepaid credits pay of charges for usage. */
export const INVOICED_KINDS = [...CHARGE_KINDS, "CREDIT"] as const;
export type InvoicedKind = (typeof INVOICED_KINDS)[number];
export const INVOICE_LINE_KINDS = [...INVOICED_KINDS, "ADJUSTMENT"] as const;
export type InvoiceLineKind = (typeof INVOICE_LINE_KINDS)[number];

/** Whether the recurring fee of a tenant's partial first or last period is charged whole or by the day. */
export const PRORATIONS = ["NONE", "DAILY"] as const;
export type Proration = (typeof PRORATIONS)[number];

/** Whether fees and commit are charged while a tenant is suspended. */
export const SUSPENSION_BILLINGS = ["CONTINUE", "PAUSE"] as const;
export type SuspensionBilling = (typeof SUSPENSION_BILLINGS)[number];

/** Why no price claims usage. */
export const UNPRICED_REASONS = ["NO_PRICE_FOR_METER", "NO_PRICE_FOR_DIMENSIONS"] as const;
export type UnpricedReason = (typeof UNPRICED_REASONS)[number];

/** Control records of `usage.received`. */
export const CONTROL_RECORD_KINDS = [
  "tick",
  "close",
  "void",
  "resolve",
  "backfill",
  "creditGrant",
  "creditVoid",
] as const;
export const LEDGER_ENTRY_KINDS = [
  "event",
  "import",
  "tick",
  "close",
  "void",
  "backfill",
  "creditGrant",
  "creditVoid",
] as const;

/** What became of a grant of prepaid credits. */
export const CREDIT_GRANT_STATUSES = ["ACTIVE", "USED_UP", "EXPIRED", "VOIDED"] as const;
export type CreditGrantStatus = (typeof CREDIT_GRANT_STATUSES)[number];

/** The outcome of an event in the ledger or in quarantine. UNMETERED: recorded, and no meter counts its type. */
export const USAGE_EVENT_STATUSES = ["RECORDED", "UNMETERED", "QUARANTINED", "VOIDED", "REFUSED"] as const;
export type UsageEventStatus = (typeof USAGE_EVENT_STATUSES)[number];

/** Versions of the invoice document. The closing entry in the ledger determines a period's version. */
export const INVOICE_VERSIONS = [1, 2] as const;
export type InvoiceVersion = (typeof INVOICE_VERSIONS)[number];
/** What recorders stamp closing entries with. */
export const CURRENT_INVOICE_VERSION: InvoiceVersion = 2;
