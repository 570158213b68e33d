import type { EventOutcome } from "#schema/openapi/usage-event.js";
import type { Conflicts } from "../store/conflicts.js";
import type { FoundEvent } from "../store/event-lookup.js";

/** The event as returned by `GET /v1/events`. */
export function describeEvent(event: FoundEvent, conflicts: Conflicts | undefined): EventOutcome {
  const instant = (ms: number) => new Date(ms).toISOString();
  const instantOrNull = (ms: number | null) => (ms === null ? null : instant(ms));
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    status: event.status.toLowerCase(),
    seq: event.seq === null ? null : String(event.seq),
    duplicates: event.duplicates,
    time: instant(event.time),
    receivedAt: instant(event.receivedAt),
    recordedAt: instantOrNull(event.recordedAt),
    quarantineReason: event.quarantineReason,
    voidReason: event.voidReason,
    conflicts: conflicts?.count ?? 0,
    conflictsSince: instantOrNull(conflicts?.since ?? null),
  };
}
