import { setMaxListeners } from "node:events";
import type { Logger } from "pino";
import { MINUTE_MS } from "#kernel/duration.js";
import { withoutUrl } from "#kernel/masked-url.js";
import type { Database } from "#platform/database/database.js";
import type { JobQueues } from "#platform/job-queue/job-queue.js";
import { onBehalfOf } from "#platform/lifecycle/caller.js";
import { after, nowMs } from "#platform/lifecycle/time.js";
import { DELIVER_QUEUE } from "#schema/queues.js";
import type { NotificationMetrics } from "../metrics.js";
import { type Channel, channelOf } from "../rules/channel.js";
import { describePayload, slackMessage } from "../rules/describe.js";
import { pauseMs } from "../rules/pause.js";
import { type AttemptResult, judgeAttempt, MAX_ATTEMPTS } from "../rules/retry.js";
import {
  type ClaimedDelivery,
  claimDelivery,
  claimDue,
  deadLetter,
  type EndpointDisabling,
  finishAttempt,
} from "../store/deliveries.js";
import type { DeliveryRef, EndpointRef } from "../store/notices.js";
import { createEndpointQueues } from "./endpoint-queues.js";
import type { Mailer } from "./mail.js";
import type { ResolverOf } from "./resolver.js";
import type { SendOptions } from "./send.js";
import { signatureHeaders, webhookId } from "./signing.js";
import type { TargetPolicy } from "./ssrf.js";

/** Well above the longest attempt, so that a lease expires only if its worker is gone. */
const LEASE_MS = MINUTE_MS;
/**
 * BullMQ fetches this many jobs, one after the other while there are more, before it begins the first. A job only wakes a queue,
 * so more would only make it wait for others'.
 */
const CONCURRENCY = 4;
/** How long running attempts may continue during a stop, ms; interrupted ones are sent again after their lease. */
const DRAIN_MS = 6_000;

export interface DeliverOptions {
  readonly database: Database;
  readonly jobs: JobQueues;
  readonly metrics: NotificationMetrics;
  readonly logger: Logger;
  readonly policy: TargetPolicy;
  readonly resolverOf: ResolverOf;
  /** One POST to a receiver; never rejects. */
  readonly post: (options: SendOptions) => Promise<AttemptResult>;
  /** Undefined: no mail server is configured. */
  readonly mailer: Mailer | undefined;
  /** Uniform in [0, 1): the jitter of retries. */
  readonly random: () => number;
  readonly leaseMs?: number;
  readonly firstPauseMs?: number;
  readonly sendTimeoutMs?: number;
}

export type DeliveryWorker = ReturnType<typeof startDelivering>;

interface DeliverJob extends EndpointRef {
  /** Of earlier releases: set when an operator requested this delivery. */
  readonly deliveryId?: string;
}

/** Sends due deliveries. Jobs only name an endpoint; the database rows decide whether and what to send. */
export function startDelivering(options: DeliverOptions) {
  const { database, jobs, logger } = options;
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const queue = jobs.queue<DeliverJob>(DELIVER_QUEUE);
  const cutOff = new AbortController();
  // Every running attempt listens, until it ends.
  setMaxListeners(0, cutOff.signal);
  let finishedAt = 0;

  async function addJob(delivery: DeliveryRef, delayMs: number): Promise<void> {
    const { tenantId, endpointId, deliveryId, attemptCount } = delivery;
    try {
      await queue.add(`${deliveryId}-${attemptCount + 1}`, { tenantId, endpointId }, delayMs);
    } catch (error) {
      logger.warn({ err: error }, "enqueuing a delivery job failed; the sweeper will find the delivery when it is due");
    }
  }

  // Tenants take turns at the database's connections too.
  const queues = createEndpointQueues({
    claim: (endpoint, limit) => onBehalfOf(endpoint.tenantId, () => claimDue(database, endpoint, limit, leaseMs)),
    claimOne: ({ tenantId }, deliveryId) =>
      onBehalfOf(tenantId, () => claimDelivery(database, tenantId, deliveryId, leaseMs)),
    async send(claimed) {
      const { isTaken, nextDelayMs, disabled } = await onBehalfOf(claimed.tenantId, () =>
        deliverClaimed(options, claimed, cutOff.signal),
      );
      finishedAt = nowMs();
      if (disabled !== undefined) {
        const { planned, ...what } = disabled;
        options.metrics.endpointsDisabled.inc();
        logger.warn(what, "a webhook endpoint was disabled");
        sendDue(planned);
      }
      if (nextDelayMs !== undefined) await addJob({ ...claimed, attemptCount: claimed.attempt }, nextDelayMs);
      return isTaken;
    },
    onError: (error) =>
      logger.warn({ err: error }, "claiming or updating a delivery failed; it is due again when its lease ends"),
  });

  /** In this process: as jobs, a tenant's burst would stand before others' deliveries. */
  function sendDue(deliveries: readonly EndpointRef[]): void {
    for (const { tenantId, endpointId } of deliveries) queues.kick({ tenantId, endpointId });
  }

  const worker = jobs.work<DeliverJob>(
    DELIVER_QUEUE,
    { concurrency: CONCURRENCY, lockDurationMs: LEASE_MS },
    async ({ data: { deliveryId, ...endpoint } }) => {
      if (deliveryId === undefined) queues.kick(endpoint);
      else queues.request(endpoint, deliveryId);
    },
    (error) => logger.warn({ err: error }, "a delivery job failed; its delivery is due again when its lease ends"),
  );

  return {
    /** Sends what is due to these endpoints. The sweeper finds it if this process ends before. */
    sendDue,
    /** Sends these deliveries immediately, even if scheduled later or to a paused endpoint. */
    enqueueNow(deliveries: readonly DeliveryRef[]): void {
      for (const { tenantId, endpointId, deliveryId } of deliveries)
        queues.request({ tenantId, endpointId }, deliveryId);
    },
    /** Notifies that an endpoint has due deliveries. */
    kick: queues.kick,
    /** When the last attempt finished, epoch ms; 0: none yet. */
    lastFinishedAt: () => finishedAt,
    async stop(): Promise<void> {
      const timer = after(DRAIN_MS, () => cutOff.abort());
      await Promise.all([worker.stop(), queues.stop()]);
      timer.cancel();
    },
  };
}

interface Sent {
  readonly isTaken: boolean;
  /** Delay until the next attempt, ms. */
  readonly nextDelayMs?: number;
  readonly disabled?: EndpointDisabling | undefined;
}

async function deliverClaimed(options: DeliverOptions, claimed: ClaimedDelivery, cutOff: AbortSignal): Promise<Sent> {
  const { database, metrics } = options;
  const giveUp = async (reason: string): Promise<Sent> => {
    await deadLetter(database, claimed, reason);
    return { isTaken: true };
  };
  if (claimed.endpointClosed !== undefined) return giveUp(claimed.endpointClosed);
  // The last attempt never finished: its process died. Its outcome is unknown, so keep it as a dead letter.
  if (claimed.scheduleAttempt > MAX_ATTEMPTS)
    return giveUp(`${MAX_ATTEMPTS} attempts were started and the outcome of the last is unknown`);

  const result = masked(await sendBy(channelOf(claimed.url), options, claimed, cutOff), claimed.url);
  if (cutOff.aborted && result.error !== undefined) return { isTaken: false };

  const verdict = judgeAttempt(result, claimed.scheduleAttempt, options.random());
  const pauseAfter = (failures: number) => pauseMs(failures, result, options.random(), options.firstPauseMs);
  const disabled = await finishAttempt(database, claimed, result, verdict, pauseAfter);
  metrics.attempts.inc({ outcome: verdict.kind });
  metrics.attemptSeconds.observe(result.durationMs / 1000);
  return {
    isTaken: verdict.kind === "delivered",
    ...(verdict.kind === "retry" && { nextDelayMs: verdict.delayMs }),
    disabled,
  };
}

/** Receivers repeat their address in answers ("Cannot POST /…"), and the log of attempts is no place for it. */
function masked(result: AttemptResult, url: string): AttemptResult {
  const { error, responseBody } = result;
  return {
    ...result,
    error: error === undefined ? undefined : withoutUrl(error, url),
    responseBody: responseBody === undefined ? undefined : withoutUrl(responseBody, url),
  };
}

/** One attempt on the endpoint's channel; never rejects. */
async function sendBy(
  channel: Channel,
  options: DeliverOptions,
  { tenantId, eventTenantId, eventId, eventType, payload, secrets }: ClaimedDelivery,
  signal: AbortSignal,
): Promise<AttemptResult> {
  const id = webhookId(eventTenantId, eventId);
  const { policy, post, mailer, sendTimeoutMs: timeoutMs } = options;
  const common = {
    policy,
    resolve: options.resolverOf(tenantId),
    signal,
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
  switch (channel.kind) {
    case "webhook":
      return post({
        ...{ ...common, url: channel.url, body: payload },
        headers: signatureHeaders(secrets, id, nowMs(), payload),
      });
    case "slack":
      return post({ ...common, url: channel.url, headers: {}, body: slackMessage(describePayload(payload)) });
    case "mail":
      return mailer === undefined
        ? unsent(NO_MAIL_SERVER)
        : mailer.send({ to: channel.to, id, type: eventType, ...describePayload(payload) }, signal);
  }
}

const NO_MAIL_SERVER = "no mail server is configured: set METRLY_SMTP_URL";

const unsent = (error: string): AttemptResult => ({
  ...{ startedAt: nowMs(), durationMs: 0, responseStatus: undefined, responseBody: undefined },
  ...{ retryAfterMs: undefined, isPermanent: false, error },
});
