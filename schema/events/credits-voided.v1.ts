import { type Static, Type } from "@sinclair/typebox";
import { decimalText, eventContract, timeText } from "./contract.js";

const data = Type.Object({
  tenantId: Type.String(),
  grantId: Type.String(),
  /** What was left of the grant. */
  amount: decimalText,
  currency: Type.String(),
  reason: Type.String(),
  /** By the tenant's own clock. */
  voidedAt: timeText,
});

/** What was left of a grant of prepaid credits was taken back. Deterministic id: tenant and grant. */
export const creditsVoidedV1 = eventContract("metrly.credits.voided.v1", data, {
  id: "credits-voided:acme:welcome-2026",
  source: "metrly/billing",
  subject: "acme",
  time: "2026-11-24T06:23:28.000Z",
  data: {
    tenantId: "acme",
    grantId: "welcome-2026",
    amount: "12.50",
    currency: "EUR",
    reason: "Paid back",
    voidedAt: "2026-11-24T06:23:27.000Z",
  },
});
export type CreditsVoidedV1 = Static<typeof creditsVoidedV1.schema>;
