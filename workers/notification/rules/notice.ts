import { isTimestamp } from "#kernel/duration.js";
import { isClientId } from "#kernel/ids.js";
import { isStorable } from "#kernel/storable-text.js";
import { type BillingPeriodClosedV1, billingPeriodClosedV1 } from "#schema/events/billing-period-closed.v1.js";
import { ContractViolation } from "#schema/events/contract.js";
import { type CreditsGrantedV1, creditsGrantedV1 } from "#schema/events/credits-granted.v1.js";
import { type CreditsVoidedV1, creditsVoidedV1 } from "#schema/events/credits-voided.v1.js";
import { refuseOtherEncoding, refuseOtherType } from "#schema/events/growing.js";
import { type InvoiceGeneratedV1, invoiceGeneratedV1 } from "#schema/events/invoice-generated.v1.js";
import { type QuotaExceededV1, quotaExceededV1 } from "#schema/events/quota-exceeded.v1.js";
import { type QuotaWarningV1, quotaWarningV1 } from "#schema/events/quota-warning.v1.js";
import { type UsageUnmeteredV1, usageUnmeteredV1 } from "#schema/events/usage-unmetered.v1.js";
import { type UsageUnpricedV1, usageUnpricedV1 } from "#schema/events/usage-unpriced.v1.js";
import type { EventType } from "#schema/webhook-events.js";

/** An endpoint was disabled automatically. */
export interface EndpointDisabled {
  /** Null: an operator's endpoint. */
  readonly tenantId: string | null;
  readonly endpointId: string;
  /** Masked: other receivers read it. */
  readonly url: string;
  readonly reason: string;
  /** Pending deliveries that became dead letters. */
  readonly deadLetters: number;
  readonly at: string;
}

/** An event of a tenant, or of the operators (`OPERATORS`), as stored and delivered. Deduplicated by `eventId` within the tenant. */
export type Notice = { readonly tenantId: string; readonly eventId: string; readonly time: string } & {
  readonly [Type in EventType]: { readonly type: Type; readonly data: NoticeData[Type] };
}[EventType];

/** The data of a notice of each type. */
export interface NoticeData {
  readonly "quota.warning": QuotaWarningV1["data"];
  readonly "quota.exceeded": QuotaExceededV1["data"];
  readonly "billing.period.closed": BillingPeriodClosedV1["data"];
  readonly "invoice.generated": InvoiceGeneratedV1["data"];
  readonly "credits.granted": CreditsGrantedV1["data"];
  readonly "credits.voided": CreditsVoidedV1["data"];
  readonly "webhook.endpoint.disabled": EndpointDisabled;
  readonly "usage.unmetered": UsageUnmeteredV1["data"];
  readonly "usage.unpriced": UsageUnpricedV1["data"];
}

export type DecodedNotice =
  | { readonly kind: "notice"; readonly notice: Notice }
  /** Not an event: it is set aside with its bytes, without blocking later ones. */
  | { readonly kind: "poison"; readonly error: string };

/** Longest stored event id (it is part of an index), characters. */
const MAX_EVENT_ID = 512;
const EVENTS = "the events that become notices";

/** Reads one record of `quota.alerts` or `billing.events`. Throws UpgradeRequired for an event that newer code wrote. */
export function decodeNotice(text: string): DecodedNotice {
  refuseOtherEncoding(EVENTS, text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return poison(`not JSON: ${error instanceof Error ? error.message : error}`);
  }
  try {
    return checked(noticeOf(value), value);
  } catch (error) {
    if (error instanceof ContractViolation) return poison(error.message);
    throw error;
  }
}

function noticeOf(value: unknown): Notice | undefined {
  switch (typeOf(value)) {
    case quotaWarningV1.type: {
      const { id, time, data } = quotaWarningV1.parse(value);
      return { type: "quota.warning", tenantId: data.tenantId, eventId: id, time, data };
    }
    case quotaExceededV1.type: {
      const { id, time, data } = quotaExceededV1.parse(value);
      return { type: "quota.exceeded", tenantId: data.tenantId, eventId: id, time, data };
    }
    case billingPeriodClosedV1.type: {
      const { id, time, data } = billingPeriodClosedV1.parse(value);
      return { type: "billing.period.closed", tenantId: data.tenantId, eventId: id, time, data };
    }
    case invoiceGeneratedV1.type: {
      const { id, time, data } = invoiceGeneratedV1.parse(value);
      return { type: "invoice.generated", tenantId: data.tenantId, eventId: id, time, data };
    }
    case creditsGrantedV1.type: {
      const { id, time, data } = creditsGrantedV1.parse(value);
      return { type: "credits.granted", tenantId: data.tenantId, eventId: id, time, data };
    }
    case creditsVoidedV1.type: {
      const { id, time, data } = creditsVoidedV1.parse(value);
      return { type: "credits.voided", tenantId: data.tenantId, eventId: id, time, data };
    }
    case usageUnmeteredV1.type: {
      const { id, time, data } = usageUnmeteredV1.parse(value);
      return { type: "usage.unmetered", tenantId: data.tenantId, eventId: id, time, data };
    }
    case usageUnpricedV1.type: {
      const { id, time, data } = usageUnpricedV1.parse(value);
      return { type: "usage.unpriced", tenantId: data.tenantId, eventId: id, time, data };
    }
    default:
      refuseOtherType(EVENTS, typeOf(value));
      return undefined;
  }
}

/** Constraints beyond the contract, without which the database would refuse the row and block the partition. */
function checked(notice: Notice | undefined, value: unknown): DecodedNotice {
  if (notice === undefined) return poison(`unknown type ${JSON.stringify(typeOf(value))?.slice(0, 100)}`);
  if (!isClientId(notice.tenantId)) return poison("tenantId is not an id");
  if (notice.eventId.length > MAX_EVENT_ID || !isStorable(notice.eventId))
    return poison(`the event id must have at most ${MAX_EVENT_ID} characters of valid Unicode without NUL`);
  if (!isTimestamp(Date.parse(notice.time))) return poison("time is not an instant");
  return { kind: "notice", notice };
}

function typeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
}

const poison = (error: string): DecodedNotice => ({ kind: "poison", error });

/** The notices that are numbered together: a tenant's alerts, and each other type for itself. */
export const streamOf = (type: EventType): string => (type.startsWith("quota.") ? "quota" : type);

/** What a webhook says. */
export interface Message {
  readonly type: string;
  readonly time: string;
  readonly data: unknown;
  /** 1, 2, 3 … in the tenant's stream; undefined: a test. */
  readonly sequence: number | undefined;
}

/**
 * The body of a webhook, as Standard Webhooks recommends: `{type, timestamp, data}`, with its places. `endpointSequence`: 1, 2, 3 …
 * over what is created for the endpoint.
 */
export function webhookPayload({ type, time, data, sequence }: Message, endpointSequence: number): string {
  const places = {
    ...(sequence !== undefined && { sequence: `${sequence}` }),
    endpointSequence: `${endpointSequence}`,
  };
  return JSON.stringify({ type, timestamp: time, ...places, data });
}
