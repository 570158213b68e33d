import type { Logger } from "pino";
import type { Database } from "#platform/database.js";
import type { JobQueues } from "#platform/job-queue.js";
import type { NotificationMetrics } from "./metrics.js";
import { judgeAttempt, MAX_ATTEMPTS } from "./rules/retry.js";
import { sendWebhook } from "./send.js";
import { signatureHeaders, webhookId } from "./signing.js";
import type { Resolve, TargetPolicy } from "./ssrf.js";
import {
  buryDelivery,
  type ClaimedDelivery,
  claimDelivery,
  type DeliveryRef,
  finishAttempt,
} from "./store-delivery.js";

export const DELIVER_QUEUE = "notification-deliver";
/** Well above the longest attempt, so that a lease only ever runs out on a worker that is gone. */
const LEASE_MS = 60_000;
const CONCURRENCY = 32;
/** How long running attempts may go on after a stop was asked for, ms; what is cut off is sent again after its lease. */
const DRAIN_MS = 6_000;

export interface DeliverOptions {
  readonly database: Database;
  readonly jobs: JobQueues;
  readonly metrics: NotificationMetrics;
  readonly logger: Logger;
  readonly policy: TargetPolicy;
  readonly resolve: Resolve;
  /** Uniform in [0, 1): the jitter of retries. */
  readonly random: () => number;
  readonly leaseMs?: number;
  readonly sendTimeoutMs?: number;
}

export interface DeliveryWorker {
  /** Asks for a job per delivery. When the queue does not take them the sweeper asks again, so this never fails. */
  enqueue(deliveries: readonly DeliveryRef[], delayMs?: number): Promise<void>;
  /** The same at once, also for deliveries whose job waits for a later time: that one then finds nothing to do. */
  enqueueNow(deliveries: readonly DeliveryRef[]): Promise<void>;
  /** When an attempt was last finished, epoch ms; 0: none yet. */
  lastFinishedAt(): number;
  stop(): Promise<void>;
}

interface DeliverJob {
  readonly tenantId: string;
  readonly deliveryId: string;
}

/** Sends what is due. The queue only says "look at this delivery"; whether and what to send is decided by its row. */
export function startDelivering(options: DeliverOptions): DeliveryWorker {
  const { database, jobs, logger } = options;
  const queue = jobs.queue<DeliverJob>(DELIVER_QUEUE);
  const cutOff = new AbortController();
  let finishedAt = 0;

  async function add(deliveries: readonly DeliveryRef[], delayMs: number, suffix: string): Promise<void> {
    const added = await Promise.allSettled(
      deliveries.map(({ tenantId, deliveryId, attemptCount }) =>
        queue.add(`${deliveryId}-${attemptCount + 1}${suffix}`, { tenantId, deliveryId }, delayMs),
      ),
    );
    const failed = added.find((result) => result.status === "rejected");
    if (failed !== undefined)
      logger.warn(
        { err: failed.reason },
        "the queue took no job for a delivery; the sweeper asks again when it is due",
      );
  }
  const enqueue = (deliveries: readonly DeliveryRef[], delayMs = 0) => add(deliveries, delayMs, "");

  const worker = jobs.work<DeliverJob>(
    DELIVER_QUEUE,
    { concurrency: CONCURRENCY, lockDurationMs: LEASE_MS },
    async ({ data }) => {
      const claimed = await claimDelivery(database, data.tenantId, data.deliveryId, options.leaseMs ?? LEASE_MS);
      if (claimed === undefined) return;
      await deliverClaimed(options, claimed, cutOff.signal, enqueue);
      finishedAt = Date.now();
    },
    (error) => logger.warn({ err: error }, "a delivery job failed; its delivery is due again when its lease ends"),
  );

  return {
    enqueue,
    enqueueNow: (deliveries) => add(deliveries, 0, "-now"),
    lastFinishedAt: () => finishedAt,
    async stop() {
      const timer = setTimeout(() => cutOff.abort(), DRAIN_MS);
      await worker.stop();
      clearTimeout(timer);
    },
  };
}

async function deliverClaimed(
  options: DeliverOptions,
  claimed: ClaimedDelivery,
  cutOff: AbortSignal,
  enqueue: DeliveryWorker["enqueue"],
): Promise<void> {
  const { database, metrics } = options;
  if (claimed.endpointClosed !== undefined) return buryDelivery(database, claimed, claimed.endpointClosed);
  // The last attempt began and never ended: its process died. Whether it arrived is unknown, so it must not vanish.
  if (claimed.scheduleAttempt > MAX_ATTEMPTS)
    return buryDelivery(
      database,
      claimed,
      `${MAX_ATTEMPTS} attempts were begun and the outcome of the last is unknown`,
    );

  const id = webhookId(claimed.tenantId, claimed.eventId);
  const result = await sendWebhook({
    url: claimed.url,
    headers: signatureHeaders(claimed.secrets, id, Date.now(), claimed.payload),
    body: claimed.payload,
    policy: options.policy,
    resolve: options.resolve,
    signal: cutOff,
    ...(options.sendTimeoutMs !== undefined && { timeoutMs: options.sendTimeoutMs }),
  });
  if (cutOff.aborted && result.error !== undefined) return;

  const verdict = judgeAttempt(result, claimed.scheduleAttempt, options.random());
  await finishAttempt(database, claimed, result, verdict);
  metrics.attempts.inc({ outcome: verdict.kind });
  metrics.attemptSeconds.observe(result.durationMs / 1000);
  if (verdict.kind === "retry")
    await enqueue(
      [{ tenantId: claimed.tenantId, deliveryId: claimed.deliveryId, attemptCount: claimed.attempt }],
      verdict.delayMs,
    );
}
