import { MINUTE_MS } from "#kernel/duration.js";
import { type Database, forRequests } from "#platform/database/database.js";
import { consumerReasons } from "#platform/event-log/readiness.js";
import { type OnStop, openTogether } from "#platform/lifecycle/closers.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Config } from "#platform/process/config.js";
import type { Service, ServiceContext } from "#platform/process/service.js";
import { createAudit } from "#platform/tenancy-client/audit-log.js";
import { type NotificationTuning, startNotificationCore } from "./core.js";
import type { DeliveryWorker } from "./delivery/deliver.js";
import type { Mailer } from "./delivery/mail.js";
import { createNameResolver } from "./delivery/resolver.js";
import { sendWebhook } from "./delivery/send.js";
import { ownPorts, parseAllowedHosts, type TargetPolicy } from "./delivery/ssrf.js";
import { startFeed } from "./feed/feed.js";
import { buildNotificationSubgraph } from "./graph/resolvers.js";
import type { Intake } from "./intake.js";
import { createMetrics } from "./metrics.js";
import { oldestOverdue } from "./store/deliveries.js";
import { createEndpointStore } from "./store/endpoints.js";

/** A delivery overdue for this long while none finishes is stuck. */
const STUCK_MS = MINUTE_MS;

/** Alerts, live subscriptions and webhooks: see README.md. Stops everything when a part fails to start. */
export async function startNotification(context: ServiceContext, tuning: NotificationTuning = {}): Promise<Service> {
  return openTogether(
    (onStop) => startAll(context, tuning, onStop),
    (error) => context.logger.error({ err: error }, "closing after a failed start"),
  );
}

async function startAll(
  context: ServiceContext,
  tuning: NotificationTuning,
  onStop: OnStop,
): Promise<Omit<Service, "stop">> {
  const { logger, clock, tenancy } = context;
  const database = await context.openDatabase("notification");
  onStop(() => database.stop());
  const requests = forRequests(database);
  const endpoints = createEndpointStore(requests);
  const onError = (error: unknown) => logger.warn({ err: error }, "notification recovers from an error");
  const policy = targetPolicy(context.config, database);
  const resolverOf = createNameResolver();

  const feed = startFeed({ database, onError });
  onStop(feed.stop);
  const metrics = createMetrics(context.metrics, feed.size, endpoints.countPending);
  const mailer = await mailerOf(context.config, tuning.sendTimeoutMs);
  if (mailer !== undefined) onStop(async () => mailer.stop());
  const sending = { policy, resolverOf, mailer, post: sendWebhook };
  const { worker, intake } = await startNotificationCore(context, { database, metrics, sending, tuning, onStop });
  return {
    name: "notification",
    subgraph: await buildNotificationSubgraph({
      database: requests,
      feed,
      endpoints,
      tenancy,
      clock,
      policy,
      resolverOf,
      sendsMail: mailer !== undefined,
      audit: createAudit(context.log, context.clock),
      enqueueNow: worker.enqueueNow,
    }),
    async readiness() {
      const reasons = [...stuckConsumers(intake), ...(await stuckDeliveries(database, worker))];
      return { ready: reasons.length === 0, reasons };
    },
  };
}

/** Loaded only if mail is configured. */
async function mailerOf({ smtpUrl, mailFrom }: Config, timeoutMs?: number): Promise<Mailer | undefined> {
  if (smtpUrl === undefined || mailFrom === undefined) return undefined;
  const { createMailer } = await import("./delivery/mail.js");
  return createMailer(smtpUrl, mailFrom, timeoutMs);
}

function targetPolicy(config: Config, database: Database): TargetPolicy {
  return {
    allowLoopback: config.webhookAllowLoopback,
    allowHosts: parseAllowedHosts(config.webhookAllowHosts),
    ownPorts: ownPorts(
      [config.port, config.metricsPort],
      [database.url, config.redisUrl, ...config.kafkaBrokers.map((broker) => `kafka://${broker}`)],
    ),
  };
}

async function stuckDeliveries(database: Database, worker: DeliveryWorker): Promise<string[]> {
  const oldest = await oldestOverdue(database, STUCK_MS);
  if (oldest === undefined || nowMs() - worker.lastFinishedAt() <= STUCK_MS) return [];
  return [`webhook deliveries are due since ${oldest.toISOString()}, but none finishes`];
}

function stuckConsumers(intake: Intake): string[] {
  return intake.consumers.flatMap(({ topic, consumer }) =>
    consumerReasons(`notification's consumer of ${topic.name}`, consumer),
  );
}
