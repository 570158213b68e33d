import type { TenancyAppliedV1 } from "#schema/events/tenancy-applied.v1.js";

/** A process's lease ends 10 s after it sent its last report; some seconds more are for the report's way. */
export const LEASE_SEEN_FOR_MS = 15_000;
/** Older knowledge counts for nothing: reports are read every few seconds. */
export const KNOWN_FOR_MS = 10_000;
/** More processes than this are not told apart. */
const MAX_PROCESSES = 1_000;

/** The roles whose processes read neither the log's usage nor the ledger. Any other, known here or not, may. */
const READ_NO_USAGE: ReadonlySet<string> = new Set(["gateway", "tenancy", "notification"]);

interface Process {
  readonly role: string;
  readonly reads: ReadonlySet<string>;
  readonly seenAtMs: number;
}

/**
 * Which encodings the processes with a lease have declared that they read. Times are ms of a clock that never jumps. What is not
 * known counts as not declared: text is always right.
 */
export function createDeclaredEncodings() {
  const known = new Map<string, Process>();
  /** Since then every report was taken; undefined: none yet. */
  let sinceMs: number | undefined;
  let takenAtMs = Number.NEGATIVE_INFINITY;
  let uncertainUntilMs = Number.NEGATIVE_INFINITY;

  return {
    /** Reports of one process may arrive twice, and an older one after a newer one: its declaration never changes. */
    take({ role, instance, reads, ended }: TenancyAppliedV1, seenAtMs: number): void {
      if (ended === true) known.delete(instance);
      else if (!known.has(instance) && known.size >= MAX_PROCESSES) this.takeUnreadable(seenAtMs);
      else known.set(instance, { role, reads: new Set(reads), seenAtMs });
    },
    /** A report that cannot be read, or was missed: its process may read anything or nothing. */
    takeUnreadable(seenAtMs: number): void {
      uncertainUntilMs = seenAtMs + LEASE_SEEN_FOR_MS;
    },
    /** Every report that was in the log at this moment is taken. */
    taken(atMs: number): void {
      if (sinceMs === undefined || atMs - takenAtMs > KNOWN_FOR_MS) sinceMs = atMs;
      takenAtMs = atMs;
      for (const [instance, { seenAtMs }] of known) if (atMs - seenAtMs > LEASE_SEEN_FOR_MS) known.delete(instance);
    },
    /** Whether every process that may read usage has declared the encoding: those that said nothing for the life of a lease have none. */
    areAllReading(encoding: string, nowMs: number): boolean {
      if (sinceMs === undefined || nowMs - sinceMs < LEASE_SEEN_FOR_MS) return false;
      if (nowMs - takenAtMs > KNOWN_FOR_MS || nowMs < uncertainUntilMs) return false;
      const readers = [...known.values()].filter(({ role }) => !READ_NO_USAGE.has(role));
      return readers.length > 0 && readers.every(({ reads }) => reads.has(encoding));
    },
  };
}
