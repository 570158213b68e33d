import { isDenying, type QuotaWindow } from "#schema/vocabulary.js";
import type { EventType, TEST_EVENT_TYPE } from "#schema/webhook-events.js";
import type { NoticeData } from "./notice.js";

/** A notice in words, for people. */
export interface Description {
  readonly subject: string;
  readonly lines: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;
type Payload = { readonly timestamp: string } & (
  | { readonly [Type in EventType]: { readonly type: Type; readonly data: NoticeData[Type] & Fields } }[EventType]
  | { readonly type: typeof TEST_EVENT_TYPE; readonly data: Fields }
);

const WINDOWS: Readonly<Record<QuotaWindow, string>> = {
  SECOND: "second",
  MINUTE: "minute",
  HOUR: "hour",
  DAY: "day",
  BILLING_PERIOD: "billing period",
};

/** Describes the payload of a delivery, whatever its type. */
export function describePayload(text: string): Description {
  const payload: Payload = JSON.parse(text);
  const { data } = payload;
  const told = (name: string): string => String(data[name] ?? "");
  const tenant = told("tenantId");
  const when = `at ${payload.timestamp}`;
  switch (payload.type) {
    case "quota.warning":
    case "quota.exceeded": {
      const what = data.meter === null ? "requests" : told("meter");
      const window = WINDOWS[payload.data.window];
      const limit = `${told("limit")} ${what} per ${window}`;
      return {
        subject:
          payload.type === "quota.warning"
            ? `${tenant} has used ${percent(told("threshold"))} of its limit of ${limit}`
            : `${tenant} has reached its limit of ${limit}`,
        lines: [
          `Used: ${told("used")} of ${told("limit")} since ${told("windowStart")}`,
          isDenying(payload.data.kind)
            ? "Beyond the limit requests are denied."
            : "The limit is soft: nothing is denied.",
          `Plan ${told("planId")}, version ${told("planVersion")}; ${when}`,
        ],
      };
    }
    case "billing.period.closed":
      return {
        subject: `${tenant}: the billing period from ${day(told("periodStart"))} is closed`,
        lines: [`Until ${day(told("periodEnd"))}, exclusively; invoice: ${told("invoiceId") || "none"}`, when],
      };
    case "invoice.generated":
      return {
        subject: `${tenant}: invoice ${told("number")} for ${told("total")} ${told("currency")}`,
        lines: [
          `For ${day(told("periodStart"))} to ${day(told("periodEnd"))}, exclusively`,
          `SHA-256 ${told("sha256")}`,
          when,
        ],
      };
    case "webhook.endpoint.disabled":
      return {
        subject: `${tenant}: a webhook endpoint was disabled`,
        lines: [
          `${told("url")} (${told("endpointId")}): ${told("reason")}`,
          `${told("deadLetters")} deliveries wait as dead letters; enable the endpoint and replay them.`,
          when,
        ],
      };
    default:
      payload.type satisfies typeof TEST_EVENT_TYPE;
      return { subject: `${tenant}: ${payload.type}`, lines: [told("message"), when].filter((line) => line !== "") };
  }
}

/** A fraction's decimal text as percent, without arithmetic on doubles showing. */
const percent = (fraction: string): string => `${Number((Number(fraction) * 100).toFixed(6))} %`;
const day = (instant: string): string => instant.slice(0, 10);

/** A message in Slack's format for incoming webhooks. */
export function slackMessage({ subject, lines }: Description): string {
  const text = `*${escapeSlack(subject)}*\n${lines.map(escapeSlack).join("\n")}`;
  return JSON.stringify({
    text: escapeSlack(subject),
    blocks: [{ type: "section", text: { type: "mrkdwn", text } }],
  });
}

/** The three characters that Slack gives a meaning to. */
const escapeSlack = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
