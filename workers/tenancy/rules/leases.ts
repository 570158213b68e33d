import type { TenancyAppliedV1 } from "#schema/events/tenancy-applied.v1.js";

/** A process's lease ends 10 s after it sent its last report; some seconds more are for the report's way. */
export const LEASE_SEEN_FOR_MS = 15_000;
/** More processes than this are not told apart. */
export const MAX_LEASES = 1_000;

/** A process that may serve, and how far it is. */
export interface Lease {
  readonly role: string;
  readonly instance: string;
  readonly version: number;
}

interface Known extends Lease {
  readonly seenAtMs: number;
  /** The version that it did not reach in time; 0: none. */
  readonly overdue: number;
}

/** The leases that reports tell of. Times are ms of a clock that never jumps. */
export function createLeases() {
  const known = new Map<string, Known>();
  /** Until then there may be processes that are not known. */
  let uncertainUntilMs = Number.NEGATIVE_INFINITY;

  return {
    /** Reports of one process may arrive twice, and an older one after a newer one. */
    take({ role, instance, version, ended }: TenancyAppliedV1, seenAtMs: number): void {
      const before = known.get(instance);
      if (ended === true) known.delete(instance);
      else if (before === undefined && known.size >= MAX_LEASES) uncertainUntilMs = seenAtMs + LEASE_SEEN_FOR_MS;
      else {
        const reached = Math.max(version, before?.version ?? 0);
        const overdue = before !== undefined && before.overdue > reached ? before.overdue : 0;
        known.set(instance, { role, instance, version: reached, seenAtMs, overdue });
      }
    },
    /** A report that cannot be read: its process may serve. */
    takeUnreadable(seenAtMs: number): void {
      uncertainUntilMs = seenAtMs + LEASE_SEEN_FOR_MS;
    },
    /** Reports could not be read for a while, so that silence until now says nothing. */
    extend(nowMs: number): void {
      for (const [instance, lease] of known) known.set(instance, { ...lease, seenAtMs: nowMs });
    },
    /** Forgets those whose lease has ended: call when all reports until `nowMs` are taken. */
    expire(nowMs: number): void {
      for (const [instance, { seenAtMs }] of known) if (nowMs - seenAtMs > LEASE_SEEN_FOR_MS) known.delete(instance);
    },
    /** Those that have not reached the version. */
    behind: (version: number): readonly Lease[] => [...known.values()].filter((lease) => lease.version < version),
    /** Whether to wait for it: not for one that was too slow before and has not reached that version since. */
    isWaitedFor: ({ instance }: Lease): boolean => known.get(instance)?.overdue === 0,
    /** They did not reach the version in time. */
    noteOverdue(leases: readonly Lease[], version: number): void {
      for (const { instance } of leases) {
        const lease = known.get(instance);
        if (lease !== undefined && lease.version < version) known.set(instance, { ...lease, overdue: version });
      }
    },
    /** Whether processes may serve that are not known. */
    isUncertain: (nowMs: number): boolean => nowMs < uncertainUntilMs,
  };
}
