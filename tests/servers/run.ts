import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isRunning } from "#platform/embedded-postgres/cluster.js";
import { Unavailable } from "./cache.js";
import { findChromium } from "./chromium.js";
import { KAFKA_VERSION } from "./kafka.js";
import { findNginx } from "./nginx.js";
import { startKafka, startPostgres, startRedis } from "./private-servers.js";
import { findRedis } from "./redis.js";
import { RUN_DIR_VARIABLE } from "./server-process.js";

// What `npm test` runs once the dependencies are there: servers, vitest, one closing line, and nothing left running.
const RUN_PREFIX = "metrly-test-run-";
const runDir = path.join(tmpdir(), `${RUN_PREFIX}${process.pid}`);
const isCi = process.env.CI === "true";

interface Provision {
  readonly name: string;
  readonly variable: string;
  start(): Promise<{ readonly value: string; readonly version: string; stop(): Promise<void> }>;
}

const PROVISIONS: readonly Provision[] = [
  {
    name: "PostgreSQL",
    variable: "DATABASE_URL",
    async start() {
      const server = await startPostgres({ fsync: "off", max_connections: "300", shared_buffers: "256MB" });
      return { value: server.url(), version: "from npm", stop: server.stop };
    },
  },
  {
    name: "Redis",
    variable: "REDIS_URL",
    async start() {
      const { version } = await findRedis();
      const server = await startRedis();
      return { value: server.url, version, stop: server.stop };
    },
  },
  {
    name: "Kafka",
    variable: "KAFKA_BROKERS",
    async start() {
      const server = await startKafka();
      return { value: server.brokers.join(","), version: KAFKA_VERSION, stop: server.stop };
    },
  },
  {
    name: "nginx",
    variable: "NGINX",
    async start() {
      const { command, version } = await findNginx();
      return { value: command, version, stop: async () => undefined };
    },
  },
  {
    name: "Chromium",
    variable: "CHROMIUM",
    async start() {
      const { command, version } = await findChromium();
      return { value: command, version, stop: async () => undefined };
    },
  },
];

const missing: string[] = [];
const started: (() => Promise<void>)[] = [];
let interrupted = false;
let vitest: ReturnType<typeof spawn> | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    interrupted = true;
    vitest?.kill("SIGTERM");
  });

process.exitCode = await main(process.argv.slice(2));

async function main(filters: readonly string[]): Promise<number> {
  await sweepDeadRuns();
  await mkdir(runDir, { recursive: true, mode: 0o755 });
  process.env[RUN_DIR_VARIABLE] = runDir;
  let tally: Tally = { passed: 0, failed: 1, skipped: 0 };
  try {
    await Promise.all(PROVISIONS.map(provision));
    if (missing.length > 0 && isCi) console.error("CI tests against every server: a missing one is a failure.");
    else if (!interrupted) tally = await runVitest(filters);
  } catch (error) {
    console.error(error);
  } finally {
    await Promise.allSettled(started.map((stop) => stop()));
    await sweep(runDir);
  }
  for (const line of missing) console.error(line);
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
  if (interrupted) return 130;
  return tally.failed > 0 ? 1 : 0;
}

async function provision(wanted: Provision): Promise<void> {
  const given = process.env[wanted.variable];
  if (given) return console.log(`${wanted.name}: ${wanted.variable} is set, using that server`);
  try {
    const server = await wanted.start();
    started.push(server.stop);
    process.env[wanted.variable] = server.value;
    console.log(`${wanted.name} ${server.version} at ${server.value.replace(/\/\/.*@/, "//")}`);
  } catch (error) {
    if (!(error instanceof Unavailable) && !isCi) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    missing.push(`*** NO ${wanted.name.toUpperCase()}: ${reason}. Tests that need it are SKIPPED. ***`);
    console.error(missing.at(-1), isCi ? error : "");
  }
}

interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

async function runVitest(filters: readonly string[]): Promise<Tally> {
  const report = path.join(runDir, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...reporters, ...filters], {
    stdio: "inherit",
  });
  vitest = child;
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  const tally = countReport(await readFile(report, "utf8").catch(() => "{}"));
  const ranNothing = tally.passed + tally.failed === 0;
  if (ranNothing) console.error("No test ran.");
  // Vitest also fails for what belongs to no test: an unhandled rejection, a file that does not load.
  return tally.failed === 0 && (code !== 0 || ranNothing) ? { ...tally, failed: 1 } : tally;
}

interface Report {
  readonly testResults?: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

function countReport(text: string): Tally {
  const report: Report = JSON.parse(text);
  const tally = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report.testResults ?? []) {
    const statuses = file.assertionResults.map((result) => result.status);
    if (file.status === "failed" && !statuses.includes("failed")) tally.failed++;
    for (const status of statuses) {
      if (status === "passed" || status === "failed") tally[status]++;
      else tally.skipped++;
    }
  }
  return tally;
}

/** Ends what runs in folders of a run and deletes them: servers of tests that crashed, or of a runner that was killed. */
async function sweep(dir: string): Promise<void> {
  if (process.platform === "linux") {
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
      if (cwd.startsWith(`${dir}${path.sep}`)) process.kill(Number(pid), "SIGKILL");
    }
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

async function sweepDeadRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(RUN_PREFIX) ? Number(name.slice(RUN_PREFIX.length)) : undefined;
    if (pid === undefined || isRunning(pid)) continue;
    await sweep(path.join(tmpdir(), name));
  }
}
