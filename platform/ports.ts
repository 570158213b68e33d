import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { systemClock } from "#kernel/clock.js";
import { TOPICS } from "#schema/topics.js";
import { type Config, DEFAULT_NAMESPACE, databaseName } from "./config.js";
import { openDatabase, withDatabase } from "./database.js";
import { startEmbeddedPostgres } from "./embedded-postgres.js";
import type { EventLog } from "./event-log.js";
import { connectKafkaLog } from "./event-log-kafka.js";
import { connectPostgresLog } from "./event-log-postgres.js";
import { createIdentityTokens } from "./identity.js";
import { connectJobQueues } from "./job-queue-bullmq.js";
import { createLedgerClient } from "./ledger-client.js";
import { namespacedLog } from "./namespaced-log.js";
import { packageRoot } from "./package-root.js";
import type { RoomContext, Service } from "./room.js";
import { followTenancy } from "./tenancy-copy.js";

/** A process's ports with their adapters, and how to close them when every room has stopped. */
export interface Ports {
  readonly context: RoomContext;
  stop(): Promise<void>;
}

export interface PortsOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** For log lines, consumer groups and client ids. */
  readonly processName: string;
  /** Where the process that serves the ledger answers; asked at each call. */
  ledgerUrl(): string;
  fail(error: unknown): void;
}

/** Opens everything that the configuration names, in order; what was opened is closed again when a later part fails. */
export async function openPorts(options: PortsOptions): Promise<Ports> {
  const closers: (() => Promise<void>)[] = [];
  async function stop(): Promise<void> {
    for (const close of closers.splice(0).reverse()) await close();
  }
  try {
    return { context: await openAll(options, (close) => closers.push(close)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function openAll(options: PortsOptions, onStop: (close: () => Promise<void>) => void): Promise<RoomContext> {
  const { config, logger, processName, fail } = options;
  const onError = (error: unknown) => logger.warn({ err: error }, "a port reported an error");
  const databaseUrl = await findDatabase(options, onStop);

  const log = await openLog(options, databaseUrl, onStop);
  await log.ensureTopics(TOPICS, config.partitions);

  const queueUrl = withDatabase(databaseUrl, databaseName(config, "jobs"));
  if (config.redisUrl === undefined) await ensureDatabase(queueUrl);
  const jobs = await connectJobQueues({
    prefix: config.namespace,
    backend:
      config.redisUrl === undefined ? { kind: "postgres", url: queueUrl } : { kind: "redis", url: config.redisUrl },
    onError,
  });
  onStop(() => jobs.stop());

  const tenancy = await followTenancy({
    log,
    group: `tenancy-copy-${processName}-${randomUUID()}`,
    clock: systemClock,
    onError,
  });
  onStop(() => tenancy.stop());

  const identityTokens = createIdentityTokens(config.internalSecret ?? (await localSecret(config.dataDir)));
  return {
    config,
    logger,
    log,
    jobs,
    tenancy,
    identityTokens,
    fail,
    clock: systemClock,
    metrics: new Registry(),
    ledger: createLedgerClient(options.ledgerUrl, identityTokens, processName),
    openDatabase: (service: Service) =>
      openDatabase({
        url: withDatabase(databaseUrl, databaseName(config, service)),
        migrationsDir: migrationsOf(service),
        onError,
      }),
  };
}

async function findDatabase(options: PortsOptions, onStop: (close: () => Promise<void>) => void): Promise<string> {
  if (options.config.databaseUrl !== undefined) return options.config.databaseUrl;
  const embedded = await startEmbeddedPostgres({
    dataDir: options.config.dataDir,
    onLost: (reason) => options.fail(new Error(`the embedded database went away: ${reason}`)),
  });
  onStop(() => embedded.stop());
  return embedded.url("postgres");
}

async function openLog(
  { config, logger, processName }: PortsOptions,
  databaseUrl: string,
  onStop: (close: () => Promise<void>) => void,
): Promise<EventLog> {
  if (config.kafkaBrokers.length > 0) {
    const log = await connectKafkaLog({
      brokers: config.kafkaBrokers,
      clientId: `metrly-${processName}`,
      replicationFactor: config.kafkaReplicationFactor,
      logger,
    });
    onStop(() => log.stop());
    return config.namespace === DEFAULT_NAMESPACE ? log : namespacedLog(log, config.namespace);
  }
  const onError = (error: unknown) => logger.warn({ err: error }, "the event log reported an error");
  const database = await openDatabase({
    url: withDatabase(databaseUrl, databaseName(config, "log")),
    migrationsDir: migrationsOf("log"),
    onError,
  });
  onStop(() => database.stop());
  const log = await connectPostgresLog({ database, onError });
  onStop(() => log.stop());
  return log;
}

/** BullMQ migrates its own tables but not the database that they live in. */
async function ensureDatabase(url: string): Promise<void> {
  const database = await openDatabase({ url, maxConnections: 1, onError: () => undefined });
  await database.stop();
}

const SECRET_BYTES = 32;

/** The secret of an installation that configures none: generated once, readable by its owner only. */
async function localSecret(dataDir: string): Promise<string> {
  const folder = path.join(dataDir, "keys");
  const file = path.join(folder, "internal-secret");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    await writeFile(file, randomBytes(SECRET_BYTES).toString("hex"), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return (await readFile(file, "utf8")).trim();
}

const migrationsOf = (database: Service | "log"): string => path.join(packageRoot(), "prisma", database, "migrations");
