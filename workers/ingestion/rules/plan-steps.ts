import { MINUTE_MS } from "#kernel/duration.js";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { type DecodedRecord } from "./decode-record.js";
import type { BatchElement } from "./record-items.js";

/** A record of usage.received with its decoded content. */
export interface ReceivedRecord {
  readonly offset: number;
  /** When the log stored it, epoch ms. */
  readonly timestamp: number;
  readonly value: Buffer;
  readonly decoded: DecodedRecord;
}

/** Control records that depend on recorded state: each has its own transaction. */
export type LookupControl = Extract<ControlRecord, { kind: "void" | "resolve" }>;

/** The content of one transaction: contiguous records, from the first's offset to the last's. */
export interface RecordingStep {
  readonly records: readonly [ReceivedRecord, ...ReceivedRecord[]];
  /** What can be split: items, or 1 for a single record. */
  readonly units: number;
  readonly elements: readonly BatchElement[];
  readonly lookup: LookupControl | undefined;
  readonly poison: readonly { readonly offset: number; readonly value: Buffer; readonly error: string }[];
  /** Ticks that differ from the log's clock by more than `MAX_CLOCK_SKEW_MS`: they get no `seq`. */
  readonly refusedTicks: number;
  readonly ticks: number;
}

export const MAX_CLOCK_SKEW_MS = MINUTE_MS;
export const MAX_ITEMS_PER_STEP = 5_000;

/**
 * Splits a batch into transactions: one record each, or several of at most `maxItems` items, where another record counts as
 * one item; a void or a resolution comes alone.
 */
export function* planSteps(
  records: readonly ReceivedRecord[],
  maxItems = MAX_ITEMS_PER_STEP,
): Generator<RecordingStep> {
  let start = 0;
  let items = 0;
  for (const [index, record] of records.entries()) {
    const next = records[index + 1];
    items += itemsOf(record);
    const isOpen = lookupOf(record) === undefined && next !== undefined && lookupOf(next) === undefined;
    if (isOpen && items + itemsOf(next) <= maxItems) continue;
    const [first, ...rest] = records.slice(start, index + 1);
    if (first !== undefined) yield stepOf([first, ...rest]);
    start = index + 1;
    items = 0;
  }
}

const itemsOf = ({ decoded }: ReceivedRecord): number =>
  decoded.kind === "items" ? Math.max(1, decoded.items.length) : 1;

function stepOf(records: readonly [ReceivedRecord, ...ReceivedRecord[]]): RecordingStep {
  const elements: BatchElement[] = [];
  const poison: { offset: number; value: Buffer; error: string }[] = [];
  let ticks = 0;
  let refusedTicks = 0;
  for (const { decoded, offset, value, timestamp } of records) {
    if (decoded.kind === "poison") {
      poison.push({ offset, value, error: decoded.error });
    } else if (decoded.kind === "items") {
      for (const item of decoded.items) elements.push({ kind: "item", item });
    } else {
      const { control } = decoded;
      if (control.kind === "void" || control.kind === "resolve") continue;
      if (control.kind === "tick" && Math.abs(control.at - timestamp) > MAX_CLOCK_SKEW_MS) {
        refusedTicks += 1;
        continue;
      }
      if (control.kind === "tick") ticks += 1;
      elements.push({ kind: "control", control });
    }
  }
  const units = records.length === 1 ? 1 : records.reduce((sum, record) => sum + itemsOf(record), 0);
  return { records, units, elements, lookup: lookupOf(records[0]), poison, ticks, refusedTicks };
}

function lookupOf({ decoded }: ReceivedRecord): LookupControl | undefined {
  if (decoded.kind !== "control") return undefined;
  return decoded.control.kind === "void" || decoded.control.kind === "resolve" ? decoded.control : undefined;
}
