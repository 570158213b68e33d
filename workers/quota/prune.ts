import type { Clock } from "#kernel/clock.js";
import type { QuotaStore } from "./store/store.js";

const INTERVAL_MS = 3_600_000;

/** Forgets once an hour what no window reaches any more. */
export function startPruning(store: QuotaStore, clock: Clock, onError: (error: unknown) => void) {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = store.prune(clock.now()).catch(onError);
  }, INTERVAL_MS);
  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      await running;
    },
  };
}
