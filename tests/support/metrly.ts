import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isRunning } from "#platform/embedded-postgres/cluster.js";
import { packageRoot } from "#platform/process/package-root.js";
import { placeDatabases } from "../servers/embedded-databases.js";
import { createDatabasesOf } from "../servers/migrated.js";
import { databaseUrl, freePort, kafkaBrokers, redisUrl, waitFor } from "../servers/servers.js";
import { build } from "./build.js";
import { nodeFlags } from "./node-flags.js";

/** `embedded`: nothing but Node. `servers`: real Kafka, Redis and PostgreSQL. */
export type Adapters = "embedded" | "servers";

/** `metrly serve` in a separate process, reached only through its public interfaces. */
export interface MetrlyProcess {
  readonly url: string;
  readonly dataDir: string;
  /** The platform admin's token. */
  adminToken(): Promise<string>;
  /** SIGKILL; resolves when the process has ended. */
  kill(): Promise<unknown>;
  /** SIGTERM; resolves with the exit code. */
  terminate(): Promise<number | null>;
  /** Restarts it on the same data; resolves when it is ready. */
  restart(): Promise<void>;
  /** The database of one of its services; only with the adapters `servers`. */
  databaseUrl(service: string): string;
  /** Of the current process. */
  pid(): number;
  /** The end of its output, for failure messages; with `since`, not before that position. */
  output(since?: number): string;
  /** How much it has printed so far: the position of what it prints next. */
  printed(): number;
  /** Stops the process and deletes its data. */
  dispose(): Promise<void>;
}

/** `new`: it creates its databases. `migrated`: it finds them empty, with every migration, which costs seconds less. */
export type Databases = "new" | "migrated";

const READY_DEADLINE_MS = 400_000;

export async function startMetrly(
  adapters: Adapters,
  env: Readonly<Record<string, string>> = {},
  databases: Databases = "migrated",
): Promise<MetrlyProcess> {
  await build();
  const dataDir = await mkdtemp(path.join(tmpdir(), "metrly-test-"));
  const port = await freePort();
  const fullEnv: NodeJS.ProcessEnv = {
    ...cleanEnvironment(),
    ...(await environmentOf(adapters)),
    METRLY_PORT: String(port),
    METRLY_METRICS_PORT: "0",
    METRLY_DATA_DIR: dataDir,
    METRLY_DEMO: "off",
    METRLY_TICK_SECONDS: "1",
    METRLY_LOG_LEVEL: "warn",
    ...env,
  };
  if (databases === "migrated") await provideDatabases(adapters, dataDir, fullEnv);
  const url = `http://127.0.0.1:${port}`;
  let printed = "";
  let total = 0;
  let child = launch();

  function launch(): ChildProcess {
    const started = spawn(process.execPath, [...nodeFlags, path.join(packageRoot(), "dist/cli/metrly.js"), "all"], {
      env: fullEnv,
      cwd: dataDir,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        const text = chunk.toString("utf8");
        total += text.length;
        printed = (printed + text).slice(-200_000);
      });
    }
    return started;
  }

  async function untilReady(): Promise<void> {
    const started = child;
    const isReady = async () => (await fetch(`${url}/readyz`)).ok;
    const ended = new Promise<never>((_, reject) =>
      started.once("exit", (code, signal) => reject(new Error(`metrly ended with ${code ?? signal}`))),
    );
    // Later it may end as it likes.
    ended.catch(() => undefined);
    await Promise.race([waitFor(isReady, { deadlineMs: READY_DEADLINE_MS, what: "metrly to be ready" }), ended]).catch(
      (error: Error) => {
        throw new Error(`${error.message}; it printed:\n${printed.slice(-5_000)}`, { cause: error });
      },
    );
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }

  async function restart(): Promise<void> {
    child = launch();
    await untilReady();
  }

  await untilReady();
  return {
    url,
    dataDir,
    restart,
    adminToken: async () => (await readFile(path.join(dataDir, "admin-token"), "utf8")).trim(),
    kill: () => end("SIGKILL"),
    databaseUrl(service) {
      const url = new URL(fullEnv.METRLY_DATABASE_URL ?? "");
      url.pathname = `/${fullEnv.METRLY_NAMESPACE}_${service}`;
      return url.toString();
    },
    terminate: () => end("SIGTERM"),
    pid: () => child.pid ?? 0,
    output: (since = 0) => printed.slice(Math.max(0, printed.length - (total - since))),
    printed: () => total,
    async dispose() {
      await end("SIGTERM");
      // The embedded database may go on writing for a moment.
      await waitFor(() => isDatabaseGone(dataDir), { what: "the embedded database to end" });
      await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

/** Whether the embedded database of this data directory has ended. */
export async function isDatabaseGone(dataDir: string): Promise<boolean> {
  const file = path.join(dataDir, "postgres/data/postmaster.pid");
  const pid = Number((await readFile(file, "utf8").catch(() => "")).split("\n")[0]);
  return !(pid > 0) || !isRunning(pid);
}

/** A server of the test's own starts with what the test puts there. */
async function provideDatabases(adapters: Adapters, dataDir: string, env: NodeJS.ProcessEnv): Promise<void> {
  if (adapters === "embedded") return placeDatabases(dataDir);
  if (env.METRLY_DATABASE_URL === databaseUrl()) await createDatabasesOf(env.METRLY_NAMESPACE ?? "");
}

/** A minimal environment, without METRLY_ variables of the developer. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith("METRLY_") && name !== "NODE_OPTIONS" && name !== "VITEST",
    ),
  );
}

async function environmentOf(adapters: Adapters): Promise<Record<string, string>> {
  if (adapters === "embedded") return {};
  return {
    METRLY_KAFKA_BROKERS: kafkaBrokers().join(","),
    METRLY_REDIS_URL: redisUrl(),
    METRLY_DATABASE_URL: databaseUrl(),
    METRLY_NAMESPACE: `t${randomBytes(5).toString("hex")}`,
    METRLY_PARTITIONS: "4",
  };
}
