import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { serverDir } from "../servers/run-dir.js";
import { freePort, kafkaBrokers, redisUrl, waitFor } from "../servers/servers.js";
import { type MetrlyProcess, startMetrly } from "../support/metrly.js";
import { nodeFlags } from "../support/node-flags.js";
import { type Container, startContainer } from "../systems/compose/container.js";

type Role = "gateway" | "tenancy" | "ingestion" | "quota" | "billing" | "notification";

/** A process with one role beside `metrly all`. */
export interface RoleProcess {
  readonly role: Role;
  readonly url: string;
  readonly container: Container;
  /** Its name in `extensions.propagation`. */
  instance(): Promise<string>;
}

export interface Processes {
  readonly metrly: MetrlyProcess;
  readonly ingestion: readonly RoleProcess[];
  readonly quota: readonly RoleProcess[];
  /** Each asks processes of its own of tenancy, billing and notification, and one of each data plane. */
  readonly gateways: readonly RoleProcess[];
  stop(): Promise<void>;
}

/** So many of each. */
export interface ProcessCounts {
  readonly dataPlanes: number;
  /** Of gateway, tenancy, billing and notification. */
  readonly others: number;
}

/** `metrly all` and other processes beside it, on real Kafka, Redis and PostgreSQL. */
export async function startProcesses({ dataPlanes, others }: ProcessCounts): Promise<Processes> {
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
      METRLY_TRUSTED_PROXIES: "127.0.0.1",
    };
    const metrly = await startMetrly("servers", env);
    closers.push(() => metrly.dispose());
    const dir = await serverDir("propagation");
    closers.push(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    const start = async (role: Role, n: number, own: Readonly<Record<string, string>> = {}) => {
      const started = await startRole({ metrly, env: { ...env, ...own }, role, name: `${role}-${n}`, dir });
      closers.push(() => started.container.stop());
      await started.container.restart();
      return started;
    };
    const some = (role: Role, length: number) => Promise.all(Array.from({ length }, (_, n) => start(role, n + 1)));
    const [ingestion, quota, ...behind] = await Promise.all([
      some("ingestion", dataPlanes),
      some("quota", dataPlanes),
      some("tenancy", others),
      some("billing", others),
      some("notification", others),
    ]);
    const gateways = await Promise.all(
      Array.from({ length: others }, (_, n) => {
        const subgraphs = [ingestion, quota, ...behind].flatMap((ofRole) => ofRole[n] ?? []);
        const urls = subgraphs.map(({ role, url }) => [`METRLY_${role.toUpperCase()}_URL`, url]);
        // Its tokens' keys are those of `metrly all`.
        return start("gateway", n + 1, { ...Object.fromEntries(urls), METRLY_DATA_DIR: metrly.dataDir });
      }),
    );
    return { metrly, ingestion, quota, gateways, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface RoleOptions {
  readonly metrly: MetrlyProcess;
  readonly env: Readonly<Record<string, string>>;
  readonly role: Role;
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
      PATH: process.env.PATH ?? "",
      METRLY_KAFKA_BROKERS: kafkaBrokers().join(","),
      METRLY_REDIS_URL: redisUrl(),
      ...(role !== "gateway" && { METRLY_DATABASE_URL: metrly.databaseUrl(role) }),
      METRLY_INGESTION_URL: metrly.url,
      METRLY_PORT: String(port),
      METRLY_METRICS_PORT: String(await freePort()),
      METRLY_DATA_DIR: path.join(dir, `${name}-data`),
      METRLY_LOG_LEVEL: "info",
      ...env,
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
