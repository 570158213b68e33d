import { sleep, timeoutSignal } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";

/** How long a mutation waits before it is answered all the same, ms. */
const SETTLES_WITHIN_MS = 2_000;
/** Another process's relay may hold the outbox while a kick comes, ms. */
const KICK_AGAIN_MS = 50;

export interface PropagationOptions {
  /** Of this process: what it has applied is in the log. */
  readonly tenancy: Pick<TenancyCopy, "version" | "reached">;
  /** Publishes what is committed. */
  kick(): void;
}

/** Lets a mutation's answer wait until its version is where its reader will look for it. */
export function createPropagation({ tenancy, kick }: PropagationOptions) {
  /** The version whose publication took too long: until it is there, no other mutation waits. */
  let overdue = 0;
  return {
    /** Resolves when the log has the version, after at most 2 s, or at once while the log does not take versions. */
    async settled(version: number): Promise<void> {
      if (tenancy.version() >= version || tenancy.version() < overdue) return;
      const timeout = timeoutSignal(SETTLES_WITHIN_MS);
      const published = tenancy.reached(version, timeout).then(
        () => true,
        () => false,
      );
      const done = new AbortController();
      void published.then(() => done.abort());
      while (!done.signal.aborted) {
        await sleep(KICK_AGAIN_MS, done.signal);
        if (!done.signal.aborted) kick();
      }
      if (!(await published)) overdue = Math.max(overdue, version);
    },
  };
}
