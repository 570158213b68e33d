import { isTimestamp, MAX_INSTANT_MS } from "#kernel/duration.js";
import { isGrantable } from "#kernel/money.js";
import { partitionOf } from "#kernel/partition.js";
import { isStorable } from "#kernel/storable-text.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { type KeyedItem, readReceivedColumns } from "#schema/columns/received.js";
import { isColumns } from "#schema/columns/sealed.js";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { type ReceivedItem, readReceived } from "#schema/events/usage-received.v2.js";
import { eventDigest, fingerprintDigest, fingerprintUuid } from "./fingerprint.js";

/** An item as input of the recorder. Its key identifies it; its fingerprint distinguishes payloads under one key. */
export interface DecodedItem extends KeyedItem {
  /** `data`, parsed; undefined: not yet. */
  readonly value?: unknown;
}

export type DecodedRecord =
  | { readonly kind: "items"; readonly items: readonly DecodedItem[]; readonly tenancyVersion: number }
  | { readonly kind: "control"; readonly control: ControlRecord }
  /** Unreadable, or its effect would be unstorable: kept with its bytes. */
  | { readonly kind: "poison"; readonly error: string };

/**
 * Decodes one record of usage.received. A writer of the log could write anything: a decoded record can be stored, so that no
 * malformed record blocks its partition. Throws UpgradeRequired for a record that newer code wrote.
 */
export function decodeRecord(value: Buffer, partition: number, partitionCount: number): DecodedRecord {
  try {
    if (isColumns(value)) return decodeColumns(value, partition, partitionCount);
    const text = value.toString("utf8");
    const record = readReceived(text);
    if (record.kind !== "items") return decodeControl(record, partition, partitionCount);
    const { items, tenancyVersion } = record;
    assertTenants(tenantsOf(items), partition, partitionCount);
    if (mayBeUnstorable(text)) for (const item of items) assertStorable(...textsOf(item));
    return { kind: "items", items: items.map(decodeItem), tenancyVersion };
  } catch (error) {
    if (error instanceof UpgradeRequired) throw error;
    return { kind: "poison", error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Takes keys and fingerprints as the edge computed them, and data as it made it canonical: those of one item are computed again, so
 * that an edge that computes them otherwise is found with its first records, before anything is counted twice.
 */
function decodeColumns(value: Buffer, partition: number, partitionCount: number): DecodedRecord {
  const { items, tenantIds, tenancyVersion } = readReceivedColumns(value);
  assertTenants(tenantIds, partition, partitionCount);
  const probed = items[value.readUInt32BE(CHECKSUM_AT) % items.length];
  if (probed !== undefined) assertDigests(probed);
  return { kind: "items", items, tenancyVersion };
}

/** The bytes of a record's checksum choose the item: another one in each record. */
const CHECKSUM_AT = 4;

function assertDigests({ tenantId, source, id, type, data, key, fingerprint }: KeyedItem): void {
  JSON.parse(data);
  if (eventDigest(tenantId, source, id) !== key) throw new RangeError("an item has a key that is not its own");
  if (fingerprintDigest(tenantId, type, data) !== fingerprint)
    throw new RangeError("an item has a fingerprint that is not its own");
}

function decodeItem(item: ReceivedItem): DecodedItem {
  const { tenantId, source, id, type, time, receivedAt, data } = item;
  assertInstant(time);
  assertInstant(receivedAt);
  const value: unknown = JSON.parse(data);
  const key = eventDigest(tenantId, source, id);
  const fingerprint = fingerprintDigest(tenantId, type, data);
  const decoded = { tenantId, source, id, type, time, receivedAt, data, key, fingerprint, value };
  return item.imported ? { ...decoded, imported: true } : decoded;
}

function decodeControl(control: ControlRecord, partition: number, partitionCount: number): DecodedRecord {
  assertFields(control);
  if ("tenantId" in control) assertTenant(control.tenantId, partition, partitionCount);
  assertStorable(...Object.values(control).filter((field) => typeof field === "string"));
  return { kind: "control", control };
}

/** Throws for fields that have the contract's type but no value that can be stored. */
function assertFields(control: ControlRecord): void {
  switch (control.kind) {
    case "tick":
      assertInstant(control.at);
      break;
    case "close":
      assertInstant(control.periodStart);
      break;
    case "resolve":
      if (control.fingerprint !== undefined) fingerprintUuid(control.fingerprint);
      break;
    case "creditGrant":
      assertTimestamp(control.at);
      if (control.expiresAt !== null) assertTimestamp(control.expiresAt);
      if (!isGrantable(control.amount, control.currency))
        throw new RangeError(`${control.amount} ${control.currency} cannot be granted`);
      break;
    case "creditVoid":
      assertTimestamp(control.at);
      break;
    case "void":
    case "backfill":
      break;
    default:
      control satisfies never;
  }
}

/** Consecutive items usually share a tenant, so cache the last lookup. */
function assertTenants(tenantIds: Iterable<string>, partition: number, partitionCount: number): void {
  let last: string | undefined;
  for (const tenantId of tenantIds) {
    if (tenantId !== last) assertTenant(tenantId, partition, partitionCount);
    last = tenantId;
  }
}

const tenantsOf = (items: readonly ReceivedItem[]): string[] => items.map(({ tenantId }) => tenantId);

/** In a wrong partition a tenant's event could be counted twice. */
function assertTenant(tenantId: string, partition: number, partitionCount: number): void {
  const own = partitionOf(tenantId, partitionCount);
  if (own !== partition) throw new RangeError(`tenant ${tenantId} belongs to partition ${own}, not ${partition}`);
}

/** UTF-8 has no surrogates: one can only come from an escape. May give false positives, never false negatives. */
const mayBeUnstorable = (text: string): boolean => text.includes("\\u") || text.includes("\0");
const textsOf = ({ tenantId, source, id, type, data }: ReceivedItem) => [tenantId, source, id, type, data];

function assertStorable(...texts: readonly string[]): void {
  if (!texts.every(isStorable)) throw new RangeError("NUL and lone surrogates can't be stored");
}

/** Of what events tell, as RFC 3339. */
function assertTimestamp(ms: number): void {
  if (!isTimestamp(ms)) throw new RangeError(`${ms} is not a time of the years 1 to 9999`);
}

function assertInstant(ms: number): void {
  if (Math.abs(ms) > MAX_INSTANT_MS) throw new RangeError(`${ms} is not an instant`);
}
