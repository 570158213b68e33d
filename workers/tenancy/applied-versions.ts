import type { Clock } from "#kernel/clock.js";
import { MINUTE_MS } from "#kernel/duration.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import type { EventLog, LogRecord } from "#platform/event-log/event-log.js";
import type { OnMalformed } from "#platform/event-log/read-records.js";
import { readUntil } from "#platform/event-log/read-until.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import { createJoinedReads, MAX_WAITING } from "#platform/tenancy-client/joined-reads.js";
import { tenancyAppliedV1 } from "#schema/events/tenancy-applied.v1.js";
import { TENANCY_APPLIED } from "#schema/topics.js";
import { createLeases, LEASE_SEEN_FOR_MS, type Lease } from "./rules/leases.js";

const READ_EVERY_MS = 3_000;
/** Between the starts of two reads while mutations wait. */
const READ_SPACING_MS = 5;
/** Reports before the newest so many mean nothing: each process has sent another since. */
const MAX_BEHIND = 10_000;
/** Clocks that disagree by more than a minute are refused elsewhere. */
const MAX_AGE_MS = LEASE_SEEN_FOR_MS + MINUTE_MS;

/** What the processes of this installation report of the tenancy version that they act on. */
export interface AppliedVersions {
  /** Resolves when every report that is in the log now is taken. Rejects with a 503 when the log cannot be read. */
  caughtUp(): Promise<void>;
  /** Whether the log could be read when it was last tried. */
  isReachable(): boolean;
  behind(version: number): readonly Lease[];
  isWaitedFor(lease: Lease): boolean;
  noteOverdue(leases: readonly Lease[], version: number): void;
  isUncertain(): boolean;
  stop(): Promise<void>;
}

/** Of an installation that is one process. */
export const NO_OTHERS: AppliedVersions = {
  caughtUp: async () => undefined,
  isReachable: () => true,
  behind: () => [],
  isWaitedFor: () => false,
  noteOverdue: () => undefined,
  isUncertain: () => false,
  stop: async () => undefined,
};

export interface AppliedVersionsOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  /** This process, whose copy tells more than its reports. */
  readonly self: { readonly instance: string; version(): number };
  readonly onMalformed: OnMalformed;
}

/** Reads the reports' topic every few seconds and whenever `caughtUp` is called; resolves after the first time. */
export async function followAppliedVersions(options: AppliedVersionsOptions): Promise<AppliedVersions> {
  const { log, clock, self, onMalformed } = options;
  const leases = createLeases();
  let next = 0;
  let readAtMs = monotonicMs();
  let isReachable = true;

  function take(record: LogRecord): void {
    if (clock.now() - record.timestamp > MAX_AGE_MS) return;
    try {
      leases.take(tenancyAppliedV1.read(record.value.toString("utf8")), monotonicMs());
    } catch (error) {
      if (error instanceof UpgradeRequired) leases.takeUnreadable(monotonicMs());
      else onMalformed({ topic: TENANCY_APPLIED.name, partition: 0, records: [record] }, record, error);
    }
  }

  async function read(): Promise<void> {
    const startedAtMs = monotonicMs();
    const { first, next: end } = await log.bounds(TENANCY_APPLIED, 0);
    // Beyond the end: the log was deleted and began anew.
    if (next > end) next = first;
    next = Math.max(next, first, end - MAX_BEHIND);
    await readUntil(end, {
      next: () => next,
      read: (from, maxRecords) => log.read(TENANCY_APPLIED, 0, from, maxRecords),
      take(records) {
        for (const record of records) {
          take(record);
          next = record.offset + 1;
        }
      },
    });
    if (startedAtMs - readAtMs > 2 * READ_EVERY_MS) leases.extend(startedAtMs);
    leases.expire(startedAtMs);
    readAtMs = startedAtMs;
  }

  const joined = createJoinedReads(read, MAX_WAITING, READ_SPACING_MS);
  async function caughtUp(): Promise<void> {
    try {
      await joined();
      isReachable = true;
    } catch (error) {
      isReachable = false;
      throw error;
    }
  }

  await caughtUp();
  const reading = repeat({ everyMs: READ_EVERY_MS, first: "later", run: caughtUp, onError: () => undefined });
  return {
    caughtUp,
    isReachable: () => isReachable,
    behind: (version) =>
      leases.behind(version).filter(({ instance }) => instance !== self.instance || self.version() < version),
    isWaitedFor: leases.isWaitedFor,
    noteOverdue: leases.noteOverdue,
    isUncertain: () => leases.isUncertain(monotonicMs()),
    stop: () => reading.stop(),
  };
}
