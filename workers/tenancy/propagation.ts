import { MetrlyError } from "#kernel/errors.js";
import type { Propagation } from "#platform/graphql/propagation.js";
import { awakeSignal, sleep } from "#platform/lifecycle/time.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { AppliedVersions } from "./applied-versions.js";
import type { Lease } from "./rules/leases.js";

/** How long a mutation waits before it is answered all the same, ms. */
export const SETTLES_WITHIN_MS = 2_000;
/** Another process's relay may hold the outbox while a kick comes, ms. */
const KICK_AGAIN_MS = 50;
const LOOK_AGAIN_MS = 5;

export interface PropagationOptions {
  /** Of this process: what it has applied is in the log. */
  readonly tenancy: Pick<TenancyCopy, "version" | "reached" | "caughtUp">;
  readonly applied: Omit<AppliedVersions, "stop">;
  /** Publishes what is committed. */
  kick(): void;
}

/** Lets a mutation's answer wait until every process that serves acts on its version, and say how far that got. */
export function createPropagation({ tenancy, applied, kick }: PropagationOptions) {
  /** A version that did not get into the log in time: until it is there, no other mutation waits. */
  let stuck = 0;
  const publishing = new Set<AbortController>();

  async function isPublished(version: number, timeout: AbortSignal): Promise<boolean> {
    if (tenancy.version() >= version) return true;
    kick();
    if (!applied.isReachable() || tenancy.version() < stuck) return false;
    const ended = new AbortController();
    const giveUp = () => ended.abort();
    timeout.addEventListener("abort", giveUp, { once: true });
    publishing.add(ended);
    const reached = tenancy.reached(version, ended.signal).then(giveUp, giveUp);
    while (!ended.signal.aborted) {
      await sleep(KICK_AGAIN_MS, ended.signal);
      if (ended.signal.aborted) break;
      kick();
      // Sooner than a consumer that has just started or has lost its place.
      void tenancy.caughtUp().catch(() => undefined);
    }
    await reached;
    timeout.removeEventListener("abort", giveUp);
    publishing.delete(ended);
    if (tenancy.version() < version) stuck = Math.max(stuck, version);
    return tenancy.version() >= version;
  }

  /** False: the log cannot be read, or not in time. */
  async function hasCaughtUp(timeout: AbortSignal): Promise<boolean> {
    if (timeout.aborted) return false;
    let end = (): void => undefined;
    const late = new Promise<boolean>((resolve) => {
      end = () => resolve(false);
      timeout.addEventListener("abort", end, { once: true });
    });
    const caughtUp = applied.caughtUp().then(
      () => true,
      () => false,
    );
    return Promise.race([caughtUp, late]).finally(() => timeout.removeEventListener("abort", end));
  }

  /** As far as it got. */
  function stateOf(version: number, reason: string | undefined): Propagation {
    const missing = applied.behind(version).map(({ role, instance }) => ({ role, instance }));
    const complete = reason === undefined && missing.length === 0;
    return { version, complete, missing, ...(reason !== undefined && { reason }) };
  }

  return {
    /** Resolves when every process that serves has applied the version, after at most 2 s, or at once while the log is down. */
    async settled(version: number): Promise<Propagation> {
      const timeout = awakeSignal(SETTLES_WITHIN_MS);
      if (!(await isPublished(version, timeout))) return stateOf(version, LOG_UNAVAILABLE);
      let awaited: readonly Lease[] | undefined;
      // Processes that report only after such a look find the version in the log themselves.
      while (await hasCaughtUp(timeout)) {
        awaited = applied.behind(version).filter(applied.isWaitedFor);
        if (awaited.length === 0) return stateOf(version, applied.isUncertain() ? UNREADABLE_REPORTS : undefined);
        await sleep(LOOK_AGAIN_MS, timeout);
      }
      if (awaited === undefined || !timeout.aborted) return stateOf(version, LOG_UNAVAILABLE);
      applied.noteOverdue(awaited, version);
      return stateOf(version, undefined);
    },
    /** The outbox's relay failed; `committed`: the newest version in the outbox. */
    publishingFailed(error: unknown, committed: number): void {
      if (!(error instanceof MetrlyError) || error.code !== LOG_UNAVAILABLE) return;
      stuck = Math.max(stuck, committed);
      for (const ended of publishing) ended.abort();
    },
  };
}

const LOG_UNAVAILABLE = "LOG_UNAVAILABLE";
/** Newer code reports in a way that this process cannot read, or too many processes report. */
const UNREADABLE_REPORTS = "UNREADABLE_REPORTS";
