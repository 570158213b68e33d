import type { AttemptResult } from "./retry.js";

/** Circuit breaker: consecutive failures before a pause … */
const FAILURES_BEFORE_PAUSE = 5;
/** … its first length, doubled with each further failure, up to the last. */
const FIRST_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 600_000;

/**
 * The pause after an endpoint's `failures`th consecutive failure, ms; 0: none. Extended by the receiver's `Retry-After`.
 * Jittered between half and all of its length, by `random` in [0, 1).
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
