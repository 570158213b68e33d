import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { startKafka, startPostgres, startRedis } from "../../tests/servers/private-servers.js";
import { REPORT_VARIABLE } from "../support/report.js";
import type { ProgramResult } from "./results.js";

/** One of Metrly's own benchmarks, with references of its own. */
export interface Program {
  /** On the command line. */
  readonly name: string;
  readonly text: string;
  /** Below `bench/`. */
  readonly file: string;
  readonly args: readonly string[];
  readonly needs: readonly ("DATABASE_URL" | "REDIS_URL" | "KAFKA_BROKERS")[];
  /** Too long for every run: only when it is named. */
  readonly isLong: boolean;
}

export const PROGRAMS: readonly Program[] = [
  {
    ...{ name: "ingest", text: "Acknowledging events", file: "ingest/run.ts", needs: [], isLong: false },
    args: ["--only", "batches,singles", "--rounds", "3", "--seconds", "2"],
  },
  {
    ...{ name: "quota-batches", text: "Quota in batches, its memory", file: "quota/run.ts", needs: [], isLong: false },
    args: ["--only", "batch,memory", "--rounds", "3", "--seconds", "2"],
  },
  {
    ...{ name: "billing", text: "Folding and closing", file: "billing/run.ts", needs: ["DATABASE_URL"], isLong: false },
    args: ["--only", "fold,closes", "--tenants", "1000"],
  },
  {
    ...{ name: "ledger-size", text: "Bytes per event", file: "ledger-size.ts", needs: ["DATABASE_URL"], args: [] },
    isLong: false,
  },
  {
    ...{ name: "notification", text: "Alerts to subscribers", file: "notification/run.ts", needs: ["DATABASE_URL"] },
    ...{ args: ["--only", "fan-out"], isLong: false },
  },
  {
    ...{ name: "reads", text: "Reading a month of events", file: "billing/run.ts", needs: ["DATABASE_URL"] },
    ...{ args: ["--only", "reads,values", "--events", "1000000"], isLong: true },
  },
  {
    ...{
      name: "consume",
      text: "Recording and counting a backlog",
      file: "billing/consume.ts",
      needs: ["DATABASE_URL"],
    },
    ...{ args: [], isLong: true },
  },
  {
    ...{ name: "rebuild", text: "Rebuilding", file: "billing/rebuild.ts", needs: ["DATABASE_URL"], isLong: true },
    args: ["--events", "1000000"],
  },
  {
    ...{ name: "end-to-end", text: "Lag, visible totals and alerts under load", file: "ingest/end-to-end.ts" },
    ...{ args: [], needs: [], isLong: true },
  },
  {
    ...{ name: "fairness", text: "A loud tenant's neighbours", file: "fairness/run.ts", needs: ["DATABASE_URL"] },
    ...{ args: [], isLong: true },
  },
  {
    ...{ name: "mutations", text: "Mutations until they apply everywhere", file: "tenancy/mutations.ts", args: [] },
    ...{ needs: ["DATABASE_URL", "REDIS_URL", "KAFKA_BROKERS"], isLong: true },
  },
];

/** Runs it on servers of its own; undefined: it failed, which is announced, and its last result stays. */
export async function runProgram({ file, args, needs }: Program): Promise<ProgramResult["lines"] | undefined> {
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-bench-"));
  const lines = path.join(dir, "report");
  const env: NodeJS.ProcessEnv = { ...process.env, [REPORT_VARIABLE]: lines };
  const stops: (() => Promise<void>)[] = [];
  try {
    for (const variable of needs) {
      const { value, stop } = await SERVERS[variable]();
      env[variable] = value;
      stops.push(stop);
    }
    const command = ["--import", "tsx", `bench/${file}`, ...args];
    const child = spawn(process.execPath, command, { cwd: packageRoot(), env, stdio: "inherit" });
    const [code] = await once(child, "exit");
    if (code !== 0) {
      console.error(`\nNOT MEASURED: ${file} ended with ${code}\n`);
      return undefined;
    }
    return (await readFile(lines, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  } finally {
    for (const stop of stops) await stop();
    await rm(dir, { recursive: true, force: true });
  }
}

const SERVERS = {
  async DATABASE_URL() {
    const server = await startPostgres({ max_connections: "300" });
    return { value: server.url(), stop: () => server.stop() };
  },
  async REDIS_URL() {
    const server = await startRedis();
    return { value: server.url, stop: () => server.stop() };
  },
  async KAFKA_BROKERS() {
    const server = await startKafka();
    return { value: server.brokers.join(","), stop: () => server.stop() };
  },
};
