import type { Conflicts } from "../store/conflicts.js";
import type { FoundEvent } from "../store/event-lookup.js";

/** The event as returned by `GET /v1/events`. */
export function describeEvent(event: FoundEvent, conflicts: Conflicts | undefined): Record<string, unknown> {
  const instant = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    status: event.status.toLowerCase(),
    seq: event.seq === null ? null : String(event.seq),
    duplicates: event.duplicates,
    time: instant(event.time),
    receivedAt: instant(event.receivedAt),
    recordedAt: instant(event.recordedAt),
    quarantineReason: event.quarantineReason,
    voidReason: event.voidReason,
    conflicts: conflicts?.count ?? 0,
    conflictsSince: instant(conflicts?.since ?? null),
  };
}
