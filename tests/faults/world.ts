import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { canMount, mountSmallDisk, type SmallDisk } from "../chaos/small-disk.js";
import { serverDir } from "../servers/run-dir.js";
import { waitFor } from "../servers/servers.js";
import { sized } from "../support/effort.js";
import { type RunningCompose, startCompose } from "../systems/compose/start.js";
import type { Target } from "../systems/whole-path/proof.js";
import { createFaultyNetwork, type FaultyNetwork } from "./network.js";
import { ROLES_WITH_DATABASE } from "./stations.js";

/** The compose file's system, each process with a network and a clock that can fail. */
export interface MatrixWorld {
  readonly compose: RunningCompose;
  readonly network: FaultyNetwork;
  readonly target: Target;
  /** Sets by how many milliseconds a role's clock is off; resolves once it is. */
  shiftClock(role: string, ms: number): Promise<void>;
  /** The broker's; absent where mounting is not allowed. */
  readonly disk: SmallDisk | undefined;
  /** Queries as PostgreSQL's superuser. */
  administer(statements: readonly string[]): Promise<void>;
  /** Output of all roles. */
  output(): Promise<string>;
  stop(): Promise<void>;
}

const DISK_MIB = sized(160, 256);
const CLOCK = "shifted-clock.cjs";

export interface MatrixOptions {
  /** More flags of Node for all roles. */
  readonly roleFlags?: (role: string) => string;
  /** More settings, as in `.env`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of the broker's disk: what it stores must fit until the world ends. */
  readonly diskMiB?: number;
}

export async function startMatrixWorld({
  roleFlags,
  env,
  diskMiB = DISK_MIB,
}: MatrixOptions = {}): Promise<MatrixWorld> {
  const dir = await serverDir("faults");
  await mkdir(dir, { recursive: true });
  await copyFile(path.join(import.meta.dirname, CLOCK), path.join(dir, CLOCK));
  let disk: SmallDisk | undefined;
  const network = await createFaultyNetwork({
    async beforeFormat(dataDir) {
      if (await canMount()) disk = await mountSmallDisk(dataDir, diskMiB);
    },
  });
  const compose = await startCompose({
    network,
    roleFlags: (role) => [`--require=${path.join(dir, CLOCK)}`, roleFlags?.(role) ?? ""].join(" ").trim(),
    env: {
      METRLY_WEBHOOK_ALLOW_HOSTS: "127.0.0.1",
      METRLY_TICK_SECONDS: "1",
      METRLY_LOG_LEVEL: "info",
      METRLY_PARTITIONS: sized("4", "8"),
      ...env,
    },
  }).catch(async (error: unknown) => {
    await disk?.unmount();
    await network.stop();
    throw error;
  });
  return {
    compose,
    network,
    disk,
    target: { url: compose.url, admin: await compose.adminToken() },
    async shiftClock(role, ms) {
      const file = path.join(dir, role);
      await writeFile(file, String(ms));
      const isSet = async () => (await readFile(`${file}.set`, "utf8")) === String(ms);
      await waitFor(isSet, { what: `the clock of ${role} to be off by ${ms} ms` });
    },
    async administer(statements) {
      const client = new pg.Client({ connectionString: compose.postgres.url() });
      await client.connect();
      try {
        for (const statement of statements) await client.query(statement);
      } finally {
        await client.end();
      }
    },
    async output() {
      const roles = [...compose.processes.values()];
      return (await Promise.all(roles.map(async (role) => `${role.name}:\n${await role.output()}`))).join("\n");
    },
    async stop() {
      // The broker's folder can only be deleted once its disk is unmounted.
      await compose.kafka.kill("SIGKILL");
      await disk?.unmount();
      await compose.stop();
      await network.stop();
    },
  };
}

/** Ends the sessions of these roles; their next ones have the settings that hold then. */
export const endSessions = (roles: readonly string[] = ROLES_WITH_DATABASE): string =>
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN (${roles.map((role) => `'${role}'`).join()})`;

/** Every role is ready again, without intervention. */
export async function allReady({ compose }: Pick<MatrixWorld, "compose">): Promise<void> {
  for (const role of compose.processes.values()) {
    const isReady = async () => (await fetch(`http://127.0.0.1:${role.env.METRLY_PORT}/readyz`)).ok;
    await waitFor(isReady, { what: `${role.name} to be ready again`, deadlineMs: 240_000 });
  }
}
