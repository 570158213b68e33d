import { expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import { billingPeriodClosedV1 } from "#schema/events/billing-period-closed.v1.js";
import { creditsGrantedV1 } from "#schema/events/credits-granted.v1.js";
import { creditsVoidedV1 } from "#schema/events/credits-voided.v1.js";
import { invoiceGeneratedV1 } from "#schema/events/invoice-generated.v1.js";
import { quotaExceededV1 } from "#schema/events/quota-exceeded.v1.js";
import { quotaWarningV1 } from "#schema/events/quota-warning.v1.js";
import { usageUnmeteredV1 } from "#schema/events/usage-unmetered.v1.js";
import { usageUnpricedV1 } from "#schema/events/usage-unpriced.v1.js";
import { decodeNotice, webhookPayload } from "./notice.js";

test.each([
  ["quota.warning", quotaWarningV1.example],
  ["quota.exceeded", quotaExceededV1.example],
  ["billing.period.closed", billingPeriodClosedV1.example],
  ["invoice.generated", invoiceGeneratedV1.example],
  ["credits.granted", creditsGrantedV1.example],
  ["credits.voided", creditsVoidedV1.example],
  ["usage.unmetered", usageUnmeteredV1.example],
  ["usage.unpriced", usageUnpricedV1.example],
] as const)("%s is read from its event", (type, example) => {
  expect(decodeNotice(JSON.stringify(example))).toEqual({
    kind: "notice",
    notice: { type, tenantId: "acme", eventId: example.id, time: example.time, data: example.data },
  });
});

const warning = quotaWarningV1.example;
test.each([
  ["not JSON", "{"],
  ["null", "null"],
  ["a number", "7"],
  ["a type that is none of ours", JSON.stringify({ ...warning, type: "com.example.warning" })],
  ["a record of another topic", JSON.stringify(auditRecordedV1.example)],
  ["an event with a type of another topic", JSON.stringify({ ...warning, type: "metrly.audit.recorded.v1" })],
  ["an event with the name of another contract", JSON.stringify({ ...warning, schema: "metrly.invoice.v2" })],
  ["a missing field", JSON.stringify({ ...warning, data: { ...warning.data, used: undefined } })],
  ["a tenant that is no id", JSON.stringify({ ...warning, data: { ...warning.data, tenantId: "a\u0000b" } })],
  ["a NUL in the event id", JSON.stringify({ ...warning, id: "a\u0000" })],
  ["an endless event id", JSON.stringify({ ...warning, id: "a".repeat(5000) })],
  ["a time beyond timestamps", JSON.stringify({ ...warning, time: "+275760-01-01T00:00:00Z" })],
  ["a time that is none", JSON.stringify({ ...warning, time: "yesterday" })],
])("%s is set aside with a reason", (_, text) => {
  expect(decodeNotice(text)).toEqual({ kind: "poison", error: expect.stringMatching(/./) });
});

test.each([
  ["another version", JSON.stringify({ ...warning, type: "metrly.quota.warning.v9" })],
  ["another event", JSON.stringify({ ...warning, type: "metrly.credit.expired.v1" })],
  ["another window", JSON.stringify({ ...warning, data: { ...warning.data, window: "WEEK" } })],
  ["another encoding", `\u0003${JSON.stringify(warning)}`],
])("%s that newer code wrote asks for an upgrade and is not set aside", (_, text) => {
  expect(() => decodeNotice(text)).toThrow(UpgradeRequired);
});

test("the reason of what is set aside and of what is newer says what it is about", () => {
  expect(decodeNotice("{")).toMatchObject({ error: expect.stringMatching(/^not JSON: /) });
  const type = `metrly${"x".repeat(200)}`;
  expect(decodeNotice(JSON.stringify({ ...warning, type }))).toMatchObject({
    error: `unknown type ${JSON.stringify(type).slice(0, 100)}`,
  });
  const newer = JSON.stringify({ ...warning, type: "metrly.credit.expired.v1" });
  expect(() => decodeNotice(newer)).toThrow(/the events that become notices/);
});

test("an event id has at most 512 characters", () => {
  const kindOf = (length: number) => decodeNotice(JSON.stringify({ ...warning, id: "a".repeat(length) })).kind;
  expect([512, 513].map(kindOf)).toEqual(["notice", "poison"]);
});

test("a webhook's body is type, timestamp, its places and data", () => {
  const message = { type: "quota.warning", time: "2026-11-24T00:00:00Z", data: { a: 1 }, sequence: 3 };
  expect(webhookPayload(message, 7)).toBe(
    '{"type":"quota.warning","timestamp":"2026-11-24T00:00:00Z","sequence":"3","endpointSequence":"7","data":{"a":1}}',
  );
  expect(JSON.parse(webhookPayload({ ...message, sequence: undefined }, 1))).not.toHaveProperty("sequence");
});
