import type { Static } from "@sinclair/typebox";
import { contract, envelope } from "./contract.js";
import { quotaAlertData, quotaAlertExample } from "./quota-alert-data.js";

const TYPE = "metrly.quota.warning.v1";
const schema = envelope(TYPE, quotaAlertData);

/** Recorded usage crossed a threshold of a limit. Deterministic id: tenant, limit, plan version, window start, threshold. */
export const quotaWarningV1 = contract(TYPE, schema, quotaAlertExample(TYPE, "0.8", "800"));
export type QuotaWarningV1 = Static<typeof schema>;
