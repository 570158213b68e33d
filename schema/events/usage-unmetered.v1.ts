import { type Static, Type } from "@sinclair/typebox";
import { eventContract, timeText } from "./contract.js";

const data = Type.Object({
  tenantId: Type.String(),
  eventType: Type.String(),
  /** When billing first saw it. */
  at: timeText,
});

/** A tenant sent events of a type that no meter counts: once per tenant and type. Deterministic id: tenant, type. */
export const usageUnmeteredV1 = eventContract("metrly.usage.unmetered.v1", data, {
  id: "usage-unmetered:acme:api.requst",
  source: "metrly/billing",
  subject: "acme",
  time: "2026-11-24T06:23:28.000Z",
  data: { tenantId: "acme", eventType: "api.requst", at: "2026-11-24T06:23:28.000Z" },
});
export type UsageUnmeteredV1 = Static<typeof usageUnmeteredV1.schema>;
