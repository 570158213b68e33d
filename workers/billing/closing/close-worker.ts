import type { Logger } from "pino";
import type { Clock } from "#kernel/clock.js";
import type { JobQueues, Queue } from "#platform/job-queue/job-queue.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { logRetried } from "#platform/process/logger.js";
import { CLOSE_QUEUE } from "#schema/queues.js";
import { waitingCloses } from "../store/periods.js";
import { type CloserOptions, closeTenant } from "./close.js";
import { type CloseJob, closeJobId } from "./close-job.js";
import { onePerTenant } from "./one-per-tenant.js";

const CONCURRENCY = 4;
/** Lease, renewed while a close runs: after a worker is killed its job resumes about this much later. */
const LOCK_DURATION_MS = 10_000;
const SWEEP_INTERVAL_MS = 15_000;
/** Maximum jobs recreated at once, oldest first. */
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

/**
 * Runs queued closes, and sweeps: a close whose job was lost or failed is queued again every 15 s until it succeeds; the period
 * stays CLOSING meanwhile, and readiness reports it. A tenant occupies one worker at a time, however many periods it has.
 */
export function startCloseWorker(options: CloseWorkerOptions) {
  const { jobs, queue, logger } = options;
  const close = onePerTenant((tenantId) => closeTenant(options, tenantId));
  const worker = jobs.work<CloseJob>(
    CLOSE_QUEUE,
    { concurrency: CONCURRENCY, lockDurationMs: LOCK_DURATION_MS },
    (job) => close(job.data.tenantId),
    (error) => {
      options.onFailed();
      logRetried(logger, error, "closing a billing period failed and will be retried");
    },
  );
  const sweeping = repeat({
    everyMs: options.sweepIntervalMs ?? SWEEP_INTERVAL_MS,
    async run() {
      for (const { tenantId, start } of await waitingCloses(options.database.pool, SWEEP_LIMIT)) {
        await queue.add(closeJobId(tenantId, start), { tenantId });
      }
    },
    onError(error) {
      options.onFailed();
      logRetried(logger, error, "the sweep for pending closes failed and will be retried");
    },
  });
  return { stop: () => Promise.all([worker.stop(), sweeping.stop()]) };
}
