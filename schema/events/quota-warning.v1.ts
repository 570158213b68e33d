import type { Static } from "@sinclair/typebox";
import { contract, envelope } from "./contract.js";
import { quotaAlertData, quotaAlertExample } from "./quota-alert-data.js";

const TYPE = "metrly.quota.warning.v1";
const schema = envelope(TYPE, quotaAlertData);

/** A threshold of a limit was crossed by recorded usage. Its id is deterministic: tenant, limit, plan version, window start, threshold. */
export const quotaWarningV1 = contract(TYPE, schema, quotaAlertExample(TYPE, "0.8", "800"));
export type QuotaWarningV1 = Static<typeof schema>;
