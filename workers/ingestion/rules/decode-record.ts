import { partitionOf } from "#kernel/partition.js";
import {
  type ControlRecord,
  type ReceivedItem,
  type UsageReceivedV1,
  usageReceivedV1,
} from "#schema/events/usage-received.v1.js";
import { eventKeyOf, fingerprintUuid } from "./fingerprint.js";

/** An item as the recorder decides about it. */
export interface DecodedItem extends ReceivedItem {
  /** Of (tenant, source, id), as uuid text. */
  readonly key: string;
  /** The fingerprint as uuid text. */
  readonly fingerprintUuid: string;
  /** `data`, parsed. */
  readonly value: unknown;
}

export type DecodedRecord =
  | { readonly kind: "items"; readonly items: readonly DecodedItem[]; readonly tenancyVersion: number }
  | { readonly kind: "control"; readonly control: ControlRecord }
  /** Nothing can be made of it, or its effect would break what is stored: kept with its bytes. */
  | { readonly kind: "poison"; readonly error: string };

/**
 * Reads one record of usage.received. Whoever can write to the log could write anything: what passes here can be stored,
 * so that no record blocks its partition.
 */
export function decodeRecord(value: Buffer, partition: number, partitionCount: number): DecodedRecord {
  try {
    const record = usageReceivedV1.parse(JSON.parse(value.toString("utf8")));
    if (record.kind !== "items") return decodeControl(record, partition, partitionCount);
    const items = record.items.map((item) => decodeItem(item, partition, partitionCount));
    return { kind: "items", items, tenancyVersion: record.tenancyVersion ?? 0 };
  } catch (error) {
    return { kind: "poison", error: error instanceof Error ? error.message : String(error) };
  }
}

function decodeItem(item: ReceivedItem, partition: number, partitionCount: number): DecodedItem {
  assertTenant(item.tenantId, partition, partitionCount);
  assertStorable(item.tenantId, item.source, item.id, item.type, item.data);
  assertInstant(item.time);
  assertInstant(item.receivedAt);
  const value: unknown = JSON.parse(item.data);
  return {
    ...item,
    key: eventKeyOf(item.tenantId, item.source, item.id),
    fingerprintUuid: fingerprintUuid(item.fingerprint),
    value,
  };
}

function decodeControl(
  control: Exclude<UsageReceivedV1, { kind: "items" }>,
  partition: number,
  partitionCount: number,
): DecodedRecord {
  if (control.kind === "tick") assertInstant(control.at);
  if (control.kind === "close") assertInstant(control.periodStart);
  if ("tenantId" in control) assertTenant(control.tenantId, partition, partitionCount);
  if (control.kind === "resolve" && control.fingerprint !== undefined) fingerprintUuid(control.fingerprint);
  assertStorable(...Object.values(control).filter((field) => typeof field === "string"));
  return { kind: "control", control };
}

/** In another partition than its own, a tenant's event could be counted twice. */
function assertTenant(tenantId: string, partition: number, partitionCount: number): void {
  const own = partitionOf(tenantId, partitionCount);
  if (own !== partition) throw new RangeError(`tenant ${tenantId} belongs to partition ${own}, not ${partition}`);
}

/** NUL and lone surrogates: the database refuses the one and changes the other. */
const UNSTORABLE = /\0|\p{Surrogate}/u;

function assertStorable(...texts: readonly string[]): void {
  if (texts.some((text) => UNSTORABLE.test(text))) throw new RangeError("NUL and lone surrogates can't be stored");
}

const MAX_INSTANT_MS = 8.64e15;

function assertInstant(ms: number): void {
  if (Math.abs(ms) > MAX_INSTANT_MS) throw new RangeError(`${ms} is not an instant`);
}
