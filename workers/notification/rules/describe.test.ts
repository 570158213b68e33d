import { expect, test } from "vitest";
import { billingPeriodClosedV1 } from "#schema/events/billing-period-closed.v1.js";
import { invoiceGeneratedV1 } from "#schema/events/invoice-generated.v1.js";
import { usageUnmeteredV1 } from "#schema/events/usage-unmetered.v1.js";
import { usageUnpricedV1 } from "#schema/events/usage-unpriced.v1.js";
import { describePayload, slackMessage } from "./describe.js";
import { webhookPayload } from "./notice.js";

const describe = (type: string, data: unknown) =>
  describePayload(webhookPayload({ type, time: "2026-11-04T00:00:05.000Z", data, sequence: 1 }, 1));

test("invoices, closed periods and unknown types are described in words", () => {
  const invoice = describe("invoice.generated", invoiceGeneratedV1.example.data);
  expect(invoice.subject).toBe("acme: invoice ACME-000001 for 129.40 EUR");
  expect(invoice.lines[0]).toBe("For 2026-10-01 to 2026-11-01, exclusively");
  const closed = describe("billing.period.closed", { ...billingPeriodClosedV1.example.data, invoiceId: null });
  expect(closed.subject).toMatch(/^acme: the billing period from \d{4}-\d\d-\d\d is closed$/);
  expect(closed.lines[0]).toContain("invoice: none");
  expect(describe("webhook.test", { tenantId: "acme", message: "A test" })).toEqual({
    subject: "acme: webhook.test",
    lines: ["A test", "at 2026-11-04T00:00:05.000Z"],
  });
});

test("unbilled usage is described in words, and what the tenant chose in quotes", () => {
  const unmetered = describe("usage.unmetered", { ...usageUnmeteredV1.example.data, eventType: "a\nb" });
  expect(unmetered.subject).toBe(`acme: no meter counts events of type "a\\nb"`);
  const unpriced = describe("usage.unpriced", usageUnpricedV1.example.data);
  expect(unpriced.subject).toBe("acme: no price claims usage of tokens from 2026-11-01 on");
  expect(unpriced.lines[0]).toBe(`No price of the plan names these dimensions: model "xl". It is charged nothing.`);
  const whole = { ...usageUnpricedV1.example.data, reason: "NO_PRICE_FOR_METER", dimensions: [] };
  expect(describe("usage.unpriced", whole).lines[0]).toBe(
    "The plan has no price for this meter. It is charged nothing.",
  );
  expect(describe("webhook.test", { tenantId: null, message: "A test" }).subject).toBe("Metrly: webhook.test");
});

test("nothing in a Slack message becomes a link or a mention", () => {
  const { text, blocks } = JSON.parse(slackMessage({ subject: "<!channel> & co", lines: ["<http://x|y>"] }));
  expect(text).toBe("&lt;!channel&gt; &amp; co");
  expect(blocks[0].text.text).toBe("*&lt;!channel&gt; &amp; co*\n&lt;http://x|y&gt;");
});
