import type { Static } from "@sinclair/typebox";
import { eventContract } from "./contract.js";
import { quotaAlertData, quotaAlertExample } from "./quota-alert-data.js";

/** Recorded usage crossed a threshold of a limit. Deterministic id: tenant, limit, plan version, window start, threshold. */
export const quotaWarningV1 = eventContract("metrly.quota.warning.v1", quotaAlertData, quotaAlertExample("0.8", "800"));
export type QuotaWarningV1 = Static<typeof quotaWarningV1.schema>;
