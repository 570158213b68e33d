import { MetrlyError } from "#kernel/errors.js";
import { type Deferred, deferred } from "#platform/lifecycle/deferred.js";
import { after, monotonicMs, within } from "#platform/lifecycle/time.js";

/** Between the starts of two reads: unknown keys must not cost the log more than this many. */
export const READ_SPACING_MS = 20;
/** Those who wait for the next read; one more is refused. */
export const MAX_WAITING = 10_000;
/** After this long a read counts as failed, and those who wait for it are refused. */
export const READ_TIMEOUT_MS = 2_000;

interface Pending extends Deferred<void> {
  waiting: number;
}

/**
 * Reads once for all who ask: one read runs and one is pending. Who asks while a read runs waits for the pending one, so that each
 * answer is of a moment after its question. The result rejects with BUSY when too many wait, UNAVAILABLE when a read takes too
 * long, or what the read rejects with.
 */
export function createJoinedReads(
  read: () => Promise<void>,
  maxWaiting = MAX_WAITING,
  spacingMs = READ_SPACING_MS,
): () => Promise<void> {
  let pending: Pending | undefined;
  let isBusy = false;
  let startedAt = Number.NEGATIVE_INFINITY;

  function scheduleNext(): void {
    if (isBusy || pending === undefined) return;
    isBusy = true;
    runWhenDue();
  }

  /** A timer may fire a moment before its time. */
  function runWhenDue(): void {
    const waitMs = startedAt + spacingMs - monotonicMs();
    if (waitMs > 0) after(waitMs, runWhenDue);
    else void run();
  }

  async function run(): Promise<void> {
    const current = pending;
    pending = undefined;
    startedAt = monotonicMs();
    try {
      const ended = await within(
        READ_TIMEOUT_MS,
        read().then(() => true),
      );
      if (ended === undefined) throw unavailable("the event log does not answer in time");
      current?.resolve();
    } catch (error) {
      current?.reject(error);
    }
    isBusy = false;
    scheduleNext();
  }

  return function join() {
    pending ??= { ...deferred(), waiting: 0 };
    if (pending.waiting >= maxWaiting)
      return Promise.reject(
        new MetrlyError("BUSY", "Too many requests wait for news from tenancy; try again", RETRY_SOON),
      );
    pending.waiting += 1;
    const { promise } = pending;
    scheduleNext();
    return promise;
  };
}

const RETRY_SOON = { retryAfterSeconds: 1 };
const unavailable = (detail: string) => new MetrlyError("UNAVAILABLE", detail, RETRY_SOON);
