import { rm } from "node:fs/promises";
import path from "node:path";
import { isRunning } from "#platform/embedded-postgres/cluster.js";
import { startEmbeddedPostgres } from "#platform/embedded-postgres/postgres.js";
import { placeCluster } from "./embedded-databases.js";
import { findKafka, formatKafka, jvmFlags, KAFKA_READY, type KafkaSettings, kafkaDataDir } from "./kafka.js";
import { findRedis } from "./redis.js";
import { serverDir } from "./run-dir.js";
import { type ServerProcess, startServerProcess } from "./server-process.js";
import { freePort, waitFor } from "./servers.js";

/** A private server for one test, which may be killed, paused and restarted. Guard its test with the `has…` flags. */
export interface PrivatePostgres extends ServerProcess {
  /** Changes when it is restarted. */
  url(): string;
}

export interface PrivateRedis extends ServerProcess {
  readonly url: string;
  /** Its data folder. */
  readonly dir: string;
}

export interface PrivateKafka extends ServerProcess {
  /** The address for clients. */
  readonly brokers: readonly string[];
  /** The broker's own address. */
  readonly port: number;
}

export interface KafkaPlace {
  /** A proxy's port, advertised to clients instead of the broker's own. */
  readonly advertisedPort?: number;
  /** Called with the folder of the log before it is created, e.g. to mount something small there. */
  beforeFormat?(dataDir: string): Promise<void>;
}

/** Flushes by default, like in production. A test whose processes are killed, but not the machine, passes `{ fsync: "off" }`. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PrivatePostgres> {
  const dataDir = await serverDir("postgres");
  await placeCluster(dataDir);
  // Of passwords that a test sets: see embedded-databases.ts.
  const launch = () => startEmbeddedPostgres({ dataDir, settings: { scram_iterations: "1", ...settings } });
  let server = await launch();
  const isGone = () => !isRunning(server.pid);
  return {
    pid: () => server.pid,
    url: () => server.url("postgres"),
    async kill(signal) {
      process.kill(server.pid, signal);
      if (signal === "SIGSTOP" || signal === "SIGCONT") return;
      await waitFor(isGone, { what: "PostgreSQL to end" });
    },
    async restart() {
      await waitFor(isGone, { what: "PostgreSQL to end" });
      server = await launch();
    },
    async stop() {
      if (!isGone()) {
        process.kill(server.pid, "SIGCONT");
        await server.stop();
      }
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export interface RedisOptions {
  readonly appendOnly?: boolean;
  /** Replaces the settings above and the eviction policy: everything except listeners and data folder. */
  readonly flags?: readonly string[];
}

/** Empty, without eviction; persistence only with `{ appendOnly: true }`, so that a `kill` loses everything. */
export async function startRedis(options: RedisOptions = {}): Promise<PrivateRedis> {
  const program = await findRedis();
  return retryOnPort(async () => {
    const dir = await serverDir("redis");
    const port = await freePort();
    // What a process wrote outlives its kill without a flush, and a slow disk would stall it for longer than clients wait.
    const appendOnly = options.appendOnly === true ? "yes" : "no";
    const persistence = ["--save", "", "--appendonly", appendOnly, "--appendfsync", "no"];
    const flags = options.flags ?? [...persistence, "--maxmemory-policy", "noeviction"];
    const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir];
    const server = await startServerProcess({
      name: "Redis",
      command: program.command,
      args: [...place, ...flags],
      env: program.env,
      dir,
      readyLine: /Ready to accept connections/,
    });
    return { ...server, url: `redis://127.0.0.1:${port}`, dir };
  });
}

/** One broker that is its own controller (KRaft), without automatic topics. */
export async function startKafka(settings?: KafkaSettings, place: KafkaPlace = {}): Promise<PrivateKafka> {
  const classPath = await findKafka();
  return retryOnPort(async () => {
    const dir = await serverDir("kafka");
    const { advertisedPort } = place;
    const ports = {
      broker: await freePort(),
      controller: await freePort(),
      local: await freePort(),
      ...(advertisedPort !== undefined && { advertised: advertisedPort }),
    };
    await place.beforeFormat?.(kafkaDataDir(dir));
    const configuration = await formatKafka(classPath, dir, ports, settings);
    const server = await startServerProcess({
      name: "Kafka",
      command: "java",
      args: [...(await jvmFlags(classPath)), "-cp", classPath, "kafka.Kafka", path.resolve(configuration)],
      dir,
      readyLine: KAFKA_READY,
    });
    return { ...server, brokers: [`127.0.0.1:${advertisedPort ?? ports.broker}`], port: ports.broker };
  });
}

/** Another test may take a port that was free a moment ago. */
async function retryOnPort<T>(start: () => Promise<T>): Promise<T> {
  for (let left = 3; ; left--) {
    try {
      return await start();
    } catch (error) {
      if (left === 0 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
