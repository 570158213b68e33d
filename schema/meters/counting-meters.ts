import type { MeterState } from "../events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "../events/usage-recorded.v1.js";
import { isMeterActive } from "../tenancy-history.js";
import { readMeter } from "./meter-reading.js";

/** A meter that counts from `seq` on what was recorded unmetered before. */
export interface Backfill {
  readonly meter: MeterState;
  readonly seq: number;
}

export type MetersOfType = (eventType: string) => readonly MeterState[];
/** Start of a tenant's earliest period that had not ended before the entry at `seq`. */
export type OpenStart = (tenantId: string, seq: number) => number;

export const metersAtRecording = (event: RecordedEvent, metersOfType: MetersOfType): MeterState[] =>
  metersOfType(event.type).filter((meter) => isMeterActive(meter, event.tenancyVersion));

/**
 * The meters that came to count an event after it was recorded, by backfills before `beforeSeq`: only what no meter counted
 * when it was recorded, only in a period that had not ended, and only where the meter can read it.
 */
export function metersByBackfill(
  event: RecordedEvent,
  beforeSeq: number,
  backfills: readonly Backfill[],
  metersOfType: MetersOfType,
  openStart: OpenStart,
): MeterState[] {
  const candidates = backfills.filter(
    ({ meter, seq }) =>
      seq > event.seq &&
      seq < beforeSeq &&
      meter.eventType === event.type &&
      openStart(event.tenantId, seq) <= event.time,
  );
  if (candidates.length === 0 || metersAtRecording(event, metersOfType).length > 0) return [];
  const data: unknown = JSON.parse(event.data);
  return candidates.filter(({ meter }) => readMeter(meter, data).kind === "reading").map(({ meter }) => meter);
}

/** The first backfill of each meter among entries. A repeat, or one whose meter is archived by then, has no effect. */
export function backfillsOf(
  entries: readonly LedgerEntry[],
  meter: (key: string) => MeterState | undefined,
  known: readonly Backfill[],
): Backfill[] {
  const found: Backfill[] = [];
  for (const entry of entries) {
    if (entry.kind !== "backfill") continue;
    const state = meter(entry.meterKey);
    if (state === undefined || !isMeterActive(state, entry.tenancyVersion)) continue;
    if ([...known, ...found].some((backfill) => backfill.meter.id === entry.meterKey)) continue;
    found.push({ meter: state, seq: entry.seq });
  }
  return found;
}
