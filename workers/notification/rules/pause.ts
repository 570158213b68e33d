import type { AttemptResult } from "./retry.js";

/** A receiver is left alone after this many failures in a row … */
const FAILURES_BEFORE_PAUSE = 5;
/** … for so long at first, twice as long after each failure that follows, and never longer than the last. */
const FIRST_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 600_000;

/**
 * How long nothing is sent to an endpoint after its `failures`th failure in a row, ms; 0: it goes on. Longer when the receiver
 * asked for it by `Retry-After`. The pauses are drawn between half and all of their length, by `random` in [0, 1).
 */
export function pauseMs(
  failures: number,
  { retryAfterMs = 0 }: Pick<AttemptResult, "retryAfterMs">,
  random: number,
  firstPauseMs = FIRST_PAUSE_MS,
): number {
  const doublings = failures - FAILURES_BEFORE_PAUSE;
  const own = doublings < 0 ? 0 : Math.min(MAX_PAUSE_MS, firstPauseMs * 2 ** Math.min(doublings, MAX_DOUBLINGS));
  return Math.max(Math.round(own * (0.5 + random / 2)), Math.min(retryAfterMs, MAX_PAUSE_MS));
}

const MAX_DOUBLINGS = 10;
