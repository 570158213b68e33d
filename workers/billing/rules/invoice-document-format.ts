import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { oneOf } from "#schema/events/contract.js";
import { CHARGE_KINDS, INVOICE_LINE_KINDS } from "#schema/vocabulary.js";

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
  kind: oneOf(INVOICE_LINE_KINDS),
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
      kind: oneOf(CHARGE_KINDS),
      periodStart: Type.String(),
      quantityBefore: Type.String(),
      quantityAfter: Type.String(),
    }),
    Type.Null(),
  ]),
});
export type LineDocument = Static<typeof LineDocument>;

/** The invoice document, version 1: what `Invoice.document` holds as canonical JSON. Amounts have the currency's minor digits. */
const InvoiceDocumentV1 = Type.Object({
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
export type InvoiceDocumentV1 = Static<typeof InvoiceDocumentV1>;

export function parseInvoiceDocument(text: string): InvoiceDocumentV1 {
  return Value.Parse(InvoiceDocumentV1, JSON.parse(text));
}
