import { type Static, Type } from "@sinclair/typebox";
import { decimalText, eventContract, timeText } from "./contract.js";

const data = Type.Object({
  tenantId: Type.String(),
  invoiceId: Type.String(),
  number: Type.String(),
  periodStart: timeText,
  periodEnd: timeText,
  currency: Type.String(),
  total: decimalText,
  sha256: Type.String(),
  generatedAt: timeText,
});

/** An invoice was written, immutable, in the transaction that closed its period. */
export const invoiceGeneratedV1 = eventContract("metrly.invoice.generated.v1", data, {
  id: "invoice-generated:inv_acme_000001",
  source: "metrly/billing",
  subject: "acme",
  time: "2026-11-04T00:00:05.000Z",
  data: {
    tenantId: "acme",
    invoiceId: "inv_acme_000001",
    number: "ACME-000001",
    periodStart: "2026-10-01T00:00:00.000Z",
    periodEnd: "2026-11-01T00:00:00.000Z",
    currency: "EUR",
    total: "129.40",
    sha256: "0".repeat(64),
    generatedAt: "2026-11-04T00:00:05.000Z",
  },
});
export type InvoiceGeneratedV1 = Static<typeof invoiceGeneratedV1.schema>;
