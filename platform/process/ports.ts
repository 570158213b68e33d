import { statfs } from "node:fs/promises";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { openDatabase, withDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { namespacedLog } from "#platform/event-log/namespaced-log.js";
import { type StoppableLog, withUpgradeStops } from "#platform/event-log/upgrade-stops.js";
import type { BullJobQueues } from "#platform/job-queue/bullmq/queues.js";
import type { JobQueues } from "#platform/job-queue/job-queue.js";
import { createLedgerClient } from "#platform/ledger/client.js";
import { type OnStop, openTogether } from "#platform/lifecycle/closers.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { followTenancy } from "#platform/tenancy-client/copy.js";
import { TOPICS } from "#schema/topics.js";
import { systemClock } from "./clock.js";
import { type Config, DEFAULT_NAMESPACE, databaseName } from "./config.js";
import { findInternalSecret } from "./internal-secret.js";
import { migrationsDirOf } from "./package-root.js";
import type { ServiceContext } from "./service.js";
import type { ServiceName } from "./services.js";
import { untilReachable } from "./wait-until-reachable.js";

/** A process's ports with their adapters; closed when every service has stopped. */
export interface Ports {
  readonly context: ServiceContext;
  /** What waits for newer code, in a sentence each. */
  readonly waitingForUpgrade: StoppableLog["waitingForUpgrade"];
  /** BullMQ's own queues, for the dashboard; undefined: this process has none. */
  readonly jobs: BullJobQueues | undefined;
  stop(): Promise<void>;
}

export interface PortsOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** For log lines, consumer groups and client ids. */
  readonly processName: string;
  /**
   * `shared`: one PostgreSQL server for all services, embedded unless configured. `own`: METRLY_DATABASE_URL is the one
   * service's own database; a role that has none opens none.
   */
  readonly databases: "shared" | "own";
  /** Whether any service in the process runs jobs. */
  readonly jobs: boolean;
  /** Called while the first server is waited for, perhaps several times: what takes this process's time may begin. */
  onWaiting?(): void;
  /** The address of the process that serves the ledger; read at each call. */
  ledgerUrl(): string;
  fail(error: unknown): void;
}

/**
 * Opens the configured adapters, in order; when one fails, closes those opened before. Each is loaded only where it is chosen:
 * a client such as BullMQ's or Kafka's is hundreds of files.
 */
export async function openPorts(options: PortsOptions): Promise<Ports> {
  return openTogether(
    (onStop) => openAll(options, onStop),
    (error) => options.logger.error({ err: error }, "closing after a failed start"),
  );
}

async function openAll(options: PortsOptions, onStop: OnStop): Promise<Omit<Ports, "stop">> {
  const { config, logger, processName, fail } = options;
  const onError = (error: unknown) => logger.warn({ err: error }, "a port reported an error");
  const databaseUrl = await findDatabases(options, onStop);

  options.onWaiting?.();
  const metrics = new Registry();
  const log = withUpgradeStops(await openLog(options, databaseUrl, onStop), metrics);
  await untilReachable("the event log", logger, () => log.ensureTopics(TOPICS, config.partitions));
  const jobs = options.jobs ? await openJobs(options, databaseUrl, onStop) : undefined;

  const tenancy = await untilReachable("tenancy's topic", logger, () =>
    followTenancy({ log, group: `tenancy-copy-${processName}-${newUuid()}`, clock: systemClock, onError }),
  );
  onStop(() => tenancy.stop());

  const self = isAlone(options)
    ? undefined
    : { role: processName, instance: `${processName}-${newUuid().slice(0, 8)}` };
  if (self !== undefined) logger.info(self, "this process reports to tenancy by this name");
  const identityTokens = createIdentityTokens(await findInternalSecret(config));
  const context: ServiceContext = {
    config,
    logger,
    log,
    jobs: jobs ?? NO_JOBS,
    tenancy,
    self,
    identityTokens,
    freeLogDisk: isAlone(options) ? () => freeBytes(config.dataDir) : undefined,
    fail,
    clock: systemClock,
    metrics,
    ledger: createLedgerClient(options.ledgerUrl, identityTokens, processName),
    openDatabase: (service) =>
      untilReachable(`the database of ${service}`, logger, () =>
        openDatabase({ url: databaseUrl(service), migrationsDir: migrationsDirOf(service), onError }),
      ),
  };
  return { context, waitingForUpgrade: log.waitingForUpgrade, jobs };
}

/** Of the disk that a folder is on, for a process without privileges. */
async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** The embedded database, and with it the log, is only for the process that started it. */
const isAlone = ({ config, databases }: PortsOptions): boolean =>
  databases === "shared" && config.databaseUrl === undefined && config.kafkaBrokers.length === 0;

/** Maps a database's name to its URL. */
type DatabaseUrl = (name: ServiceName | "log" | "jobs") => string;

async function findDatabases(options: PortsOptions, onStop: OnStop): Promise<DatabaseUrl> {
  const { config } = options;
  if (options.databases === "own") {
    return (name) => {
      if (config.databaseUrl === undefined)
        throw new Error(`${name} needs a database and METRLY_DATABASE_URL is not set`);
      return config.databaseUrl;
    };
  }
  const server = config.databaseUrl ?? (await startEmbedded(options, onStop));
  return (name) => withDatabase(server, databaseName(config, name));
}

async function startEmbedded(options: PortsOptions, onStop: OnStop): Promise<string> {
  const { startEmbeddedPostgres } = await import("#platform/embedded-postgres/postgres.js");
  const embedded = await startEmbeddedPostgres({
    dataDir: options.config.dataDir,
    onSpawned: () => options.onWaiting?.(),
    onLost: (reason) => options.fail(new Error(`the embedded database went away: ${reason}`)),
  });
  onStop(async () => {
    // Its last checkpoint depends on the speed of the disk and needs no wait: everything is committed.
    if (!(await embedded.stop(DATABASE_TIMEOUT_MS)))
      options.logger.info("the database is still writing its checkpoint and will exit on its own");
  });
  return embedded.url("postgres");
}

async function openLog(options: PortsOptions, databaseUrl: DatabaseUrl, onStop: OnStop): Promise<EventLog> {
  const { config, logger, processName } = options;
  if (config.kafkaBrokers.length > 0) {
    const { connectKafkaLog } = await import("#platform/event-log/kafka/log.js");
    const log = await connectKafkaLog({
      brokers: config.kafkaBrokers,
      access: config.kafkaAccess,
      clientId: `metrly-${processName}`,
      replicationFactor: config.kafkaReplicationFactor,
      logger,
    });
    onStop(() => log.stop());
    return config.namespace === DEFAULT_NAMESPACE ? log : namespacedLog(log, config.namespace);
  }
  const { connectPostgresLog } = await import("#platform/event-log/postgres/log.js");
  const onError = (error: unknown) => logger.warn({ err: error }, "the event log reported an error");
  const database = await untilReachable("the event log's database", logger, () =>
    openDatabase({ url: databaseUrl("log"), migrationsDir: migrationsDirOf("log"), onError }),
  );
  onStop(() => database.stop());
  const log = await connectPostgresLog({ database, onError, isAlone: isAlone(options) });
  onStop(() => log.stop());
  return log;
}

async function openJobs(
  { config, logger }: PortsOptions,
  databaseUrl: DatabaseUrl,
  onStop: OnStop,
): Promise<BullJobQueues> {
  const { connectJobQueues } = await import("#platform/job-queue/bullmq/queues.js");
  const backend =
    config.redisUrl === undefined
      ? ({ kind: "postgres", url: databaseUrl("jobs") } as const)
      : ({ kind: "redis", url: config.redisUrl } as const);
  const onError = (error: unknown) => logger.warn({ err: error }, "the job queues reported an error");
  const jobs = await untilReachable("the job queues", logger, () =>
    connectJobQueues({ prefix: config.namespace, backend, onError }),
  );
  onStop(() => jobs.stop());
  return jobs;
}

const noJobs = (): never => {
  throw new Error("this process was started without job queues");
};
/** How long a stop waits for the embedded database to exit. */
const DATABASE_TIMEOUT_MS = 2_000;

const NO_JOBS: JobQueues = { queue: noJobs, work: noJobs, stop: async () => undefined };
