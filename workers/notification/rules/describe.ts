import { isDenying, type QuotaWindow, type UnpricedReason } from "#schema/vocabulary.js";
import type { EventType, TEST_EVENT_TYPE } from "#schema/webhook-events.js";
import type { NoticeData } from "./notice.js";

/** A notice as text for people. */
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
  CALENDAR_DAY: "calendar day",
  CALENDAR_WEEK: "calendar week",
  CALENDAR_MONTH: "calendar month",
  BILLING_PERIOD: "billing period",
};

const UNPRICED: Readonly<Record<UnpricedReason, string>> = {
  NO_PRICE_FOR_METER: "The plan has no price for this meter",
  NO_PRICE_FOR_DIMENSIONS: "No price of the plan names these dimensions",
};

/** Describes the payload of a delivery of any type. */
export function describePayload(json: string): Description {
  const payload: Payload = JSON.parse(json);
  const { data } = payload;
  const text = (name: string): string => String(data[name] ?? "");
  const tenant = text("tenantId") || "Metrly";
  const when = `at ${payload.timestamp}`;
  switch (payload.type) {
    case "quota.warning":
    case "quota.exceeded": {
      const { unit, currency = "" } = payload.data;
      const isMoney = unit === "MONEY";
      const what = isMoney ? currency : data.meter === null ? "requests" : text("meter");
      const ofUnit = isMoney ? ` ${currency}` : "";
      const window = WINDOWS[payload.data.window];
      const { dimensions = [], where = [] } = payload.data;
      // Quoted: clients chose the values.
      const about = [...dimensions, ...where].map(({ dimension, value }) => `${dimension} ${JSON.stringify(value)}`);
      const limit = `${text("limit")} ${what} per ${window}${about.length === 0 ? "" : ` for ${about.join(", ")}`}`;
      return {
        subject:
          payload.type === "quota.warning"
            ? `${tenant} has used ${thresholdText(payload.data)} of its limit of ${limit}`
            : `${tenant} has reached its limit of ${limit}`,
        lines: [
          `Used: ${text("used")} of ${text("limit")}${ofUnit} since ${text("windowStart")}`,
          isDenying(payload.data.kind)
            ? "Requests beyond the limit are denied."
            : "The limit is soft: no requests are denied.",
          `Plan ${text("planId")}, version ${text("planVersion")}; ${when}`,
        ],
      };
    }
    case "billing.period.closed":
      return {
        subject: `${tenant}: the billing period from ${day(text("periodStart"))} is closed`,
        lines: [`Until ${day(text("periodEnd"))}, exclusively; invoice: ${text("invoiceId") || "none"}`, when],
      };
    case "invoice.generated":
      return {
        subject: `${tenant}: invoice ${text("number")} for ${text("total")} ${text("currency")}`,
        lines: [
          `For ${day(text("periodStart"))} to ${day(text("periodEnd"))}, exclusively`,
          `SHA-256 ${text("sha256")}`,
          when,
        ],
      };
    case "credits.granted": {
      const { expiresAt } = payload.data;
      return {
        subject: `${tenant}: ${text("amount")} ${text("currency")} of credits granted`,
        lines: [
          `${text("reason")} (${text("grantId")})`,
          expiresAt === null ? "They do not expire." : `They expire ${expiresAt}.`,
          when,
        ],
      };
    }
    case "credits.voided":
      return {
        subject: `${tenant}: ${text("amount")} ${text("currency")} of credits taken back`,
        lines: [`${text("reason")} (${text("grantId")})`, when],
      };
    case "webhook.endpoint.disabled":
      return {
        subject: `${tenant}: a webhook endpoint was disabled`,
        lines: [
          `${text("url")} (${text("endpointId")}): ${text("reason")}`,
          `${text("deadLetters")} deliveries are now dead letters; enable the endpoint and replay them.`,
          when,
        ],
      };
    case "usage.unmetered":
      return {
        // Quoted: the tenant chose it.
        subject: `${tenant}: no meter counts events of type ${JSON.stringify(payload.data.eventType)}`,
        lines: [
          "They are kept and not billed. A meter created with `backfill: true` counts those of open periods.",
          when,
        ],
      };
    case "usage.unpriced": {
      const { dimensions, reason } = payload.data;
      const named = dimensions.map(({ dimension, value }) => `${dimension} ${JSON.stringify(value)}`).join(", ");
      return {
        subject: `${tenant}: no price claims usage of ${text("meter")} from ${day(text("periodStart"))} on`,
        lines: [
          `${UNPRICED[reason]}${named === "" ? "" : `: ${named}`}. It is charged nothing.`,
          `Plan ${text("planId")}, version ${text("planVersion")}; ${when}`,
        ],
      };
    }
    default:
      payload.type satisfies typeof TEST_EVENT_TYPE;
      return { subject: `${tenant}: ${payload.type}`, lines: [text("message"), when].filter((line) => line !== "") };
  }
}

const thresholdText = ({ threshold, thresholdKind }: NoticeData["quota.warning"]): string =>
  thresholdKind === "AMOUNT" ? threshold : percent(threshold);

/** A decimal fraction as a percentage, without floating-point artifacts. */
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

/** The three characters that Slack interprets. */
const escapeSlack = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
