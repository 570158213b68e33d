/** The source of time; passed in, never read by rules. Epoch milliseconds. */
export interface Clock {
  now(): number;
}

/** A manual clock for tests. */
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
