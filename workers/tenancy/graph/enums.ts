import { enumOf } from "#platform/graphql/enums.js";
import {
  AGGREGATIONS,
  API_KEY_SCOPES,
  LIMIT_KINDS,
  PRICE_MODELS,
  PRORATIONS,
  QUOTA_WINDOWS,
  ROLES,
  SUSPENSION_BILLINGS,
  TENANT_STATUSES,
  VIEWER_KINDS,
} from "#schema/vocabulary.js";

export const TenantStatus = enumOf("TenantStatus", TENANT_STATUSES);
export const ViewerKind = enumOf("ViewerKind", VIEWER_KINDS);
export const Role = enumOf("Role", ROLES);
export const ApiKeyScope = enumOf("ApiKeyScope", API_KEY_SCOPES);
export const Aggregation = enumOf(
  "Aggregation",
  AGGREGATIONS,
  "COUNT: the number of events. SUM, MAX: the sum and the highest value of `valueProperty`. UNIQUE: the number of its distinct values. LATEST: its value in the event with the latest `time`",
);
export const PriceModel = enumOf(
  "PriceModel",
  PRICE_MODELS,
  "FLAT: `unitAmount` once. PER_UNIT: `unitAmount` per unit. GRADUATED: each tier prices the units in it. VOLUME: the tier that the quantity falls into prices all units. PACKAGE: `unitAmount` for each package of `packageSize` begun. PERCENTAGE: `ratePercent` of the quantity",
);
export const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS);
export const Proration = enumOf(
  "Proration",
  PRORATIONS,
  "NONE: in full. DAILY: by the day (UTC), including each day begun",
);
export const SuspensionBilling = enumOf(
  "SuspensionBilling",
  SUSPENSION_BILLINGS,
  "Whether fees and commit are charged during a suspension",
);
export const LimitKind = enumOf("LimitKind", LIMIT_KINDS, "HARD: denies requests beyond the limit. SOFT: only warns");
