import { monotonicMs } from "#platform/lifecycle/time.js";
/** Something that waits no longer than it must. */
export interface Impatient {
  /** Set by `begin`, ms of the monotonic clock. */
  deadline: number;
}

export interface Patience<T extends Impatient> {
  begin(one: T): void;
  end(one: T): void;
}

/**
 * Ends waits that have lasted `patienceMs`. All have the same patience, so they run out in the order they began, and one timer
 * serves them all: one per request cost as much as checking the request.
 */
export function createPatience<T extends Impatient>(patienceMs: number, lost: (one: T) => void): Patience<T> {
  // In the order of insertion.
  const waiting = new Set<T>();
  let timer: NodeJS.Timeout | undefined;

  function endOverdue(): void {
    timer = undefined;
    const now = monotonicMs();
    for (const one of waiting) {
      if (one.deadline > now) {
        watch(one.deadline - now);
        return;
      }
      waiting.delete(one);
      lost(one);
    }
  }

  function watch(ms: number): void {
    timer = setTimeout(endOverdue, Math.ceil(ms));
    timer.unref();
  }

  return {
    begin(one) {
      one.deadline = monotonicMs() + patienceMs;
      waiting.add(one);
      if (timer === undefined) watch(patienceMs);
    },
    end: (one) => void waiting.delete(one),
  };
}
