const SLICES = 20;

export interface Deadline {
  /** Aborts at the deadline, with a `TimeoutError` as its reason. */
  readonly signal: AbortSignal;
  /** The signal does not abort any more. */
  cancel(): void;
}

/**
 * Ends when this process has had `ms` to work in: while it or its machine stands still, no more than a twentieth passes, so
 * that an answer that came meanwhile is not late. Does not keep the process alive.
 */
export function startDeadline(ms: number): Deadline {
  const ended = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let left = SLICES;
  function slice(): void {
    if (left === 0) {
      ended.abort(new DOMException("The operation timed out", "TimeoutError"));
      return;
    }
    left -= 1;
    timer = setTimeout(slice, ms / SLICES);
    // Browsers and edge runtimes have a number instead.
    (timer as { unref?: () => void }).unref?.();
  }
  slice();
  return { signal: ended.signal, cancel: () => clearTimeout(timer) };
}
