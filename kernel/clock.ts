/** Where the time comes from; passed in, never read from the environment by rules. Epoch milliseconds. */
export interface Clock {
  now(): number;
}

/** A clock that stands still until told: for tests. */
export function manualClock(startMs: number): Clock & { set(ms: number): void; advance(ms: number): void } {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    set: (ms) => {
      nowMs = ms;
    },
    advance: (ms) => {
      nowMs += ms;
    },
  };
}
