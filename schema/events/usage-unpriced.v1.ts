import { type Static, Type } from "@sinclair/typebox";
import { UNPRICED_REASONS } from "../vocabulary.js";
import { eventContract, oneOf, timeText } from "./contract.js";
import { growing } from "./growing.js";

const data = Type.Object({
  tenantId: Type.String(),
  meter: Type.String(),
  periodStart: timeText,
  periodEnd: timeText,
  planId: Type.String(),
  planVersion: Type.Integer({ minimum: 1 }),
  reason: growing("reason of unpriced usage", oneOf(UNPRICED_REASONS)),
  /** Of the usage that was noticed first, in the meter's order; empty: the meter has no price, or many combinations have none. */
  dimensions: Type.Array(Type.Object({ dimension: Type.String(), value: Type.String() })),
  /** When billing first saw it. */
  at: timeText,
});

/**
 * A tenant has usage that no price of its plan claims: once per tenant, meter and billing period. Deterministic id: tenant, meter,
 * start of the period.
 */
export const usageUnpricedV1 = eventContract("metrly.usage.unpriced.v1", data, {
  id: "usage-unpriced:acme:tokens:2026-11-01",
  source: "metrly/billing",
  subject: "acme",
  time: "2026-11-24T06:23:28.000Z",
  data: {
    tenantId: "acme",
    meter: "tokens",
    periodStart: "2026-11-01T00:00:00.000Z",
    periodEnd: "2026-12-01T00:00:00.000Z",
    planId: "pro",
    planVersion: 2,
    reason: "NO_PRICE_FOR_DIMENSIONS" as const,
    dimensions: [{ dimension: "model", value: "xl" }],
    at: "2026-11-24T06:23:28.000Z",
  },
});
export type UsageUnpricedV1 = Static<typeof usageUnpricedV1.schema>;
