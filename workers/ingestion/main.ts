import { forRequests } from "#platform/database/database.js";
import type { Service, ServiceContext } from "#platform/process/service.js";
import { createAudit } from "#platform/tenancy-client/audit-log.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { measureAccountings } from "./accounting/accounting.js";
import { createLogTail } from "./accounting/log-tail.js";
import { startAccountingWatch } from "./accounting/watch.js";
import { createEventControl } from "./control/event-control.js";
import { buildIngestionSubgraph } from "./graph/resolvers.js";
import { registerEdge } from "./http/events.js";
import { registerLedgerRoutes } from "./http/ledger.js";
import { createAppender } from "./intake/appender.js";
import { createMetrics } from "./metrics.js";
import { createDimensionLimit } from "./recorder/dimension-limit.js";
import { type Publisher, startPublisher } from "./recorder/publisher.js";
import { createReadiness } from "./recorder/readiness.js";
import { type Recorder, startRecorder } from "./recorder/recorder.js";
import { startTicks, type Ticks } from "./recorder/ticks.js";
import { startTrimming } from "./recorder/trim.js";
import { createEventLookup } from "./store/event-lookup.js";
import { ensureLedgerMonths } from "./store/ledger.js";

/** Accepts usage, records each event once in the ledger, and publishes it: see README.md. */
export async function startIngestion(context: ServiceContext): Promise<Service> {
  const { clock, config, log, tenancy, identityTokens } = context;
  const logger = context.logger.child({ service: "ingestion" });
  const database = await context.openDatabase("ingestion");
  await ensureLedgerMonths(database, clock.now());
  const partitionCount = await log.partitionCount(USAGE_RECEIVED);
  const metrics = createMetrics(context.metrics);
  const warn = (what: string) => (error: unknown) => logger.warn({ err: error }, what);

  const appender = createAppender({
    log,
    partitionCount,
    tenancyVersion: tenancy.version,
    onError: warn("appending usage to the log failed; clients must retry"),
  });
  const parts: { recorder?: Recorder; ticks?: Ticks } = {};
  const assigned = () => parts.recorder?.assigned() ?? [];
  const publisher: Publisher = startPublisher({
    database,
    log,
    clock,
    metrics,
    assigned,
    onError: warn("publishing the ledger failed and will be retried"),
  });
  const recorder = await startRecorder({
    database,
    tenancy,
    dimensions: createDimensionLimit(config.maxDimensionValues),
    clock,
    log,
    partitionCount,
    metrics,
    logger,
    onRecorded: publisher.offer,
    onTick: (agreed) => parts.ticks?.seen(agreed),
    onHole: context.fail,
  });
  parts.recorder = recorder;
  metrics.watchCursors(recorder.cursors, clock);
  const ticks = startTicks({ log, database, clock, logger, intervalMs: config.tickIntervalMs, assigned });
  parts.ticks = ticks;
  const trimming = startTrimming(log, recorder, warn("trimming usage.received failed"));
  const accounting = startAccountingWatch({ database, log, clock, registry: context.metrics, logger, assigned });

  const requests = forRequests(database);
  const events = createEventLookup(requests, partitionCount, context.tenancy);
  const logTail = createLogTail(log);
  const subgraph = await buildIngestionSubgraph({
    events,
    audit: createAudit(log, context.clock),
    control: createEventControl({ database: requests, log, events, partitionCount, tenancyVersion: tenancy.version }),
    measureAccountings: (questions) => measureAccountings(requests, logTail, partitionCount, questions),
  });
  return {
    name: "ingestion",
    subgraph,
    register(app) {
      registerEdge(app, { tenancy, clock, appender, metrics, events });
      registerLedgerRoutes(app, { database: requests, log, identityTokens, partitionCount });
    },
    readiness: createReadiness({ recorder, publisher, ticks, accounting, log, clock }),
    async stop() {
      await Promise.all([appender.stop(), ticks.stop(), trimming.stop(), accounting.stop()]);
      await recorder.stop();
      await publisher.stop();
      await database.stop();
    },
  };
}
