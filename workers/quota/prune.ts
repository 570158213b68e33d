import type { Clock } from "#kernel/clock.js";
import { HOUR_MS } from "#kernel/duration.js";
import type { QuotaStore } from "./store/store.js";

const INTERVAL_MS = HOUR_MS;

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
