import { expect, test } from "vitest";
import { invoiceV2 } from "#schema/events/invoice.v2.js";
import { createTypesetter } from "./fonts.js";
import { invoicePage } from "./page.js";
import { invoicePdf } from "./pdf.js";
import { type InvoiceDocument, paperOf } from "./words.js";

const plan = { id: "growth", version: 2 };
type Line = ReturnType<typeof invoiceV2.parse>["lines"][number];
type Step = Line["arithmetic"][number];
const step = (quantity: string, unitAmount: string, flatAmount: string, amount: string, note: string | null): Step => ({
  ...{ quantity, unitAmount, flatAmount, amount, note },
});
const line = (over: Partial<Line>): Line => ({
  ...{ kind: "USAGE" as const, description: "", meter: "calls", dimensions: [], quantity: "1", amount: "0.00" },
  ...{ plan, price: 0, arithmetic: [], adjusts: null, ...over },
});
const fee = line({
  ...{ kind: "RECURRING", description: "Recurring fee", meter: null, amount: "19.00" },
  arithmetic: [step("1", "19", "0", "19", "recurring fee")],
});

/** An invoice of the current version as it is stored. */
function invoice(over: Partial<ReturnType<typeof invoiceV2.parse>> = {}) {
  const document = invoiceV2.parse({ ...invoiceV2.example, lines: [fee], unpricedUsage: [], ...over });
  return { document, sha256: "c0ffee", issuedAt: Date.UTC(2026, 10, 4, 9) };
}

const asText = (steps: readonly { words: string; quantity: string; amount: string }[]): string[] =>
  steps.map(({ words, quantity, amount }) => `${words} | ${quantity} | ${amount}`);

test("a price is told in words: allowance, tiers, packages, discount, minimum and cap", () => {
  const arithmetic = [
    step("1234567", "0", "0", "0", "divided by 1000, rounded up"),
    step("1000", "0", "0", "0", "included"),
    step("1000", "0.1", "0", "100", "0 to 1,000"),
    step("234567", "0.04", "10", "9392.68", "above 1,000"),
    step("2", "5", "0", "10", "packages of 1000"),
    step("70", "0.025", "0", "1.75", "2.5 %"),
    step("1", "-950.443", "0", "-950.443", "10 % discount"),
    step("1", "5", "0", "5", "raised to the minimum of 2500"),
    step("1", "-5", "0", "-5", "capped at 1000.5"),
  ];
  const { lines } = paperOf(invoice({ lines: [line({ quantity: "1234567000", amount: "1000.50", arithmetic })] }));
  expect(lines[0]).toMatchObject({ title: "API calls", quantity: "1,234,567,000", unit: "call", amount: "1,000.50" });
  expect(asText(lines[0]?.steps ?? [])).toEqual([
    "Counted in units of 1,000, rounded up | 1,234,567 | ",
    "Included in the plan | 1,000 | ",
    "0 to 1,000 at 0.10 | 1,000 | 100.00",
    "Above 1,000 at 0.04 plus 10.00 | 234,567 | 9,392.68",
    "Packages of 1,000 at 5.00 | 2 | 10.00",
    "2.5 % of the quantity | 70 | 1.75",
    "Discount of 10 % |  | \u2212950.443",
    "Raised to the minimum of 2,500.00 |  | 5.00",
    "Capped at 1,000.50 |  | \u22125.00",
  ]);
});

test("a price has all its digits, an exact amount as many", () => {
  const arithmetic = [
    step("3", "0.000000000123", "0", `0.${"3".repeat(40)}`, "0 to 3"),
    step("1", "1", "0", "1", "above 3"),
  ];
  const { lines } = paperOf(invoice({ lines: [line({ arithmetic })] }));
  expect(lines[0]?.steps[0]).toMatchObject({ words: "0 to 3 at 0.000000000123", amount: `0.${"3".repeat(12)}…` });
});

test("a fee is a sum of its own: nothing is multiplied by zero, in either version of the document", () => {
  const flat = step("0", "0", "19", "19", "recurring fee");
  const { seller: _, buyer: __, meters: ___, unpricedUsage: ____, ...members } = invoice().document;
  const document: InvoiceDocument = {
    ...members,
    schema: "metrly.invoice.v1",
    lines: [{ ...fee, kind: "RECURRING", adjusts: null, arithmetic: [flat] }],
  };
  const old = paperOf({ ...invoice(), document });
  for (const paper of [old, paperOf(invoice())]) {
    expect(paper.lines).toMatchObject([{ title: "Recurring fee", quantity: "", amount: "19.00", steps: [] }]);
    expect(invoicePage(paper)).not.toMatch(/>0 |0 x 0|0 × 0/);
  }
  expect(old).toMatchObject({ seller: null, buyer: { name: "acme", addressLines: [] } });
});

test("a correction names the invoice that it corrects, by its number", () => {
  const adjusts = {
    ...{ invoiceId: "inv_acme_000001", invoiceNumber: "ACME-000001", kind: "USAGE" as const },
    ...{ periodStart: "2026-09-01T00:00:00.000Z", quantityBefore: "1500", quantityAfter: "1300" },
  };
  const already = step("1", "-1", "0", "-1", "less the amount already invoiced; the steps above are rounded");
  const corrected = line({ kind: "ADJUSTMENT", quantity: "-200", amount: "-0.50", adjusts });
  const { lines, total, totalLabel } = paperOf(
    invoice({ lines: [{ ...corrected, arithmetic: [already] }], total: "-0.50" }),
  );
  expect(lines[0]).toMatchObject({
    title: "Correction: API calls",
    about: ["Corrects invoice ACME-000001, period from 1 September 2026", "Quantity 1,500 is now 1,300"],
    steps: [{ words: "Less what was invoiced before; the steps above are rounded first" }],
    ...{ quantity: "\u2212200", amount: "\u22120.50" },
  });
  expect([totalLabel, total]).toEqual(["Total in your favour", "\u22120.50"]);
});

test("amounts follow the currency, and the period ends on its last day", () => {
  const yen = paperOf(invoice({ currency: "JPY", total: "1234567", lines: [line({ amount: "1234567" })] }));
  expect([yen.total, yen.lines[0]?.amount]).toEqual(["1,234,567", "1,234,567"]);
  const dinar = paperOf(
    invoice({ currency: "KWD", total: "1.500", lines: [line({ arithmetic: [step("3", "0.5", "0", "1.5", null)] })] }),
  );
  expect(dinar.lines[0]?.steps[0]?.words).toBe("At 0.500 per call");
  expect(dinar.facts).toContainEqual(["Billing period", "1 October 2026 – 31 October 2026 (UTC)"]);
  expect(dinar.facts).toContainEqual(["Issue date", "4 November 2026"]);
});

const HOSTILE = `<img src=x onerror="x()">&'`;

test("every text of the page is escaped, and it loads nothing", () => {
  const party = { name: HOSTILE, addressLines: [HOSTILE] };
  const dimensions = [{ dimension: HOSTILE, value: HOSTILE }];
  const arithmetic = [step(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE), step("1", "1", "0", "1", null)];
  const page = invoicePage(
    paperOf({
      ...{ issuedAt: 0, sha256: HOSTILE },
      document: {
        ...invoice().document,
        ...{
          id: HOSTILE,
          number: HOSTILE,
          currency: "EUR",
          watermark: HOSTILE,
          total: "1",
          seller: party,
          buyer: party,
        },
        ...{ plan: { id: HOSTILE, version: 1 }, meters: [{ key: "calls", name: HOSTILE, unit: HOSTILE }] },
        lines: [line({ dimensions, arithmetic })],
        unpricedUsage: [{ meter: HOSTILE, dimensions, quantity: "1", eventCount: "1", reason: "NO_PRICE_FOR_METER" }],
      },
    }),
  );
  expect(page).toContain("&lt;img src=x onerror=&quot;x()&quot;&gt;&amp;&#39;");
  expect(page).not.toMatch(/<img|<script|<link|src="|href=|url\(|@import/);
});

test("the page says what no price claims", () => {
  const usage = { meter: "calls", dimensions: [{ dimension: "model", value: "xl" }], quantity: "70", eventCount: "2" };
  const page = invoicePage(paperOf(invoice({ unpricedUsage: [{ ...usage, reason: "NO_PRICE_FOR_DIMENSIONS" }] })));
  expect(page).toMatch(/no price of the plan claims[\s\S]*API calls \(model: xl\)[\s\S]*>2<[\s\S]*>70</);
  expect(invoicePage(paperOf(invoice()))).not.toContain("no price of the plan");
});

test("a text is set in fonts that have its characters; what none has becomes a box and is told", () => {
  const type = createTypesetter();
  expect(type.runs("Łódź Café 株式会社 Ελλάδα Київ")).toEqual([
    { text: "Łódź Café ", font: "Latin" },
    { text: "株式会社", font: "Japanese" },
    { text: " Ελλάδα Київ", font: "Latin" },
  ]);
  expect(type.runs("a\nb\u200d")).toEqual([{ text: "a b", font: "Latin" }]);
  expect(type.missing()).toEqual([]);
  expect(
    type
      .runs("ไทย")
      .map(({ text }) => text)
      .join(""),
  ).toBe("□□□");
  expect(type.missing()).toEqual(["ไ", "ท", "ย"]);
});

test("the PDF has the fonts in it, needs as many pages as it has lines, and is the same each time", async () => {
  const many = Array.from({ length: 80 }, (_, n) => line({ quantity: String(n) }));
  const [long, again] = await Promise.all([1, 2].map(() => invoicePdf(paperOf(invoice({ lines: many })), "letter")));
  const text = long?.toString("latin1") ?? "";
  expect(text.startsWith("%PDF-")).toBe(true);
  expect(text).toMatch(/\/MediaBox \[0 0 612/);
  expect(Number(/\/Count (\d+)/.exec(text)?.[1])).toBeGreaterThan(1);
  expect(text).toMatch(/NotoSans-Regular/);
  expect(text).toMatch(/NotoSansJP/);
  expect(again?.equals(long ?? Buffer.alloc(0))).toBe(true);
});
