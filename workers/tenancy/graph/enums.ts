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
export const Aggregation = enumOf("Aggregation", AGGREGATIONS);
export const PriceModel = enumOf(
  "PriceModel",
  PRICE_MODELS,
  "FLAT: `unitAmount` once. PACKAGE: `unitAmount` per started package of `packageSize`. PERCENTAGE: `ratePercent` of the quantity",
);
export const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS);
export const Proration = enumOf("Proration", PRORATIONS, "Of a partial first or last period");
export const SuspensionBilling = enumOf("SuspensionBilling", SUSPENSION_BILLINGS);
export const LimitKind = enumOf("LimitKind", LIMIT_KINDS);
