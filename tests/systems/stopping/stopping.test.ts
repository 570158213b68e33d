import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { hasCode } from "#kernel/errors.js";
import { isRunning } from "#platform/embedded-postgres/cluster.js";
import { every } from "#platform/lifecycle/time.js";
import { packageRoot } from "#platform/process/package-root.js";
import { logFile } from "../../../cli/server/terminal-log.js";
import { placeDatabases } from "../../servers/embedded-databases.js";
import { freePort, waitFor } from "../../servers/servers.js";
import { build } from "../../support/build.js";
import { hasTerminal } from "../../support/terminal.js";

// `npm start` in a process group of its own, as at a terminal: Ctrl-C reaches npm and the server, and npm forwards its own.

let dataDir: string;
let npm: ChildProcess;
let printed = "";

beforeAll(async () => {
  await build();
  dataDir = await mkdtemp(path.join(tmpdir(), "metrly-test-stopping-"));
  await placeDatabases(dataDir);
});

afterEach(() => {
  if (npm.exitCode === null && npm.signalCode === null) process.kill(-(npm.pid as number), "SIGKILL");
});

afterAll(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));

/** Each of these signals is a request of its own. */
const AGAIN_MS = 150;

// Not its `prestart`, which would compile under the other tests.
const START = ["npm", "start", "--ignore-scripts"];

/** `npm start`, or a terminal with it, once it is ready. */
async function start([program, ...args]: readonly string[] = START): Promise<void> {
  const port = await freePort();
  const settings = { METRLY_PORT: `${port}`, METRLY_METRICS_PORT: "0", METRLY_DATA_DIR: dataDir, METRLY_DEMO: "off" };
  const { PATH, HOME } = process.env;
  printed = "";
  npm = spawn(program ?? "", args, {
    ...{ cwd: packageRoot(), detached: true, stdio: ["ignore", "pipe", "pipe"] },
    env: { PATH, HOME, ...settings },
  });
  for (const stream of [npm.stdout, npm.stderr]) stream?.on("data", (chunk: Buffer) => (printed += chunk));
  await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, { what: "npm start to be ready" });
}

async function endAfter(...signals: NodeJS.Signals[]): Promise<void> {
  const database = await databasePid();
  expect(isRunning(database)).toBe(true);
  const ended = once(npm, "exit");
  for (const signal of signals) signalAll(signal);
  await ended;
  await waitFor(() => !isRunning(database), { what: `the database to end\n${printed}` });
}

/** To all that runs of npm and the server. */
function signalAll(signal: NodeJS.Signals): void {
  try {
    process.kill(-(npm.pid as number), signal);
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}

async function databasePid(): Promise<number> {
  return Number((await readFile(path.join(dataDir, "postgres/data/postmaster.pid"), "utf8")).split("\n")[0]);
}

test("Ctrl-C stops npm and the server in order, and the database ends", async () => {
  await start();
  await endAfter("SIGINT");
  expect(npm.exitCode, printed).toBe(0);
  expect(printed).not.toMatch(/npm error|without draining/i);
});

test("the database ends after a closed terminal", async () => {
  await start();
  await endAfter("SIGHUP");
});

test("the database ends after an impatient user", async () => {
  await start();
  const again = every(AGAIN_MS, () => signalAll("SIGINT"));
  onTestFinished(() => again.cancel());
  await endAfter("SIGTERM");
});

describe.skipIf(!hasTerminal)("a server whose terminal goes away drains, and all of it ends", () => {
  test.each([
    { shows: "text", format: "auto", line: () => path.relative(packageRoot(), logFile(dataDir)) },
    { shows: "JSON lines", format: "json", line: () => '"msg":"Server listening' },
  ])("where it showed $shows", async ({ format, line }) => {
    await start(["script", "-qec", `METRLY_LOG_FORMAT=${format} ${START.join(" ")}`, "/dev/null"]);
    await waitFor(() => printed.includes(line()), { what: "the terminal to show the log, or where it is" });
    const database = await databasePid();
    const server = Number(execFileSync("ps", ["-o", "ppid=", "-p", `${database}`]));
    // The terminal alone: what runs in it gets its SIGHUP, and every write to it fails from then on.
    process.kill(npm.pid as number, "SIGKILL");
    await waitFor(() => !isRunning(database) && !isRunning(server), { what: "the database and the server to end" });
    // A server that drains takes its addresses away.
    expect(await readdir(dataDir)).not.toContain("address");
  });
});
