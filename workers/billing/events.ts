import type { OutboxRow } from "#platform/outbox/outbox.js";
import { dataschemaOf } from "#schema/events/contract.js";
import { BILLING_EVENTS } from "#schema/topics.js";

/** Of one event type, as `eventContract` makes it. */
export interface EventContract {
  readonly type: string;
  parse(value: unknown): unknown;
}

export interface BillingEvent {
  readonly partition: number;
  readonly tenantId: string;
  /** Deterministic: readers deduplicate by it. */
  readonly id: string;
  readonly atMs: number;
  readonly data: object;
}

/** An event of a tenant for the outbox. Throws ContractViolation. */
export function eventRow(contract: EventContract, { partition, tenantId, id, atMs, data }: BillingEvent): OutboxRow {
  const { type } = contract;
  const envelope = { specversion: "1.0", id, source: "metrly/billing", type, dataschema: dataschemaOf(type) };
  const event = contract.parse({ ...envelope, subject: tenantId, time: new Date(atMs).toISOString(), data });
  return { topic: BILLING_EVENTS, partition, key: tenantId, value: JSON.stringify(event) };
}
