import { enumOf } from "#platform/graphql/enums.js";
import {
  AGGREGATIONS,
  API_KEY_SCOPES,
  LIMIT_KIND_MEANINGS,
  LIMIT_KINDS,
  LIMIT_UNIT_MEANINGS,
  LIMIT_UNITS,
  PRICE_MODELS,
  PRORATIONS,
  QUOTA_WINDOWS,
  ROLES,
  SUSPENSION_BILLINGS,
  TENANT_STATUSES,
  VIEWER_KINDS,
  WINDOW_MEANINGS,
} from "#schema/vocabulary.js";

export const TenantStatus = enumOf("TenantStatus", TENANT_STATUSES, "Whether a tenant is served", {
  ACTIVE: "Served",
  SUSPENDED: "`consume` denies; usage is recorded and charged",
  CLOSED: "Ended permanently: `consume` denies, and usage from after the closing is refused",
});
export const ViewerKind = enumOf("ViewerKind", VIEWER_KINDS, "What kind of caller it is", {
  USER: "A person, with a token",
  API_KEY: "A program, with an API key",
});
export const Role = enumOf("Role", ROLES, "What a caller may do in the graph; each role includes those after it", {
  PLATFORM_ADMIN:
    "Everything, for all tenants: create tenants, meters and plans, change plans, void events, close periods",
  TENANT_ADMIN: "Of its tenant: issue, rotate and revoke keys, manage webhook endpoints, read the audit log",
  TENANT_VIEWER:
    "Read only: usage, limits, invoices, alerts and events of its tenant (or of all tenants, if it is bound to none), meters and plans. No keys, endpoints or audit log, and no changes",
});
export const ApiKeyScope = enumOf(
  "ApiKeyScope",
  API_KEY_SCOPES,
  "What an API key may do; a key has one or more scopes",
  {
    INGEST: "Send usage, and look up events over HTTP",
    QUOTA: "Ask for quota: `consume`, `check`, `release`, `batch`",
    READ: "Read in the graph, as TENANT_VIEWER, and look up events over HTTP",
    ADMIN: "Everything in the graph: as TENANT_ADMIN, or PLATFORM_ADMIN for a platform key",
  },
);
export const Aggregation = enumOf("Aggregation", AGGREGATIONS, "How a meter's events become a quantity", {
  COUNT: "The number of events",
  SUM: "The sum of `valueProperty`",
  MAX: "The highest value of `valueProperty`",
  UNIQUE: "The number of distinct values of `valueProperty`",
  LATEST: "The value of `valueProperty` in the event with the latest `time`",
});
export const PriceModel = enumOf("PriceModel", PRICE_MODELS, "How a quantity becomes an amount", {
  FLAT: "`unitAmount` once, whatever the usage",
  PER_UNIT: "`unitAmount` per unit",
  GRADUATED: "Each tier prices the units in it",
  VOLUME: "The tier that the quantity falls into prices all units",
  PACKAGE: "`unitAmount` for each package of `packageSize` begun",
  PERCENTAGE: "`ratePercent` of the quantity",
});
export const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS, "The time over which a limit counts", WINDOW_MEANINGS);
export const Proration = enumOf(
  "Proration",
  PRORATIONS,
  "How the recurring fee of a partial first or last period is charged",
  { NONE: "In full", DAILY: "By the day (UTC), including each day begun" },
);
export const SuspensionBilling = enumOf(
  "SuspensionBilling",
  SUSPENSION_BILLINGS,
  "Whether the recurring fee and the minimum commit are charged during a suspension; usage always is",
  { CONTINUE: "They are", PAUSE: "They are not, for each day (UTC) that the suspension covers completely" },
);
export const LimitUnit = enumOf("LimitUnit", LIMIT_UNITS, "What a limit counts", LIMIT_UNIT_MEANINGS);
export const LimitKind = enumOf("LimitKind", LIMIT_KINDS, "What happens at a limit", LIMIT_KIND_MEANINGS);
