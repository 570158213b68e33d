import { after, monotonicMs, type Timer } from "#platform/lifecycle/time.js";

/** An element with a deadline. */
export interface Expiring {
  /** Set by `add`, ms of the monotonic clock. */
  deadline: number;
}

export interface DeadlineQueue<T extends Expiring> {
  add(one: T): void;
  remove(one: T): void;
}

/**
 * Expires elements after `timeoutMs`. All have the same timeout, so they expire in the order of insertion, and one timer
 * serves them all: one per request cost as much as checking the request.
 */
export function createDeadlineQueue<T extends Expiring>(
  timeoutMs: number,
  onExpired: (one: T) => void,
): DeadlineQueue<T> {
  const waiting = new Set<T>();
  let timer: Timer | undefined;

  function expire(): void {
    timer = undefined;
    const now = monotonicMs();
    for (const one of waiting) {
      if (one.deadline > now) {
        watch(one.deadline - now);
        return;
      }
      waiting.delete(one);
      onExpired(one);
    }
  }

  function watch(ms: number): void {
    timer = after(Math.ceil(ms), expire, { unref: true });
  }

  return {
    add(one) {
      one.deadline = monotonicMs() + timeoutMs;
      waiting.add(one);
      if (timer === undefined) watch(timeoutMs);
    },
    remove: (one) => void waiting.delete(one),
  };
}
