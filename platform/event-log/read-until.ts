import { MetrlyError } from "#kernel/errors.js";
import { monotonicMs, sleep } from "#platform/lifecycle/time.js";
import type { LogRecord } from "./event-log.js";

const READ_AT_ONCE = 1_000;
const PAUSE_MS = 20;
/** How long the log may keep back what it says it has. */
const PATIENCE_MS = 1_000;

export interface ReadUntil {
  /** The offset of the next record that is wanted; `take` moves it. */
  next(): number;
  read(from: number, maxRecords: number): Promise<readonly LogRecord[]>;
  take(records: readonly LogRecord[]): void;
}

/**
 * Takes every record before `end`, as the log's bounds told it. A log may give none though it has some, while a broker has just
 * become the leader or slows its clients: that is no end, and what is decided there may be final. Rejects with LOG_UNAVAILABLE
 * when it lasts.
 */
export async function readUntil(end: number, { next, read, take }: ReadUntil): Promise<void> {
  let gaveAtMs = monotonicMs();
  while (next() < end) {
    const records = await read(next(), READ_AT_ONCE);
    if (records.length > 0) {
      take(records);
      gaveAtMs = monotonicMs();
    } else if (monotonicMs() - gaveAtMs < PATIENCE_MS) await sleep(PAUSE_MS);
    else throw new MetrlyError("LOG_UNAVAILABLE", "The event log does not return its records");
  }
}
