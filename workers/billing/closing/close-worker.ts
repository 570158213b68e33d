import type { Logger } from "pino";
import type { Clock } from "#kernel/clock.js";
import type { JobQueues, Queue } from "#platform/job-queue/job-queue.js";
import { CLOSE_QUEUE } from "#schema/queues.js";
import { waitingCloses } from "../store/periods.js";
import { type CloserOptions, closeTenant } from "./close.js";
import { type CloseJob, closeJobId } from "./close-job.js";

const CONCURRENCY = 4;
/** Renewed while a close runs: what a killed worker held goes on about as much later. */
const LOCK_DURATION_MS = 10_000;
const SWEEP_INTERVAL_MS = 15_000;
/** Most jobs re-created at once: the oldest first. */
const SWEEP_LIMIT = 1_000;
/** A period that waits longer for its close is stuck. */
export const STUCK_AFTER_MS = 300_000;

export interface CloseWorkerOptions extends CloserOptions {
  readonly jobs: JobQueues;
  readonly queue: Queue<CloseJob>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFailed: () => void;
  readonly sweepIntervalMs?: number;
}

export interface CloseWorker {
  stop(): Promise<void>;
}

/**
 * Runs the closes that the queue names, and sweeps: a close whose job was lost or has failed is queued again until it is done,
 * every 15 s; the period stays CLOSING meanwhile and readiness tells.
 */
export function startCloseWorker(options: CloseWorkerOptions): CloseWorker {
  const { jobs, queue, logger } = options;
  const worker = jobs.work<CloseJob>(
    CLOSE_QUEUE,
    { concurrency: CONCURRENCY, lockDurationMs: LOCK_DURATION_MS },
    (job) => closeTenant(options, job.data.tenantId),
    (error) => {
      options.onFailed();
      logger.error({ err: error }, "a billing period could not be closed; it is tried again");
    },
  );
  let timer: NodeJS.Timeout | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  let stopped = false;

  async function sweep(): Promise<void> {
    try {
      for (const { tenantId, start } of await waitingCloses(options.database.pool, SWEEP_LIMIT)) {
        await queue.add(closeJobId(tenantId, start), { tenantId });
      }
    } catch (error) {
      options.onFailed();
      logger.error({ err: error }, "the sweep for waiting closes failed; the next one tries again");
    }
    if (!stopped) timer = setTimeout(startSweep, options.sweepIntervalMs ?? SWEEP_INTERVAL_MS);
  }

  function startSweep(): void {
    sweeping = sweep();
  }

  startSweep();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await Promise.all([worker.stop(), sweeping]);
      clearTimeout(timer);
    },
  };
}
