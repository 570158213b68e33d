import { type Static, Type } from "@sinclair/typebox";
import { isJsonObject } from "#kernel/json.js";
import { INVOICE_LINE_KINDS, INVOICED_KINDS, UNPRICED_REASONS } from "../vocabulary.js";
import { contract, oneOf } from "./contract.js";
import { growing } from "./growing.js";
import { invoiceV1 } from "./invoice.v1.js";

const UnpricedDocument = Type.Object({
  meter: Type.String(),
  /** In the meter's order; empty: all of its usage that nothing claims together. */
  dimensions: Type.Array(Type.Object({ dimension: Type.String(), value: Type.String() })),
  quantity: Type.String(),
  eventCount: Type.String(),
  reason: growing("reason of unpriced usage", oneOf(UNPRICED_REASONS)),
});
export type UnpricedDocument = Static<typeof UnpricedDocument>;

const { lines } = invoiceV1.schema.properties;
const [Adjusts, NoAdjusts] = lines.items.properties.adjusts.anyOf;
/** As in version 1; an adjustment names the number of the invoice that it adjusts, too, and a line of credits the grant. */
const LineDocument = Type.Object({
  ...lines.items.properties,
  kind: growing("kind of line", oneOf(INVOICE_LINE_KINDS)),
  adjusts: Type.Union([
    Type.Object({
      ...Adjusts.properties,
      kind: growing("kind of line", oneOf(INVOICED_KINDS)),
      invoiceNumber: Type.String(),
    }),
    NoAdjusts,
  ]),
  grantId: Type.Optional(Type.String()),
});
type Line = Static<typeof LineDocument>;
/** A line of either version. */
export type LineDocument = Omit<Line, "adjusts"> & {
  readonly adjusts: (Omit<NonNullable<Line["adjusts"]>, "invoiceNumber"> & { readonly invoiceNumber?: string }) | null;
};

/** Who sends the invoice or whom it is for, as it was when the period ended. */
const PartyDocument = Type.Object({
  name: Type.String(),
  addressLines: Type.Array(Type.String()),
});
export type PartyDocument = Static<typeof PartyDocument>;

/** A meter that a line or unpriced usage names. */
const MeterDocument = Type.Object({
  key: Type.String(),
  name: Type.String(),
  unit: Type.Union([Type.String(), Type.Null()]),
});
export type MeterDocument = Static<typeof MeterDocument>;

/**
 * The members of version 1, seller and buyer, the names and units of meters, and the usage of the period that no price of the plan
 * claims. Its texts are other ones, a lump sum (a fee, a discount) is one unit of itself (1 x 19 = 19), and an adjustment's
 * `quantityBefore` is what was last invoiced.
 */
const schema = Type.Object({
  ...invoiceV1.schema.properties,
  schema: Type.Literal("metrly.invoice.v2"),
  lines: Type.Array(LineDocument),
  /** Null: the installation names no seller. */
  seller: Type.Union([PartyDocument, Type.Null()]),
  buyer: PartyDocument,
  /** Each once, in the order of their keys. */
  meters: Type.Array(MeterDocument),
  unpricedUsage: Type.Array(UnpricedDocument),
});

export const invoiceV2 = contract("metrly.invoice.v2", schema, {
  ...invoiceV1.example,
  schema: "metrly.invoice.v2",
  seller: { name: "Example Software GmbH", addressLines: ["Hauptstraße 1", "10115 Berlin", "VAT ID DE123456789"] },
  buyer: { name: "Łódź Café 株式会社", addressLines: ["ul. Piotrkowska 1", "90-001 Łódź", "Poland"] },
  meters: [{ key: "calls", name: "API calls", unit: "call" }],
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
  unpricedUsage: [{ meter: "calls", dimensions: [], quantity: "12", eventCount: "12", reason: "NO_PRICE_FOR_METER" }],
  total: "19.00",
});

/** Reads a stored invoice of either version. Throws UpgradeRequired for one that newer code wrote. */
export function readInvoice(text: string): Static<typeof invoiceV1.schema> | Static<typeof schema> {
  const value: { readonly schema?: unknown } = JSON.parse(text);
  return value.schema === invoiceV1.type ? invoiceV1.parse(value) : invoiceV2.parse(withLaterMembers(value));
}

/** Version 2 as it was written before it had these members: not released, but stored by whoever ran it. */
function withLaterMembers(value: object): object {
  if (!isJsonObject(value) || value.schema !== invoiceV2.type || "buyer" in value) return value;
  const lines = Array.isArray(value.lines) ? value.lines.map(withInvoiceNumber) : value.lines;
  return { ...value, lines, seller: null, buyer: { name: value.tenantId, addressLines: [] }, meters: [] };
}

function withInvoiceNumber(line: unknown): unknown {
  if (!isJsonObject(line) || !isJsonObject(line.adjusts)) return line;
  return { ...line, adjusts: { ...line.adjusts, invoiceNumber: line.adjusts.invoiceId } };
}
