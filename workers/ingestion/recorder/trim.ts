import { MINUTE_MS } from "#kernel/duration.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import type { Recorder } from "./recorder.js";

const EVERY_MS = MINUTE_MS;

/**
 * Trims usage.received up to what the ledger has. It stays one round behind the cursor, for readers of the log's tail with a
 * slightly older cursor, and keeps the record before it, which identifies a recreated topic.
 */
export function startTrimming(
  log: EventLog,
  recorder: Recorder,
  onError: (error: unknown) => void,
  everyMs: number = EVERY_MS,
): { stop(): Promise<void> } {
  const before = new Map<number, number>();
  async function trimAll(): Promise<void> {
    for (const partition of recorder.assigned()) {
      const cursor = recorder.cursors().get(partition);
      const keep = before.get(partition);
      if (cursor !== undefined) before.set(partition, cursor.next);
      if (keep !== undefined && keep > 1) await log.trim(USAGE_RECEIVED, partition, keep - 1);
    }
  }

  return repeat({ everyMs, first: "later", run: trimAll, onError });
}
