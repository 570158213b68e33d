import { type Static, Type } from "@sinclair/typebox";
import { eventContract, seq, timeText } from "./contract.js";

const data = Type.Object({
  tenantId: Type.String(),
  periodStart: timeText,
  periodEnd: timeText,
  /** The watermark: the last `seq` of the tenant's partition in the period's invoice. */
  watermark: seq,
  closedAt: timeText,
  /** Null: the tenant had no plan in the period, and there was nothing to adjust. */
  invoiceId: Type.Union([Type.String(), Type.Null()]),
});

/** A tenant's billing period is closed permanently: later usage becomes adjustments. */
export const billingPeriodClosedV1 = eventContract("metrly.billing.period.closed.v1", data, {
  id: "period-closed:acme:2026-10-01",
  source: "metrly/billing",
  subject: "acme",
  time: "2026-11-04T00:00:05.000Z",
  data: {
    tenantId: "acme",
    periodStart: "2026-10-01T00:00:00.000Z",
    periodEnd: "2026-11-01T00:00:00.000Z",
    watermark: 9120,
    closedAt: "2026-11-04T00:00:05.000Z",
    invoiceId: "inv_acme_000001",
  },
});
export type BillingPeriodClosedV1 = Static<typeof billingPeriodClosedV1.schema>;
