import type { TenancyStore } from "./store/store.js";

/** Often enough that copies, stale after 60 s, survive several lost ones. */
export const HEARTBEAT_MS = 10_000;

/**
 * Tells the copies of tenancy, now and every `intervalMs`, that they still hear it. A failure is told and the next one
 * tries again: while tenancy's database or the log is down, copies are to become stale.
 */
export function startHeartbeat(
  store: Pick<TenancyStore, "heartbeat">,
  onError: (error: unknown) => void,
  intervalMs: number = HEARTBEAT_MS,
): { stop(): Promise<void> } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  function beat(): void {
    running = store
      .heartbeat()
      .catch(onError)
      .finally(() => {
        if (!stopped) timer = setTimeout(beat, intervalMs);
      });
  }
  beat();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
