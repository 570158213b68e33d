import { type Static, Type } from "@sinclair/typebox";
import { contract } from "./contract.js";
import { invoiceV1 } from "./invoice.v1.js";

/** The members of version 1. Its texts are other ones, and a lump sum (a fee, a discount) is one unit of itself: 1 x 19 = 19. */
const schema = Type.Object({ ...invoiceV1.schema.properties, schema: Type.Literal("metrly.invoice.v2") });

export const invoiceV2 = contract("metrly.invoice.v2", schema, {
  ...invoiceV1.example,
  schema: "metrly.invoice.v2",
  lines: [
    {
      kind: "RECURRING",
      description: "Recurring fee",
      meter: null,
      dimensions: [],
      quantity: "1",
      amount: "19.00",
      plan: { id: "pro", version: 2 },
      price: null,
      arithmetic: [{ quantity: "1", unitAmount: "19", flatAmount: "0", amount: "19", note: "recurring fee" }],
      adjusts: null,
    },
  ],
  total: "19.00",
});

/** Reads a stored invoice of either version. Throws UpgradeRequired for one that newer code wrote. */
export function readInvoice(text: string): Static<typeof invoiceV1.schema> | Static<typeof schema> {
  const value: { readonly schema?: unknown } = JSON.parse(text);
  return value.schema === invoiceV1.type ? invoiceV1.parse(value) : invoiceV2.parse(value);
}
