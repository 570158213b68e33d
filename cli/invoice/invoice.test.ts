import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import { textOf } from "./invoice.js";

const step = { quantity: "3", unitAmount: "0.5", flatAmount: "0", amount: "1.5", note: null };
const tier = { ...step, flatAmount: "10", amount: "11.5", note: "tier 2 and above" };
const fee = { quantity: "0", unitAmount: "0", flatAmount: "19", amount: "19", note: "flat amount" };
const line = {
  ...{ kind: "USAGE", description: '=Calls <b>&"', meter: "calls", price: 0, adjusts: null },
  ...{ dimensions: [{ dimension: "region", value: "eu" }], quantity: "3", amount: "1.50" },
  ...{ plan: { id: "pro", version: 2 }, arithmetic: [step, tier, fee] },
};
const adjusts = {
  ...{ invoiceId: "inv_acme_000001", kind: "USAGE", periodStart: "2026-09-01T00:00:00.000Z" },
  ...{ quantityBefore: "5", quantityAfter: "3" },
};
const document = JSON.stringify({
  ...{ schema: "metrly.invoice.v1", id: "inv_acme_000002", number: "ACME-000002", tenantId: "acme", currency: "EUR" },
  period: { start: "2026-10-01T00:00:00.000Z", end: "2026-11-01T00:00:00.000Z" },
  ...{ plan: { id: "pro", version: 2 }, watermark: "41", previousSha256: null, total: "0.50" },
  lines: [line, { ...line, kind: "ADJUSTMENT", description: "Calls", quantity: "-2", amount: "-1.00", adjusts }],
});

const exported = { document, sha256: "hash", generatedAt: "2026-11-04T00:00:05.000Z" };

test("as JSON an invoice is its own bytes", () => {
  expect(textOf(exported, "json")).toBe(document);
});

test("as CSV it is a row per line; formula-like texts stay text, and negative amounts stay numbers", () => {
  const rows: Record<string, string>[] = parse(textOf(exported, "csv"), { columns: true });
  expect(rows).toMatchObject([
    {
      line: "1",
      description: "'=Calls <b>&\"",
      dimensions: "region=eu",
      quantity: "3",
      amount: "1.50",
      currency: "EUR",
    },
    { kind: "ADJUSTMENT", quantity: "-2", amount: "-1.00", adjustsInvoice: "inv_acme_000001", planVersion: "2" },
  ]);
});
