import type { Static } from "@sinclair/typebox";
import { eventContract } from "./contract.js";
import { quotaAlertData, quotaAlertExample } from "./quota-alert-data.js";

/** Recorded usage reached a limit, or a window had its first denial. Deterministic id. */
export const quotaExceededV1 = eventContract(
  "metrly.quota.exceeded.v1",
  quotaAlertData,
  quotaAlertExample("1", "1000"),
);
export type QuotaExceededV1 = Static<typeof quotaExceededV1.schema>;
