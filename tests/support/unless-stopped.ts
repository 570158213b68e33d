import { beforeEach } from "vitest";

/** Below the shortest time-out of such a test. */
const STOP_MS = 150;
const LOOK_MS = 50;
const MOST_RETRIES = 6;
const STOPPED = "the process stood still during this test, which is tried again";

/**
 * Options for tests of time-outs that are short there: one that fails is tried again if its process stood still meanwhile, which
 * exceeds what the test did not mean to. Other failures count. Call it in the file of the tests.
 */
export function unlessStopped() {
  beforeEach(({ task }) => {
    let hasStopped = false;
    let lookedAt = performance.now();
    const look = (): void => {
      const now = performance.now();
      if (now - lookedAt > STOP_MS) hasStopped = true;
      lookedAt = now;
    };
    const timer = setInterval(look, LOOK_MS);
    return () => {
      clearInterval(timer);
      look();
      if (hasStopped && task.result?.state === "fail") throw new Error(STOPPED);
    };
  });
  // Vitest drops a condition that is a function before it runs the tests.
  return { retry: { count: MOST_RETRIES, condition: new RegExp(STOPPED) } };
}
