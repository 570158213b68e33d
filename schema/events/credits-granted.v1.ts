import { type Static, Type } from "@sinclair/typebox";
import { decimalText, eventContract, timeText } from "./contract.js";

const data = Type.Object({
  tenantId: Type.String(),
  grantId: Type.String(),
  amount: decimalText,
  currency: Type.String(),
  priority: Type.Integer(),
  /** Null: it does not expire. */
  expiresAt: Type.Union([timeText, Type.Null()]),
  reason: Type.String(),
  /** By the tenant's own clock. */
  grantedAt: timeText,
});

/** Prepaid credits were granted, and pay for usage from now on. Deterministic id: tenant and grant. */
export const creditsGrantedV1 = eventContract("metrly.credits.granted.v1", data, {
  id: "credits-granted:acme:welcome-2026",
  source: "metrly/billing",
  subject: "acme",
  time: "2026-11-24T06:23:28.000Z",
  data: {
    tenantId: "acme",
    grantId: "welcome-2026",
    amount: "25.00",
    currency: "EUR",
    priority: 0,
    expiresAt: "2027-01-01T00:00:00.000Z",
    reason: "Welcome",
    grantedAt: "2026-11-24T06:23:27.000Z",
  },
});
export type CreditsGrantedV1 = Static<typeof creditsGrantedV1.schema>;
