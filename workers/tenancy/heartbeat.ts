import { repeat } from "#platform/lifecycle/repeat.js";
import type { TenancyStore } from "./store/store.js";

/** Frequent enough that copies, stale after 60 s, tolerate several lost heartbeats. */
export const HEARTBEAT_MS = 10_000;

/**
 * Sends a heartbeat to the copies of tenancy, now and every `intervalMs`. A failure is reported and the next one retries: while
 * tenancy's database or the log is down, copies must become stale.
 */
export function startHeartbeat(
  store: Pick<TenancyStore, "heartbeat">,
  onError: (error: unknown) => void,
  intervalMs: number = HEARTBEAT_MS,
): { stop(): Promise<void> } {
  return repeat({ everyMs: intervalMs, run: () => store.heartbeat(), onError });
}
