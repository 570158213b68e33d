import type { Database } from "#platform/database/database.js";
import type { OnStop } from "#platform/lifecycle/closers.js";
import { randomFraction } from "#platform/lifecycle/random.js";
import type { ServiceContext } from "#platform/process/service.js";
import { type DeliverOptions, startDelivering } from "./delivery/deliver.js";
import { startSweeper } from "./delivery/sweep.js";
import { startIntake } from "./intake.js";
import type { NotificationMetrics } from "./metrics.js";

const SWEEP_EVERY_MS = 5_000;

/** Overrides for tests; the defaults are the product's. */
export interface NotificationTuning {
  readonly random?: () => number;
  readonly leaseMs?: number;
  readonly firstPauseMs?: number;
  readonly sendTimeoutMs?: number;
  readonly sweepEveryMs?: number;
}

export interface NotificationCoreOptions {
  readonly database: Database;
  readonly metrics: NotificationMetrics;
  /** What reaches receivers. */
  readonly sending: Pick<DeliverOptions, "policy" | "resolverOf" | "mailer" | "post">;
  readonly tuning?: NotificationTuning;
  readonly onStop: OnStop;
}

/** Notification without its interfaces, which `main.ts` adds: intake, deliveries and their sweeper, on any ports. */
export async function startNotificationCore(
  { jobs, log, logger, fail }: Pick<ServiceContext, "jobs" | "log" | "logger" | "fail">,
  { database, metrics, sending, tuning = {}, onStop }: NotificationCoreOptions,
) {
  const onError = (error: unknown) => logger.warn({ err: error }, "notification recovers from an error");
  const worker = startDelivering({ random: randomFraction, ...tuning, ...sending, database, jobs, metrics, logger });
  onStop(worker.stop);
  const { sendDue, kick } = worker;
  const sweeper = startSweeper({ database, metrics, kick, onError, everyMs: tuning.sweepEveryMs ?? SWEEP_EVERY_MS });
  onStop(sweeper.stop);
  const intake = await startIntake({ log, database, metrics, logger, sendDue, onHole: fail });
  onStop(intake.stop);
  return { worker, intake };
}
