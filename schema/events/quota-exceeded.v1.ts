import type { Static } from "@sinclair/typebox";
import { contract, envelope } from "./contract.js";
import { quotaAlertData, quotaAlertExample } from "./quota-alert-data.js";

const TYPE = "metrly.quota.exceeded.v1";
const schema = envelope(TYPE, quotaAlertData);

/** Recorded usage reached a limit, or a window had its first denial. Deterministic id. */
export const quotaExceededV1 = contract(TYPE, schema, quotaAlertExample(TYPE, "1", "1000"));
export type QuotaExceededV1 = Static<typeof schema>;
