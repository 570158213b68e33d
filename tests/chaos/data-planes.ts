import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { serverDir } from "../servers/run-dir.js";
import { freePort, kafkaBrokers, redisUrl, waitFor } from "../servers/servers.js";
import { type MetrlyProcess, startMetrly } from "../support/metrly.js";
import { nodeFlags } from "../support/node-flags.js";
import { type Container, startContainer } from "../systems/compose/container.js";

/** A process with one service beside `metrly all`. */
export interface RoleProcess {
  readonly role: "ingestion" | "quota";
  readonly url: string;
  readonly container: Container;
  /** Its name in `extensions.propagation`. */
  instance(): Promise<string>;
}

export interface Processes {
  readonly metrly: MetrlyProcess;
  readonly ingestion: readonly RoleProcess[];
  readonly quota: readonly RoleProcess[];
  stop(): Promise<void>;
}

/** `metrly all` and two processes of each data plane, on real Kafka, Redis and PostgreSQL. */
export async function startProcesses(): Promise<Processes> {
  const closers: (() => Promise<unknown>)[] = [];
  async function stop(): Promise<void> {
    for (const close of closers.splice(0).reverse()) await close();
  }
  try {
    const env = {
      METRLY_NAMESPACE: `p${randomBytes(5).toString("hex")}`,
      METRLY_INTERNAL_SECRET: "a secret that only this test shares",
      METRLY_QUOTA_REDIS_URLS: redisUrl(),
      METRLY_PARTITIONS: "4",
      METRLY_TICK_SECONDS: "1",
    };
    const metrly = await startMetrly("servers", env);
    closers.push(() => metrly.dispose());
    const dir = await serverDir("propagation");
    closers.push(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    const start = async (role: RoleProcess["role"], n: number) => {
      const started = await startRole({ metrly, env, role, name: `${role}-${n}`, dir });
      closers.push(() => started.container.stop());
      await started.container.restart();
      return started;
    };
    const [ingestion, quota] = await Promise.all([
      Promise.all([start("ingestion", 1), start("ingestion", 2)]),
      Promise.all([start("quota", 1), start("quota", 2)]),
    ]);
    return { metrly, ingestion, quota, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface RoleOptions {
  readonly metrly: MetrlyProcess;
  readonly env: Readonly<Record<string, string>>;
  readonly role: RoleProcess["role"];
  readonly name: string;
  readonly dir: string;
}

async function startRole({ metrly, env, role, name, dir }: RoleOptions): Promise<RoleProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const isReady = `fetch("${url}/readyz").then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
  const container = await startContainer({
    name,
    command: [process.execPath, ...nodeFlags, path.join(packageRoot(), "dist/cli/metrly.js"), role],
    env: {
      ...env,
      PATH: process.env.PATH ?? "",
      METRLY_KAFKA_BROKERS: kafkaBrokers().join(","),
      METRLY_REDIS_URL: redisUrl(),
      METRLY_DATABASE_URL: metrly.databaseUrl(role),
      METRLY_INGESTION_URL: metrly.url,
      METRLY_PORT: String(port),
      METRLY_METRICS_PORT: String(await freePort()),
      METRLY_DATA_DIR: path.join(dir, `${name}-data`),
      METRLY_LOG_LEVEL: "info",
    },
    healthcheck: [process.execPath, "-e", isReady],
    readyUrl: `${url}/readyz`,
    restarts: false,
    dir,
  });
  return {
    ...{ role, url, container },
    instance: () =>
      waitFor(async () => /"instance":"([^"]+)"/.exec(await container.output())?.[1], { what: `the name of ${name}` }),
  };
}
