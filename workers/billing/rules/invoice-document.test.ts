import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { Decimal, ZERO } from "#kernel/decimal.js";
import { at, planVersion, price } from "../world.testing.js";
import { type InvoiceFacts, invoiceDocument, invoiceIdOf, parseInvoiceId } from "./invoice-document.js";
import { adjustmentLines, chargeLines, type LateInput } from "./invoice-lines.js";

const period = { start: at("2026-01-01T00:00:00"), end: at("2026-02-01T00:00:00") };
const ref = { id: "pro", version: 3 };
const days = { total: 31, fee: 31, commit: 31 };
const prices = [
  price({
    ...{ meter: "tokens", model: "PER_UNIT", unitAmount: "0.5", divideBy: "1000" },
    where: [{ dimension: "model", value: "xl" }],
  }),
  price({ meter: "calls", model: "FLAT", unitAmount: "2" }),
];
const plan = { ref, terms: planVersion({ recurringFee: "10", minimumCommit: "100", prices }) };
const quantityOf = (quantity: string) => () => new Decimal(quantity);

const late: LateInput = {
  ...{ period, plan, invoiceId: "inv_acme_000001", invoiceNumber: "ACME-000001", days, version: 2 },
  ...{ quantityBefore: quantityOf("0"), quantityAfter: quantityOf("9000"), drawn: [] },
  invoiced: ({ kind }) =>
    kind === "RECURRING"
      ? { quantity: new Decimal(1), amount: new Decimal(10) }
      : { quantity: new Decimal(9000), amount: kind === "USAGE" ? new Decimal(2) : ZERO },
};
const lines = [...chargeLines(period, plan, quantityOf("1234"), days), ...adjustmentLines(late)];
const meters = new Map([
  ["tokens", { name: "Tokens", unit: "token" }],
  ["calls", { name: "Calls", unit: null }],
  ["seats", { name: "Seats", unit: null }],
]);
const facts: InvoiceFacts = {
  ...{ version: 2, tenantId: "acme", ordinal: 2, period, currency: "EUR", plan: ref, watermark: 77 },
  ...{ previousSha256: "ab".repeat(32), lines, meterOf: (key) => meters.get(key) },
  unpriced: [
    {
      ...{ meter: "seats", quantity: new Decimal("3.50"), eventCount: 4, reason: "NO_PRICE_FOR_METER" },
      dimensions: [{ dimension: "team", value: "x" }],
    },
  ],
  seller: { name: "Metrly", addressLines: ["Main Street 1"] },
  buyer: { name: "Acme", addressLines: [] },
};
const documentOf = (changes: Partial<InvoiceFacts> = {}) => JSON.parse(invoiceDocument({ ...facts, ...changes }).text);
const step = (quantity: string, unitAmount: string, amount: string, note: string | null) => ({
  ...{ quantity, unitAmount, flatAmount: "0", amount, note },
});

test("the document says everything that the invoice is derived from, as text", () => {
  const { lines: _, ...head } = documentOf();
  expect(head).toEqual({
    ...{ schema: "metrly.invoice.v2", id: "inv_acme_000002", number: "ACME-000002", tenantId: "acme" },
    period: { start: "2026-01-01T00:00:00.000Z", end: "2026-02-01T00:00:00.000Z" },
    ...{ currency: "EUR", plan: ref, watermark: "77", previousSha256: "ab".repeat(32) },
    seller: { name: "Metrly", addressLines: ["Main Street 1"] },
    buyer: { name: "Acme", addressLines: [] },
    meters: [
      { key: "calls", name: "Calls", unit: null },
      { key: "seats", name: "Seats", unit: null },
      { key: "tokens", name: "Tokens", unit: "token" },
    ],
    unpricedUsage: [
      {
        ...{ meter: "seats", dimensions: [{ dimension: "team", value: "x" }], quantity: "3.5", eventCount: "4" },
        reason: "NO_PRICE_FOR_METER",
      },
    ],
    total: "206.00",
  });
  const { text, sha256 } = invoiceDocument(facts);
  expect(sha256).toBe(createHash("sha256").update(text).digest("hex"));
  expect(documentOf({ seller: null, plan: null, previousSha256: null })).toMatchObject({
    ...{ seller: null, plan: null, previousSha256: null },
  });
});

test("each line carries its arithmetic, what it is about and what it adjusts", () => {
  const of = { meter: null, dimensions: [], plan: ref, price: null, adjusts: null };
  expect(documentOf().lines).toEqual([
    {
      ...{ ...of, kind: "RECURRING", description: "Recurring fee", quantity: "1", amount: "10.00" },
      arithmetic: [step("1", "10", "10", "recurring fee")],
    },
    {
      ...{ ...of, kind: "USAGE", description: "Usage of tokens (model xl)", quantity: "1234", amount: "0.62" },
      ...{ meter: "tokens", dimensions: [{ dimension: "model", value: "xl" }], price: 0 },
      arithmetic: [step("1.234", "0", "0", "divided by 1000"), step("1.234", "0.5", "0.617", null)],
    },
    {
      ...{ ...of, kind: "USAGE", description: "Usage of calls", quantity: "1234", amount: "2.00" },
      ...{ meter: "calls", price: 1, arithmetic: [step("1", "2", "2", "flat fee")] },
    },
    {
      ...{ ...of, kind: "MINIMUM_COMMIT", quantity: "1", amount: "97.38" },
      description: "Minimum commitment of 100.00, less usage charges",
      arithmetic: [step("1", "100", "100", "minimum commitment"), step("1", "-2.62", "-2.62", "less usage charges")],
    },
    {
      ...{ ...of, kind: "ADJUSTMENT", quantity: "0", amount: "2.50", meter: "tokens", price: 0 },
      description: "Adjustment for the period from 2026-01-01: Usage of tokens (model xl)",
      dimensions: [{ dimension: "model", value: "xl" }],
      arithmetic: [
        ...[step("9", "0", "0", "divided by 1000"), step("9", "0.5", "4.5", null)],
        step("1", "-2", "-2", "less the amount already invoiced; the steps above are rounded before it is subtracted"),
      ],
      adjusts: {
        ...{ invoiceId: "inv_acme_000001", invoiceNumber: "ACME-000001", kind: "USAGE" },
        ...{ periodStart: "2026-01-01T00:00:00.000Z", quantityBefore: "9000", quantityAfter: "9000" },
      },
    },
    {
      ...{ ...of, kind: "ADJUSTMENT", quantity: "-8999", amount: "93.50" },
      description: "Adjustment for the period from 2026-01-01: Minimum commitment of 100.00, less usage charges",
      arithmetic: [
        ...[step("1", "100", "100", "minimum commitment"), step("1", "-6.5", "-6.5", "less usage charges")],
        step("1", "0", "0", "less the amount already invoiced; the steps above are rounded before it is subtracted"),
      ],
      adjusts: {
        ...{ invoiceId: "inv_acme_000001", invoiceNumber: "ACME-000001", kind: "MINIMUM_COMMIT" },
        ...{ periodStart: "2026-01-01T00:00:00.000Z", quantityBefore: "9000", quantityAfter: "1" },
      },
    },
  ]);
});

test("version 1 has no parties, meters and numbers of adjusted invoices, and a lump sum as a flat amount", () => {
  const [fee, , , , adjustment] = documentOf({ version: 1 }).lines;
  const document = documentOf({ version: 1 });
  expect(document.schema).toBe("metrly.invoice.v1");
  for (const name of ["seller", "buyer", "meters", "unpricedUsage"]) expect(document).not.toHaveProperty(name);
  expect(fee.arithmetic).toEqual([
    { quantity: "0", unitAmount: "0", flatAmount: "10", amount: "10", note: "recurring fee" },
  ]);
  expect(adjustment.adjusts).not.toHaveProperty("invoiceNumber");
  expect(adjustment.description).toBe("Adjustment of 2026-01-01: Usage of tokens, model xl");
  expect(adjustment.arithmetic[1]).toMatchObject({ quantity: "9", flatAmount: "0" });
});

test("an adjustment only of the quantity is left out in version 1, a line that stays in both", () => {
  const same = (version: 1 | 2, quantity: string) =>
    adjustmentLines({
      ...{ ...late, version, quantityBefore: quantityOf("9000"), quantityAfter: quantityOf(quantity) },
      invoiced: ({ kind, priceIndex }) => ({
        quantity: new Decimal(kind === "USAGE" ? "9000" : "1"),
        amount: new Decimal(
          kind === "RECURRING" ? "10" : kind === "MINIMUM_COMMIT" ? "93.5" : (["4.5", "2"][priceIndex] ?? 0),
        ),
      }),
    }).map(({ quantity: changed, amount }) => `${changed} ${amount}`);
  expect([same(1, "9000"), same(2, "9000")]).toEqual([[], []]);
  expect([same(1, "9001"), same(2, "9001")]).toEqual([[], ["1 0", "1 0"]]);
});

test("what is charged no more is adjusted to nothing, with what was invoiced before", () => {
  const adjusted = (version: 1 | 2) =>
    adjustmentLines({
      ...{ ...late, version, quantityBefore: quantityOf("0"), quantityAfter: quantityOf("1000000") },
      invoiced: ({ kind }) => ({ quantity: ZERO, amount: new Decimal(kind === "MINIMUM_COMMIT" ? 98 : 10) }),
    }).at(-1);
  for (const version of [1, 2] as const) expect(adjusted(version)?.amount.toFixed()).toBe("-98");
  expect(adjusted(1)?.adjusts?.quantityBefore.toFixed()).toBe("1");
  expect(adjusted(2)?.adjusts?.quantityBefore.toFixed()).toBe("0");
  expect(adjusted(2)?.arithmetic).toHaveLength(1);
});

test("an invoice of a meter that is not known is a bug", () => {
  expect(() => invoiceDocument({ ...facts, meterOf: () => undefined })).toThrow(
    "an invoice names an unknown meter: calls",
  );
});

test("ids of invoices are read back, and other texts are none", () => {
  for (const [tenantId, ordinal] of [
    ["acme", 1],
    ["a_b", 123_456_789],
    ["x".repeat(64), 1_000_000],
  ] as const)
    expect(parseInvoiceId(invoiceIdOf(tenantId, ordinal))).toEqual({ tenantId, ordinal });
  for (const id of [
    ...["", "inv_acme_1", "inv_acme_0000001", "inv_acme_00000a", "inv__000001", "inv_-a_000001"],
    ...["xinv_acme_000001", "inv_acme_000001x", `inv_${"x".repeat(65)}_000001`, "inv_acme_1234567890"],
  ])
    expect(parseInvoiceId(id)).toBeUndefined();
});
