import { prismaAdapter } from "#platform/prisma.js";
import type { Readiness, Room, RoomContext } from "#platform/room.js";
import { PrismaClient } from "#prisma/notification/generated/client.js";
import { startDelivering } from "./deliver.js";
import { startFeed } from "./feed.js";
import { type Intake, startIntake } from "./intake.js";
import { createMetrics } from "./metrics.js";
import { ownPorts, parseAllowedHosts, type Resolve, resolveBySystem, type TargetPolicy } from "./ssrf.js";
import { countPending, overdueDeliveries } from "./store-delivery.js";
import { createEndpointStore } from "./store-endpoint.js";
import { buildNotificationSubgraph } from "./subgraph.js";
import { startSweeper } from "./sweep.js";

/** A consumer that has not moved for this long, or a delivery overdue for this long while none finishes, is stuck. */
const STUCK_MS = 60_000;
const SWEEP_EVERY_MS = 5_000;

/** What tests shorten or make certain; the defaults are the product's. */
export interface NotificationTuning {
  readonly random?: () => number;
  readonly resolve?: Resolve;
  readonly leaseMs?: number;
  readonly sendTimeoutMs?: number;
  readonly sweepEveryMs?: number;
}

/** Alerts, live subscriptions and webhooks: see README.md. */
export async function startNotification(context: RoomContext, tuning: NotificationTuning = {}): Promise<Room> {
  const { config, logger, jobs, clock, tenancy } = context;
  const database = await context.openDatabase("notification");
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });
  const endpoints = createEndpointStore(database, prisma);
  const onError = (error: unknown) => logger.warn({ err: error }, "notification goes on after an error");
  const policy: TargetPolicy = {
    allowLoopback: config.webhookAllowLoopback,
    allowHosts: parseAllowedHosts(config.webhookAllowHosts),
    ownPorts: ownPorts(
      [config.port, config.metricsPort],
      [database.url, config.redisUrl, ...config.kafkaBrokers.map((broker) => `kafka://${broker}`)],
    ),
  };

  const feed = startFeed({ database, onError });
  const metrics = createMetrics(context.metrics, feed.size, () => countPending(database));
  const resolve = tuning.resolve ?? resolveBySystem;
  const worker = startDelivering({ random: Math.random, ...tuning, database, jobs, metrics, logger, policy, resolve });
  const { enqueue } = worker;
  const sweeper = startSweeper({ database, metrics, enqueue, onError, everyMs: tuning.sweepEveryMs ?? SWEEP_EVERY_MS });
  const intake = await startIntake({ log: context.log, database, metrics, logger, enqueue });
  const subgraph = await buildNotificationSubgraph({
    database,
    feed,
    endpoints,
    tenancy,
    clock,
    policy,
    resolve,
    enqueue,
  });

  async function readiness(): Promise<Readiness> {
    const reasons = stuckConsumers(intake);
    const [oldest] = await overdueDeliveries(database, STUCK_MS, 1);
    if (oldest !== undefined && Date.now() - worker.lastFinishedAt() > STUCK_MS)
      reasons.push(`webhook deliveries are due since ${oldest.dueAt.toISOString()} and none finishes`);
    return { ready: reasons.length === 0, reasons };
  }

  return {
    name: "notification",
    subgraph,
    readiness,
    async stop() {
      await Promise.all([intake.stop(), feed.stop(), sweeper.stop()]);
      await worker.stop();
      await prisma.$disconnect();
      await database.stop();
    },
  };
}

function stuckConsumers(intake: Intake): string[] {
  return intake.consumers.flatMap(({ topic, consumer }) => {
    const idleMs = Date.now() - consumer.lastProgressAt();
    return idleMs > STUCK_MS ? [`the consumer of ${topic.name} has not moved for ${Math.round(idleMs / 1000)} s`] : [];
  });
}
