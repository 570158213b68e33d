import { Type } from "@sinclair/typebox";
import { CHARGE_KINDS } from "../vocabulary.js";
import { contract, oneOf } from "./contract.js";
import { growing } from "./growing.js";

const PlanRef = Type.Object({ id: Type.String(), version: Type.Integer() });
const DimensionMatch = Type.Object({ dimension: Type.String(), value: Type.String() });
const StepDocument = Type.Object({
  quantity: Type.String(),
  unitAmount: Type.String(),
  flatAmount: Type.String(),
  amount: Type.String(),
  note: Type.Union([Type.String(), Type.Null()]),
});
const LineDocument = Type.Object({
  kind: growing("kind of line", oneOf([...CHARGE_KINDS, "ADJUSTMENT"] as const)),
  description: Type.String(),
  meter: Type.Union([Type.String(), Type.Null()]),
  dimensions: Type.Array(DimensionMatch),
  quantity: Type.String(),
  amount: Type.String(),
  plan: PlanRef,
  /** Position of the price in its plan version. */
  price: Type.Union([Type.Integer(), Type.Null()]),
  arithmetic: Type.Array(StepDocument),
  adjusts: Type.Union([
    Type.Object({
      invoiceId: Type.String(),
      /** The kind of the line that it adjusts. */
      kind: growing("kind of line", oneOf(CHARGE_KINDS)),
      periodStart: Type.String(),
      quantityBefore: Type.String(),
      quantityAfter: Type.String(),
    }),
    Type.Null(),
  ]),
});

/** The invoice document, version 1: what `Invoice.document` holds as canonical JSON. Amounts have the currency's minor digits. */
const schema = Type.Object({
  schema: Type.Literal("metrly.invoice.v1"),
  id: Type.String(),
  number: Type.String(),
  tenantId: Type.String(),
  period: Type.Object({ start: Type.String(), end: Type.String() }),
  currency: Type.String(),
  plan: Type.Union([PlanRef, Type.Null()]),
  /** The last `seq` of the tenant's partition that the invoice knows of. */
  watermark: Type.String(),
  /** SHA-256 of the tenant's previous invoice's document. */
  previousSha256: Type.Union([Type.String(), Type.Null()]),
  lines: Type.Array(LineDocument),
  total: Type.String(),
});

export const invoiceV1 = contract("metrly.invoice.v1", schema, {
  schema: "metrly.invoice.v1",
  id: "inv_acme_000001",
  number: "ACME-000001",
  tenantId: "acme",
  period: { start: "2026-10-01T00:00:00.000Z", end: "2026-11-01T00:00:00.000Z" },
  currency: "EUR",
  plan: { id: "pro", version: 2 },
  watermark: "9120",
  previousSha256: null,
  lines: [
    {
      kind: "USAGE",
      description: "Usage of api_calls, region eu",
      meter: "api_calls",
      dimensions: [{ dimension: "region", value: "eu" }],
      quantity: "205",
      amount: "150.50",
      plan: { id: "pro", version: 2 },
      price: 0,
      arithmetic: [
        { quantity: "100", unitAmount: "1", flatAmount: "0", amount: "100", note: "tier 1, up to 100" },
        { quantity: "105", unitAmount: "0.5", flatAmount: "0", amount: "50.5", note: "tier 2, without end" },
      ],
      adjusts: null,
    },
  ],
  total: "150.50",
});
