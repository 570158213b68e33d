import type { Static } from "@sinclair/typebox";
import { contract, envelope } from "./contract.js";
import { quotaAlertData, quotaAlertExample } from "./quota-alert-data.js";

const TYPE = "metrly.quota.exceeded.v1";
const schema = envelope(TYPE, quotaAlertData);

/** A limit was reached by recorded usage, or a request was denied for the first time in a window. Deterministic id. */
export const quotaExceededV1 = contract(TYPE, schema, quotaAlertExample(TYPE, "1", "1000"));
export type QuotaExceededV1 = Static<typeof schema>;
