import { MetrlyError, messageOf } from "#kernel/errors.js";
import { backoffMs } from "#platform/lifecycle/random.js";
import { monotonicMs, sleep, within } from "#platform/lifecycle/time.js";

/** How long an append is retried before it fails with LOG_UNAVAILABLE. */
const APPEND_DEADLINE_MS = 8_500;
const BACKOFF = { firstMs: 50, longestMs: 1_000 };

/**
 * Retries `attempt` on each transient error, with exponential backoff and jitter, until the deadline; then throws
 * LOG_UNAVAILABLE. The signal tells an attempt still running at the deadline that it is abandoned; its request may still take
 * effect.
 */
export async function appendWithinDeadline(
  attempt: (abandoned: AbortSignal) => Promise<void>,
  isTransient: (error: unknown) => boolean,
  stopped: AbortSignal,
): Promise<void> {
  const abandoned = new AbortController();
  const deadline = monotonicMs() + APPEND_DEADLINE_MS;
  let failures = 0;
  let cause: unknown = new Error("no answer");
  while (!stopped.aborted) {
    const leftMs = deadline - monotonicMs();
    if (leftMs <= 0) break;
    try {
      if (
        await within(
          leftMs,
          attempt(abandoned.signal).then(() => true),
        )
      )
        return;
    } catch (error) {
      if (!isTransient(error)) throw error;
      cause = error;
      failures += 1;
      await sleep(Math.min(backoffMs(BACKOFF, failures), Math.max(0, deadline - monotonicMs())), stopped);
    }
  }
  abandoned.abort();
  const reason = stopped.aborted ? "it was stopped" : messageOf(cause);
  throw new MetrlyError("LOG_UNAVAILABLE", `the event log does not accept records: ${reason}`);
}
