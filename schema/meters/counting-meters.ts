import type { MeterState } from "../events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "../events/usage-recorded.v1.js";
import { isMeterActive } from "../tenancy-history.js";
import { parsedData, readMeter } from "./meter-reading.js";

/** A meter that from the entry at `seq` on also counts events recorded unmetered before. */
export interface Backfill {
  readonly meter: MeterState;
  readonly seq: number;
}

export type MetersOfType = (eventType: string) => readonly MeterState[];
/** Start of a tenant's earliest period that had not ended before the entry at `seq`: a backfill reaches no earlier one. */
export type OpenStart = (tenantId: string, seq: number) => number;

const ANY_PERIOD: OpenStart = () => Number.NEGATIVE_INFINITY;

/** The meters that counted an event when it was recorded. */
export const metersAtRecording = (event: RecordedEvent, metersOfType: MetersOfType): MeterState[] =>
  metersOfType(event.type).filter((meter) => isMeterActive(meter, event.tenancyVersion));

/**
 * The meters that count an event through backfills before `beforeSeq`: only if no meter counted it at recording, its period had
 * not ended, and the meter can read it.
 */
export function metersByBackfill(
  event: RecordedEvent,
  beforeSeq: number,
  backfills: readonly Backfill[],
  metersOfType: MetersOfType,
  openStart: OpenStart = ANY_PERIOD,
): MeterState[] {
  const candidates = backfills.filter(
    ({ meter, seq }) =>
      seq > event.seq &&
      seq < beforeSeq &&
      meter.eventType === event.type &&
      openStart(event.tenantId, seq) <= event.time,
  );
  if (candidates.length === 0 || metersAtRecording(event, metersOfType).length > 0) return [];
  const data = parsedData(event.data);
  return candidates.filter(({ meter }) => readMeter(meter, data).kind === "reading").map(({ meter }) => meter);
}

/** The meters that count an event just before the entry at `beforeSeq`, from which a void there retracts it. */
export function countingMeters(
  event: RecordedEvent,
  beforeSeq: number,
  metersOfType: MetersOfType,
  backfills: readonly Backfill[],
  openStart?: OpenStart,
): MeterState[] {
  const counted = metersAtRecording(event, metersOfType);
  return counted.length > 0 ? counted : metersByBackfill(event, beforeSeq, backfills, metersOfType, openStart);
}

/** Backfills as a service stores them, by their meters' keys. */
export const storedBackfills = (
  stored: readonly { readonly meter: string; readonly seq: number }[],
  meterOf: (key: string) => MeterState | undefined,
): Backfill[] =>
  stored.flatMap(({ meter: key, seq }) => {
    const meter = meterOf(key);
    return meter === undefined ? [] : [{ meter, seq }];
  });

/** The first backfill of each meter among entries. A repeat, or one whose meter is archived by then, has no effect. */
export function backfillsOf(
  entries: readonly LedgerEntry[],
  meterOf: (key: string) => MeterState | undefined,
  known: readonly Backfill[],
): Backfill[] {
  const found: Backfill[] = [];
  for (const entry of entries) {
    if (entry.kind !== "backfill") continue;
    const meter = meterOf(entry.meterKey);
    if (meter === undefined || !isMeterActive(meter, entry.tenancyVersion)) continue;
    if ([...known, ...found].some((backfill) => backfill.meter.id === entry.meterKey)) continue;
    found.push({ meter, seq: entry.seq });
  }
  return found;
}
