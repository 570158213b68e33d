import { existsSync } from "node:fs";
import path from "node:path";
import closeWithGrace from "close-with-grace";
import { EmbeddedPostgresError } from "#platform/embedded-postgres/postgres.js";
import { type Config, type Env, parseConfig } from "#platform/process/config.js";
import { boundHeapGrowth } from "#platform/process/heap.js";
import { createLogger } from "#platform/process/logger.js";
import { packageRoot } from "#platform/process/package-root.js";
import { unknownSettings } from "#platform/process/settings.js";
import { asTyped, dataDirSetting } from "../as-typed.js";
import { adminTokenFile } from "../connection/address.js";
import { reportFailure, UserError } from "../connection/failure.js";
import { SELLER } from "../demo/catalog.js";
import { surviveLostTerminal } from "../lost-terminal.js";
import { publishAddress } from "./address.js";
import { assertRoleConfigured, type ProcessRole } from "./role-config.js";
import { onStopSignals, STOP_SIGNALS } from "./stop-signals.js";
import { assertPortsFree, type RunningSystem, startSystem } from "./system.js";
import { createTerminalLog, logFile, type TerminalLog } from "./terminal-log.js";

const DRAIN_MS = 10_000;
/** Keeps the whole process below 300 MB at any load. */
const INGESTION_HEAP_GROWTH_PERCENT = 70;

/** `metrly serve`: runs until a signal or a failure. Exit code 0 only after a clean stop. */
export async function runProcess(composition: ProcessRole, env: Env): Promise<void> {
  const config = parseConfig(env);
  if (composition !== "all") assertRoleConfigured(composition, config);
  if (composition === "ingestion") boundHeapGrowth(INGESTION_HEAP_GROWTH_PERCENT);
  surviveLostTerminal();
  // Before the log, which may belong to a Metrly that runs here already.
  await assertPortsFree({ config, composition });
  const isWatched = composition === "all" && config.logFormat === "auto" && process.stderr.isTTY;
  const terminal = isWatched ? openTerminalLog(config) : undefined;
  // A terminal that goes away is an error of this stream, which is expected; of pino's own it would end the process.
  const stream = process.stderr.isTTY ? process.stderr : undefined;
  const logger = createLogger(config.logLevel, terminal?.destination ?? stream);
  for (const unknown of unknownSettings(env)) logger.warn(unknown);
  if (isWatched) process.stderr.write(startingText(config));
  let failed = false;
  let stopping = false;
  let closing: RunningSystem["closing"] = () => ["start"];
  const onTimeout = () => logger.fatal({ closing: closing() }, `not drained within ${DRAIN_MS / 1000} s`);
  const grace = closeWithGrace({ delay: DRAIN_MS, logger: false, skip: STOP_SIGNALS, onTimeout }, async ({ err }) => {
    stopping = true;
    if (err !== undefined) {
      failed = true;
      logger.fatal({ err }, "stopping after a failure");
    }
    await stopStarted();
    if (failed) process.exit(1);
  });
  onStopSignals({
    stop(signal) {
      logger.info({ signal }, "stopping");
      grace.close();
    },
    hurry(signal) {
      logger.warn({ signal, closing: closing() }, "exiting without draining");
      process.exit(1);
    },
  });
  const starting = startSystem({
    config: composition === "all" && config.demo ? { ...config, seller: config.seller ?? SELLER } : config,
    composition,
    logger,
    fail(error) {
      failed = true;
      logger.fatal({ err: error }, "unhandled failure");
      grace.close();
    },
  });
  const stopStarted = () =>
    starting.then(
      (system) => system.stop(),
      () => undefined,
    );
  try {
    const system = await starting;
    closing = system.closing;
    if (composition === "all") await publishAddress(config.dataDir, system);
    if (composition === "all" && config.demo) await startDemo(config, system, env, terminal);
    else process.stdout.write(readyText(composition, system.url, terminal && logFile(config.dataDir)));
  } catch (error) {
    if (stopping) return;
    grace.uninstall();
    await stopStarted();
    reportFailure(error instanceof EmbeddedPostgresError ? new UserError(error.message) : error);
    process.exit(1);
  }
}

/** Until the first screen nothing else is shown. */
function startingText({ demo, dataDir }: Config): string {
  const isFirst = !existsSync(adminTokenFile(dataDir));
  const what = isFirst && demo ? "its database, its services and the demo's data" : "its database and its services";
  return `Starting Metrly: ${what} (some seconds)\n`;
}

/** Packed servers have no docs. */
function tutorial(): string | undefined {
  const page = "docs/tutorial.md";
  return existsSync(path.join(packageRoot(), page)) ? page : undefined;
}

function readyText(composition: ProcessRole, url: string, log: string | undefined): string {
  if (composition !== "all") return `Metrly ${composition} is ready: ${url}\n`;
  const page = tutorial();
  const ofTutorial = page === undefined ? "" : `\n  From the first meter to the first invoice: ${page}`;
  const ofLog = log === undefined ? "" : `\n  Log           ${path.relative(process.cwd(), log)}`;
  return `Metrly is ready: ${url}

  Explorer      ${url}/
  Data plane    ${url}/docs${ofLog}

  The demo is off. What there is: ${dataDirSetting()}${asTyped("tenants list")}
  All commands: ${asTyped("--help")}${ofTutorial}

Ctrl-C stops everything.
`;
}

const openTerminalLog = ({ dataDir }: Config): TerminalLog =>
  createTerminalLog(logFile(dataDir), (line) => void process.stderr.write(`${line}\n`));

async function startDemo(
  config: Config,
  system: RunningSystem,
  env: Env,
  terminal: TerminalLog | undefined,
): Promise<void> {
  const { openDemo } = await import("../demo/demo.js");
  const demo = await openDemo({
    ...{ url: system.url, config, logger: system.logger, env },
    logFile: terminal && logFile(config.dataDir),
    tutorial: tutorial(),
    willFail: (endpointId) => terminal?.expectLinesOf(endpointId),
  });
  system.beforeStop("demo", () => demo.stop());
}
