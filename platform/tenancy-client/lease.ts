import { MetrlyError } from "#kernel/errors.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { type Repeat, repeat } from "#platform/lifecycle/repeat.js";
import { every, monotonicMs, nowMs, sleep, type Timer, within } from "#platform/lifecycle/time.js";
import { USAGE_ENCODINGS } from "#schema/columns/sealed.js";
import { type TenancyAppliedV1, tenancyAppliedV1 } from "#schema/events/tenancy-applied.v1.js";
import { TENANCY_APPLIED } from "#schema/topics.js";
import type { TenancyCopy } from "./copy.js";

/** From the moment a report is sent, its process may serve for this long. */
export const LEASE_MS = 10_000;
/** Between reports while nothing changes: a lease survives two that get lost. */
export const REPORT_EVERY_MS = 3_000;
/** Between the starts of two reports while much changes. */
const REPORT_SPACING_MS = 25;
const BACKOFF = { firstMs: 200, longestMs: 1_000 };
/** A stop does not wait longer for the log. */
const FAREWELL_MS = 1_000;
/** How long a request waits for a lapsed lease. */
const PATIENCE_MS = 2_000;
/** One more is refused. */
const MAX_WAITING = 10_000;
const TICK_MS = 1_000;
/** Ticks without an answer after which the log counts as down. */
const TICKS_UNANSWERED = 2;
/** A gap between two ticks from which on the process counts as having been frozen. */
const FROZEN_FROM_MS = 3_000;

/** A run of a process, as tenancy knows it. */
export type Instance = Pick<TenancyAppliedV1, "role" | "instance">;

/**
 * The right of a process to decide by its copy of tenancy: mutations are answered when every process that has it acts on them.
 * It lasts `LEASE_MS` from the moment when the last acknowledged report began, by whichever of the two clocks is faster. After
 * that the process reports, and then catches up, before it decides again. While the log does not answer there is nothing to catch up
 * with, and what DESIGN says of stale copies decides alone (docs/decisions/0019).
 */
export interface TenancyLease {
  isHeld(): boolean;
  /** Resolves when the lease is held. Rejects with UNAVAILABLE after a while, and with BUSY when too many wait. */
  held(): Promise<void>;
  /** Takes it for the first time and renews it from then on. Rejects while the log does not answer. */
  begin(): Promise<void>;
  /** Ends it: call when nothing is served any more. */
  stop(): Promise<void>;
}

export interface TenancyLeaseOptions {
  readonly tenancy: Pick<TenancyCopy, "version" | "caughtUp" | "onChange">;
  readonly log: Pick<EventLog, "append">;
  readonly self: Instance;
  readonly onError: (error: unknown) => void;
}

export function createTenancyLease({ tenancy, log, self, onError }: TenancyLeaseOptions): TenancyLease {
  const until = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };
  /** The copy has not caught up since the lease was taken anew. */
  let isBehind = true;
  const answers = createAnswerWatch();
  let reported = -1;
  let waiting = 0;
  let renewed = deferred();
  let reports: Repeat | undefined;
  let unsubscribe = () => {};

  const hasLapsed = () => monotonicMs() >= until.monotonic || nowMs() >= until.wall;
  const isHeld = () => (!isBehind && !hasLapsed()) || answers.isLogDown();

  async function report(ended: Pick<TenancyAppliedV1, "ended">): Promise<void> {
    const version = tenancy.version();
    const value = Buffer.from(
      JSON.stringify(tenancyAppliedV1.parse({ ...self, version, reads: [...USAGE_ENCODINGS], ...ended })),
    );
    await log.append(TENANCY_APPLIED, 0, [{ key: self.instance, value }]);
    reported = version;
  }

  async function renew(): Promise<void> {
    const [monotonic, wall] = [monotonicMs() + LEASE_MS, nowMs() + LEASE_MS];
    await answers.to(async () => {
      await report({});
      // What was published while no lease was held may have been answered without this process.
      if (hasLapsed()) isBehind = true;
      Object.assign(until, { monotonic, wall });
      if (!isBehind || hasLapsed()) return;
      await tenancy.caughtUp();
      isBehind = false;
    });
    // Frozen on the way: again.
    if (!isHeld()) return reports?.kick();
    renewed.resolve();
    renewed = deferred();
  }

  return {
    isHeld,
    async held() {
      if (isHeld()) return;
      if (waiting >= MAX_WAITING) throw new MetrlyError("BUSY", "Too many requests wait for tenancy", RETRY_SOON);
      waiting += 1;
      reports?.kick();
      await within(PATIENCE_MS, renewed.promise);
      waiting -= 1;
      if (!isHeld())
        throw new MetrlyError(
          "UNAVAILABLE",
          "This process has yet to catch up with the changes of tenancy",
          RETRY_SOON,
        );
    },
    async begin() {
      await renew();
      reports = repeat({
        everyMs: REPORT_EVERY_MS,
        first: "later",
        backoff: BACKOFF,
        unref: true,
        async run(stopping) {
          const startedAt = monotonicMs();
          await renew();
          await sleep(startedAt + REPORT_SPACING_MS - monotonicMs(), stopping);
        },
        onError(error) {
          if (!(error instanceof MetrlyError)) onError(error);
        },
      });
      answers.start();
      const kick = reports.kick;
      unsubscribe = tenancy.onChange(() => {
        if (tenancy.version() > reported) kick();
      });
    },
    async stop() {
      unsubscribe();
      answers.stop();
      if (reports === undefined) return;
      const farewell = reports.stop().then(() => report({ ended: true }));
      await within(
        FAREWELL_MS,
        farewell.catch((error: unknown) => {
          if (!(error instanceof MetrlyError)) onError(error);
        }),
      );
    },
  };
}

const RETRY_SOON = { retryAfterSeconds: 1 };

/**
 * Tells a log that does not answer from a process that was frozen: the log is down when a question fails, or stays without an
 * answer, while the process is known to run. A frozen process knows nothing: the log may have gone on without it.
 */
function createAnswerWatch() {
  let isDown = false;
  let tickedAt = monotonicMs();
  let freezes = 0;
  let ticksAsking: number | undefined;
  let timer: Timer | undefined;

  const wasFrozen = () => monotonicMs() - tickedAt > FROZEN_FROM_MS;

  function tick(): void {
    if (wasFrozen()) {
      freezes += 1;
      isDown = false;
      if (ticksAsking !== undefined) ticksAsking = 0;
    } else if (ticksAsking !== undefined) {
      ticksAsking += 1;
      if (ticksAsking >= TICKS_UNANSWERED) isDown = true;
    }
    tickedAt = monotonicMs();
  }

  return {
    start(): void {
      tickedAt = monotonicMs();
      timer = every(TICK_MS, tick, { unref: true });
    },
    stop: () => timer?.cancel(),
    isLogDown: () => isDown && !wasFrozen(),
    async to(ask: () => Promise<void>): Promise<void> {
      const freezesBefore = freezes;
      ticksAsking = 0;
      try {
        await ask();
        isDown = false;
      } catch (error) {
        if (freezes === freezesBefore && !wasFrozen()) isDown = true;
        throw error;
      } finally {
        ticksAsking = undefined;
      }
    },
  };
}

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: () => resolve() };
}
