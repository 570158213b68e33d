import type { ServiceContext } from "#platform/process/service.js";
import { untilReachable } from "#platform/process/wait-until-reachable.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { startAccountingWatch } from "./accounting/watch.js";
import { createDimensionLimit } from "./dimensions/dimension-limit.js";
import { createLimits } from "./dimensions/dimension-limits.js";
import { createAdmission } from "./intake/admission.js";
import { type AppenderLimits, createAppender } from "./intake/appender.js";
import { followBacklog } from "./intake/backlog.js";
import { createMetrics } from "./metrics.js";
import { followUsageReaders } from "./readers/usage-readers.js";
import { type Publisher, startPublisher } from "./recorder/publisher.js";
import { type Recorder, startRecorder } from "./recorder/recorder.js";
import { startTicks, type Ticks } from "./recorder/ticks.js";
import { startTrimming } from "./recorder/trim.js";
import { ensureLedgerMonths } from "./store/ledger.js";
import { readNextOffsets } from "./store/recording.js";

/**
 * Ingestion without its interfaces, which `main.ts` adds: the intake, the recorder and what follows it, on any ports. `intake`: limits
 * other than the usual ones.
 */
export async function startIngestionCore(context: ServiceContext, intake: Partial<AppenderLimits> = {}) {
  const { clock, config, freeLogDisk, log, logger, tenancy } = context;
  const database = await context.openDatabase("ingestion");
  await untilReachable("ingestion's database", logger, () => ensureLedgerMonths(database, clock.now()));
  const partitionCount = await log.partitionCount(USAGE_RECEIVED);
  const metrics = createMetrics(context.metrics);
  const warn = (what: string) => (error: unknown) => logger.warn({ err: error }, what);

  const readers = followUsageReaders(
    context,
    warn("which processes read columns is not known: usage is written as text"),
  );
  const { writesColumns } = readers;
  const backlog = followBacklog({
    ...{ log, partitionCount, maxBytes: config.maxBacklogBytes },
    cursors: () => readNextOffsets(database),
    disk: freeLogDisk && { free: freeLogDisk, minFreeBytes: config.minFreeDiskBytes },
    onError: warn("how much usage waits to be recorded is not known: what was known last counts"),
  });
  metrics.watchBacklog(backlog.bytes);
  const admission = createAdmission();
  const appender = createAppender({
    log,
    partitionCount,
    tenancyVersion: tenancy.version,
    writesColumns,
    isMoreComing: admission.isBusy,
    onAppended: backlog.appended,
    limits: intake,
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
    writesColumns,
    onError: warn("publishing the ledger failed and will be retried"),
  });
  const recorder = await startRecorder({
    database,
    tenancy,
    dimensions: createDimensionLimit(createLimits(tenancy, config)),
    clock,
    log,
    partitionCount,
    writesColumns,
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

  return {
    ...{ database, partitionCount, metrics, admission, appender, backlog, publisher, recorder, ticks, accounting },
    async stop(): Promise<void> {
      await Promise.all([
        appender.stop(),
        ticks.stop(),
        trimming.stop(),
        accounting.stop(),
        readers.stop(),
        backlog.stop(),
      ]);
      await recorder.stop();
      await publisher.stop();
      await database.stop();
    },
  };
}
