import { registerEnumType } from "type-graphql";

/** GraphQL's enums are the unions of the event contracts: each name is its own value. */
const enumOf = <const T extends readonly string[]>(...names: T): { readonly [K in T[number]]: K } =>
  Object.assign({}, ...names.map((name) => ({ [name]: name })));

export const TenantStatus = enumOf("ACTIVE", "SUSPENDED", "CLOSED");
export const ViewerKind = enumOf("USER", "API_KEY");
export const Role = enumOf("PLATFORM_ADMIN", "TENANT_ADMIN", "TENANT_VIEWER");
export const ApiKeyScope = enumOf("INGEST", "QUOTA", "READ", "ADMIN");
export const Aggregation = enumOf("COUNT", "SUM", "MAX", "UNIQUE", "LATEST");
export const PriceModel = enumOf("FLAT", "PER_UNIT", "GRADUATED", "VOLUME", "PACKAGE", "PERCENTAGE");
export const QuotaWindow = enumOf("SECOND", "MINUTE", "HOUR", "DAY", "BILLING_PERIOD");
export const LimitKind = enumOf("SOFT", "HARD");

registerEnumType(TenantStatus, { name: "TenantStatus" });
registerEnumType(ViewerKind, { name: "ViewerKind" });
registerEnumType(Role, { name: "Role" });
registerEnumType(ApiKeyScope, { name: "ApiKeyScope" });
registerEnumType(Aggregation, { name: "Aggregation" });
registerEnumType(PriceModel, {
  name: "PriceModel",
  description:
    "FLAT: `unitAmount` once. PACKAGE: `unitAmount` per started package of `packageSize`. PERCENTAGE: `ratePercent` of the quantity",
});
registerEnumType(QuotaWindow, { name: "QuotaWindow" });
registerEnumType(LimitKind, { name: "LimitKind" });
