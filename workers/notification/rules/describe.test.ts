import { expect, test } from "vitest";
import { billingPeriodClosedV1 } from "#schema/events/billing-period-closed.v1.js";
import { creditsGrantedV1 } from "#schema/events/credits-granted.v1.js";
import { creditsVoidedV1 } from "#schema/events/credits-voided.v1.js";
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

test("credits are described in words", () => {
  const granted = describe("credits.granted", creditsGrantedV1.example.data);
  expect(granted.subject).toBe("acme: 25.00 EUR of credits granted");
  expect(granted.lines.slice(0, 2)).toEqual(["Welcome (welcome-2026)", "They expire 2027-01-01T00:00:00.000Z."]);
  const lasting = describe("credits.granted", { ...creditsGrantedV1.example.data, expiresAt: null });
  expect(lasting.lines[1]).toBe("They do not expire.");
  const voided = describe("credits.voided", creditsVoidedV1.example.data);
  expect([voided.subject, voided.lines[0]]).toEqual([
    "acme: 12.50 EUR of credits taken back",
    "Paid back (welcome-2026)",
  ]);
});

test("unbilled usage is described in words, and what the tenant chose in quotes", () => {
  const unmetered = describe("usage.unmetered", { ...usageUnmeteredV1.example.data, eventType: "a\nb" });
  expect(unmetered.subject).toBe(`acme: no meter counts events of type "a\\nb"`);
  const unpriced = describe("usage.unpriced", usageUnpricedV1.example.data);
  expect(unpriced.subject).toBe("acme: no price claims usage of tokens from 2026-11-01 on");
  expect(unpriced.lines[0]).toBe(`No price of the plan names these dimensions: model "xl". It is charged nothing.`);
  const dimensions = [...usageUnpricedV1.example.data.dimensions, { dimension: "region", value: "eu" }];
  expect(describe("usage.unpriced", { ...usageUnpricedV1.example.data, dimensions }).lines[0]).toContain(
    ': model "xl", region "eu".',
  );
  const whole = { ...usageUnpricedV1.example.data, reason: "NO_PRICE_FOR_METER", dimensions: [] };
  expect(describe("usage.unpriced", whole).lines[0]).toBe(
    "The plan has no price for this meter. It is charged nothing.",
  );
  expect(describe("webhook.test", { tenantId: null, message: "A test" }).subject).toBe("Metrly: webhook.test");
});

test("nothing in a Slack message becomes a link or a mention", () => {
  const { text, blocks } = JSON.parse(slackMessage({ subject: "<!channel> & co", lines: ["<http://x|y>", "now"] }));
  expect(text).toBe("&lt;!channel&gt; &amp; co");
  expect(blocks).toEqual([
    { type: "section", text: { type: "mrkdwn", text: "*&lt;!channel&gt; &amp; co*\n&lt;http://x|y&gt;\nnow" } },
  ]);
});

test("what happened to a limit, with its plan and its window, is said in words", () => {
  const at = "at 2026-11-04T00:00:05.000Z";
  const data = {
    ...{ tenantId: "acme", meter: "calls", window: "DAY", kind: "HARD", threshold: "0.805", limit: "1000" },
    ...{ used: "806", windowStart: "2026-11-04T00:00:00.000Z", planId: "pro", planVersion: 3 },
  };
  expect(describe("quota.warning", data)).toEqual({
    subject: "acme has used 80.5 % of its limit of 1000 calls per day",
    lines: [
      "Used: 806 of 1000 since 2026-11-04T00:00:00.000Z",
      "Requests beyond the limit are denied.",
      `Plan pro, version 3; ${at}`,
    ],
  });
  const soft = describe("quota.exceeded", { ...data, meter: null, kind: "SOFT", window: "BILLING_PERIOD" });
  expect(soft.subject).toBe("acme has reached its limit of 1000 requests per billing period");
  expect(soft.lines[1]).toBe("The limit is soft: no requests are denied.");
  const amount = describe("quota.warning", {
    ...{ ...data, window: "CALENDAR_WEEK", threshold: "500", thresholdKind: "AMOUNT" },
  });
  expect(amount.subject).toBe("acme has used 500 of its limit of 1000 calls per calendar week");
  const windows = (["SECOND", "MINUTE", "HOUR", "CALENDAR_DAY", "CALENDAR_MONTH"] as const).map((window) =>
    describe("quota.exceeded", { ...data, window }),
  );
  expect(windows.map(({ subject }) => subject.replace(/^.* per /, ""))).toEqual([
    ...["second", "minute", "hour", "calendar day", "calendar month"],
  ]);
});

test("every line of the other types says what a reader needs", () => {
  const at = "at 2026-11-04T00:00:05.000Z";
  const period = { tenantId: "acme", periodStart: "2026-10-01T00:00:00.000Z", periodEnd: "2026-11-01T00:00:00.000Z" };
  expect(describe("billing.period.closed", { ...period, invoiceId: "inv_acme_000001" })).toEqual({
    subject: "acme: the billing period from 2026-10-01 is closed",
    lines: ["Until 2026-11-01, exclusively; invoice: inv_acme_000001", at],
  });
  expect(describe("invoice.generated", { ...invoiceGeneratedV1.example.data, sha256: "abc" }).lines.slice(1)).toEqual([
    ...["SHA-256 abc", at],
  ]);
  const disabled = {
    tenantId: null,
    url: "https://example.com/***",
    endpointId: "we_1",
    reason: "gone",
    deadLetters: 3,
  };
  expect(describe("webhook.endpoint.disabled", disabled)).toEqual({
    subject: "Metrly: a webhook endpoint was disabled",
    lines: [
      "https://example.com/*** (we_1): gone",
      "3 deliveries are now dead letters; enable the endpoint and replay them.",
      at,
    ],
  });
  expect(describe("usage.unmetered", usageUnmeteredV1.example.data).lines).toEqual([
    ...["They are kept and not billed. A meter created with `backfill: true` counts those of open periods.", at],
  ]);
  const { planId, planVersion } = usageUnpricedV1.example.data;
  expect(describe("usage.unpriced", usageUnpricedV1.example.data).lines[1]).toBe(
    `Plan ${planId}, version ${planVersion}; ${at}`,
  );
  expect(describe("webhook.test", { tenantId: "acme" }).lines).toEqual([at]);
});
