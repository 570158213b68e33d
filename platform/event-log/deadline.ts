import { setTimeout as sleep } from "node:timers/promises";
import { MetrlyError } from "#kernel/errors.js";

/** How long an append may try before its caller is told that the log does not answer. */
const APPEND_DEADLINE_MS = 8_500;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * Runs `attempt` again after each error that `isTransient`, with growing jittered pauses, until the deadline; then throws
 * LOG_UNAVAILABLE. An attempt still running at the deadline is told by its signal that nobody waits any more, but what it
 * has sent may still arrive.
 */
export async function appendWithinDeadline(
  attempt: (abandoned: AbortSignal) => Promise<void>,
  isTransient: (error: unknown) => boolean,
  stopped: AbortSignal,
): Promise<void> {
  const abandoned = new AbortController();
  const deadline = Date.now() + APPEND_DEADLINE_MS;
  let pauseMs = FIRST_PAUSE_MS;
  let cause: unknown = new Error("no answer");
  while (!stopped.aborted) {
    const leftMs = deadline - Date.now();
    if (leftMs <= 0) break;
    try {
      if (await settlesWithin(attempt(abandoned.signal), leftMs)) return;
    } catch (error) {
      if (!isTransient(error)) throw error;
      cause = error;
      await sleep(Math.min(pauseMs * (0.5 + Math.random()), Math.max(0, deadline - Date.now())));
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
  abandoned.abort();
  const reason = stopped.aborted ? "it was stopped" : cause instanceof Error ? cause.message : String(cause);
  throw new MetrlyError("LOG_UNAVAILABLE", `the event log does not take records: ${reason}`);
}

async function settlesWithin(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
    // An abandoned attempt may still fail: nobody is left to tell.
    work.catch(() => undefined);
  }
}
